"""The attention budget: how many messages one person gets over all campaigns and channels (mission P5).

``contact`` is its book. A message is entered when its handover is committed and struck out when there is proof that it
was not sent; so the book never says less than what a learner may have received.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, literal, or_, select

from pushpull.learners.lists import in_ids
from pushpull.ledger.specs import Caps, WaveSpec
from pushpull.ledger.tables import campaign, contact, delivery, wave
from pushpull.ledger.vocabulary import DeliveryState, MessageClass, WaveStatus

_WEEK, _MONTH = 7, 30
_WAITING = (DeliveryState.PLANNED.value, DeliveryState.HELD.value, DeliveryState.CLAIMED.value)


@dataclass(frozen=True)
class OrganisationCaps:
    """The organisation's own limits; a campaign can only tighten them. Mandatory messages have a lane of their own."""

    nudge: Caps
    mandatory: Caps

    def binding(self, spec: WaveSpec) -> Caps:
        """The caps that hold for a wave: the tighter of the organisation's and the campaign's."""
        own = self.mandatory if spec.message_class is MessageClass.MANDATORY else self.nudge
        return Caps(
            per_day=min(own.per_day, spec.caps.per_day),
            per_week=min(own.per_week, spec.caps.per_week),
            per_month=min(own.per_month, spec.caps.per_month),
        )


@dataclass(slots=True)
class Spent:
    """What a learner already got on this local day, in the last 7 and in the last 30 of them."""

    day: int = 0
    week: int = 0
    month: int = 0

    def reaches(self, caps: Caps, *, besides: int = 0) -> bool:
        """Whether one more message would be too many, ``besides`` those that are to go first."""
        return (
            self.day + besides >= caps.per_day
            or self.week + besides >= caps.per_week
            or self.month + besides >= caps.per_month
        )


def spent(connection: Connection, today: Mapping[int, int], *, lane: str) -> dict[int, Spent]:
    """Count the book's entries of some learners.

    Args:
        today: the ordinal of each learner's local date, by learner id.
        lane: the budget: mandatory messages have one of their own.
    """
    book: dict[int, Spent] = {learner_id: Spent() for learner_id in today}
    if not today:
        return book
    rows = connection.execute(
        select(contact.c.learner_id, contact.c.local_day).where(
            contact.c.learner_id.between(min(today), max(today)),
            in_ids(contact.c.learner_id, today),
            contact.c.local_day > min(today.values()) - _MONTH,
            contact.c.lane == lane,
        )
    )
    for learner_id, day in rows:
        age = today[learner_id] - day
        entry = book[learner_id]
        entry.day += age <= 0
        entry.week += age < _WEEK
        entry.month += age < _MONTH
    return book


def close_to(caps: Caps, *, is_near: ColumnElement[bool], first_day: int, lane: str) -> Select[tuple[int]]:
    """The statement for the learners who may have used up a cap; everybody else is far from it.

    Args:
        is_near: which rows of :data:`contact` to look at.
        first_day: the ordinal of the earliest local date it is for any of them.
    """
    entered = [
        (func.count().filter(contact.c.local_day > first_day - days), cap)
        for days, cap in ((1, caps.per_day), (_WEEK, caps.per_week), (_MONTH, caps.per_month))
    ]
    return (
        select(contact.c.learner_id)
        .where(is_near, contact.c.local_day > first_day - _MONTH, contact.c.lane == lane)
        .group_by(contact.c.learner_id)
        .having(or_(*(count >= cap for count, cap in entered)))
    )


def outranking_waves(connection: Connection, spec: WaveSpec) -> list[int]:
    """The open waves of higher priority in the same lane: they go first when both want the same person."""
    return list(
        connection.execute(
            select(wave.c.id)
            .select_from(wave.join(campaign, campaign.c.id == wave.c.campaign_id))
            .where(
                wave.c.finished_at.is_(None),
                wave.c.status == WaveStatus.OPEN.value,
                campaign.c.status == WaveStatus.OPEN.value,
                wave.c.priority > spec.priority,
                (wave.c.message_class == MessageClass.MANDATORY.value)
                == (spec.message_class is MessageClass.MANDATORY),
            )
        ).scalars()
    )


def rivals(connection: Connection, day_ends: Mapping[int, datetime], waves: Sequence[int]) -> dict[int, int]:
    """How many messages of ``waves`` are waiting to reach each learner before the end of the local day."""
    counts: dict[int, int] = dict.fromkeys(day_ends, 0)
    if not waves or not day_ends:
        return counts
    rows = connection.execute(
        select(delivery.c.learner_id, delivery.c.due_at).where(
            delivery.c.wave_id.in_(waves),
            delivery.c.learner_id.between(min(day_ends), max(day_ends)),
            in_ids(delivery.c.learner_id, day_ends),
            delivery.c.state.in_(_WAITING),
        )
    )
    for learner_id, due_at in rows:
        counts[learner_id] += due_at < day_ends[learner_id]
    return counts


def enter(connection: Connection, rows: ColumnElement[bool], days: Mapping[int, int], *, lane: str) -> None:
    """Enter messages that are being handed over into the book.

    Args:
        rows: their deliveries.
        days: each learner's local day, by learner id.
    """
    learners: dict[int, list[int]] = {}
    for learner_id, day in days.items():
        learners.setdefault(day, []).append(learner_id)
    for day, ids in learners.items():
        of_day = rows if len(learners) == 1 else and_(rows, in_ids(delivery.c.learner_id, ids))
        entries = select(delivery.c.learner_id, literal(day), delivery.c.handover_id, literal(lane))
        connection.execute(
            insert(contact).from_select(["learner_id", "local_day", "handover_id", "lane"], entries.where(of_day))
        )


def strike_out(connection: Connection, handover_id: UUID, learner_ids: Sequence[int]) -> None:
    """Take messages of a handover out of the book that were proven not to have been sent."""
    connection.execute(
        delete(contact).where(contact.c.learner_id.in_(learner_ids), contact.c.handover_id == handover_id)
    )
