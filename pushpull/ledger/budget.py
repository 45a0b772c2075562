"""The attention budget: how many messages one person gets over all campaigns and channels (mission P5).

``contact`` is its book. A message is entered when its handover is committed and struck out when there is proof that it
was not sent; so the book never says less than what a learner may have received.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    FromClause,
    Subquery,
    case,
    delete,
    func,
    insert,
    literal,
    select,
)

from pushpull.learners.tables import learner
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


def used(batch: CTE, clock: FromClause, *, lane: str) -> Subquery:
    """``used(learner_id, day, week, month)``: messages already in the book, for the learners of a batch."""
    today = clock.c.local_day
    return (
        select(
            contact.c.learner_id,
            func.sum(case((contact.c.local_day == today, 1), else_=0)).label("day"),
            func.sum(case((contact.c.local_day > today - _WEEK, 1), else_=0)).label("week"),
            func.sum(case((contact.c.local_day > today - _MONTH, 1), else_=0)).label("month"),
        )
        .select_from(
            batch.join(contact, contact.c.learner_id == batch.c.learner_id)
            .join(learner, learner.c.id == contact.c.learner_id)
            .join(clock, clock.c.zone == func.coalesce(learner.c.timezone, ""))
        )
        .where(contact.c.lane == lane)
        .group_by(contact.c.learner_id)
        .subquery("used")
    )


def rivals(connection: Connection, batch: CTE, clock: FromClause, spec: WaveSpec) -> Subquery | None:
    """``rivals(learner_id, count)``: today's waiting messages of higher priority for the learners of a batch.

    Returns:
        None when no other wave outranks this one.
    """
    outranking = connection.execute(
        select(wave.c.id)
        .select_from(wave.join(campaign, campaign.c.id == wave.c.campaign_id))
        .where(
            wave.c.finished_at.is_(None),
            wave.c.status == WaveStatus.OPEN.value,
            campaign.c.status == WaveStatus.OPEN.value,
            wave.c.priority > spec.priority,
            (wave.c.message_class == MessageClass.MANDATORY.value) == (spec.message_class is MessageClass.MANDATORY),
        )
    ).scalars()
    wave_ids = list(outranking)
    if not wave_ids:
        return None
    return (
        select(delivery.c.learner_id, func.count().label("count"))
        .select_from(
            batch.join(delivery, delivery.c.learner_id == batch.c.learner_id)
            .join(learner, learner.c.id == delivery.c.learner_id)
            .join(clock, clock.c.zone == func.coalesce(learner.c.timezone, ""))
        )
        .where(delivery.c.wave_id.in_(wave_ids), delivery.c.state.in_(_WAITING), delivery.c.due_at < clock.c.ends_at)
        .group_by(delivery.c.learner_id)
        .subquery("rivals")
    )


def enter(connection: Connection, handed: ColumnElement[bool], clock: FromClause, *, lane: str) -> None:
    """Enter the deliveries that satisfy ``handed`` into the book, on their learners' local day."""
    rows = (
        select(delivery.c.learner_id, clock.c.local_day, delivery.c.handover_id, literal(lane))
        .select_from(
            delivery.join(learner, learner.c.id == delivery.c.learner_id).join(
                clock, clock.c.zone == func.coalesce(learner.c.timezone, "")
            )
        )
        .where(handed)
    )
    connection.execute(insert(contact).from_select(["learner_id", "local_day", "handover_id", "lane"], rows))


def strike_out(connection: Connection, handover_id: UUID, learner_ids: Sequence[int]) -> None:
    """Take messages of a handover out of the book that were proven not to have been sent."""
    connection.execute(
        delete(contact).where(contact.c.learner_id.in_(learner_ids), contact.c.handover_id == handover_id)
    )
