"""What is in a learner's queue, and why. The order is decided in :mod:`pushpull.learners.queue`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    union,
)

from pushpull.catalogue.tables import item
from pushpull.db import UtcDateTime
from pushpull.learners.queue import Candidate, arranged, ranked
from pushpull.learners.tables import progress, queue_place
from pushpull.learners.vocabulary import ProgressStatus
from pushpull.ledger.tables import campaign, campaign_item, delivery, pick, rotation, wave
from pushpull.ledger.vocabulary import CONTACT_STATES, OPEN_STATES, Arm, WaveStatus

#: Longer queues are cut: nobody reads so far down.
MOST: Final = 60

_WHO: BindParameter[int] = bindparam("who", type_=BigInteger)
_CAME_BY: BindParameter[int] = bindparam("came_by", type_=BigInteger)
_ABOUT: BindParameter[int] = bindparam("about", type_=BigInteger)
_NOW: BindParameter[datetime] = bindparam("now", type_=UtcDateTime())

_BEGUN = (ProgressStatus.STARTED, ProgressStatus.FAILED)
_OVER = (ProgressStatus.COMPLETED, ProgressStatus.WITHDRAWN)
_SENT_OR_OPEN = [state.value for state in (*CONTACT_STATES, *OPEN_STATES)]


class Source(StrEnum):
    """Why an item is in the queue; the first that is true."""

    PICKED = "picked"  # with the pick's own reason
    BEGUN = "begun"
    ASSIGNED = "assigned"
    CAMPAIGN = "campaign"
    MESSAGE = "message"  # the learner came by a message about it


@dataclass(frozen=True, slots=True)
class QueuedItem:
    """One item of the queue.

    Args:
        language: of its title, BCP 47; empty when unknown.
        minutes: None is unknown, not zero.
        due_at: for this learner; None has no date.
        place_title: where the learner stopped; empty when unknown.
        campaign: name of the campaign it is in; empty for none.
        reason_kind, reason_value: of the pick, as :class:`pushpull.catalogue.recommend.Pick` has them.
    """

    item_id: int
    title: str
    language: str
    minutes: float | None
    due_at: datetime | None
    is_begun: bool
    place_title: str
    source: Source
    campaign: str
    reason_kind: str
    reason_value: str | None


@dataclass(frozen=True, slots=True)
class Queue:
    """A learner's queue, in order; the first is next."""

    items: tuple[QueuedItem, ...]

    @property
    def next(self) -> QueuedItem | None:
        """The one thing to do next; None when nothing is waiting."""
        return self.items[0] if self.items else None

    @property
    def item_ids(self) -> tuple[int, ...]:
        """The items in order."""
        return tuple(each.item_id for each in self.items)


@dataclass(frozen=True, slots=True)
class CameBy:
    """The message a learner came by.

    Args:
        campaign_id, item_id: None where they came by none, or it is about none.
        at: when they came; what they moved since then goes before what the message is about.
    """

    campaign_id: int | None
    item_id: int | None
    at: datetime


def queue_of(connection: Connection, learner_id: int, came_by: CameBy, *, now: datetime) -> Queue:
    """The learner's queue, in one statement.

    In it is what campaigns that reach the learner ask for, what was assigned or begun, the latest picks of each of
    these campaigns, and what the message is about; as far as it can be opened and is neither completed nor given up.

    Args:
        now: aware.
    """
    given = {"who": learner_id, "came_by": came_by.campaign_id, "about": came_by.item_id, "now": now}
    rows = connection.execute(_queued(), given).all()
    is_new = not any(row.status in _BEGUN for row in rows)
    ranking = ranked((_candidate(row, came_by) for row in rows), is_new=is_new)
    places = {row.id: row.place for row in rows if row.place is not None}
    has_moved = any(row.set_at is not None and row.set_at >= came_by.at for row in rows)
    order = arranged(ranking, places, leading=None if has_moved else came_by.item_id)
    found = {row.id: row for row in rows}
    return Queue(tuple(_item(found[each]) for each in order[:MOST]))


def _candidate(row: Row[Any], came_by: CameBy) -> Candidate:
    return Candidate(
        row.id,
        is_started=row.status in _BEGUN,
        due_at=row.due_at,
        last_active_at=row.last_activity_at,
        is_linked=row.id == came_by.item_id,
        score=row.score,
        minutes=row.minutes,
        position=row.position,
    )


def _item(row: Row[Any]) -> QueuedItem:
    is_begun = row.status in _BEGUN
    source = (
        Source.PICKED
        if row.reason_kind
        else Source.BEGUN
        if is_begun
        else Source.ASSIGNED
        if row.status == ProgressStatus.ASSIGNED
        else Source.CAMPAIGN
        if row.campaign
        else Source.MESSAGE
    )
    return QueuedItem(
        row.id,
        row.title,
        row.language or "",
        row.minutes,
        row.due_at,
        is_begun,
        row.place_title or "",
        source,
        row.campaign or "",
        row.reason_kind or "",
        row.reason_value,
    )


@cache
def _queued() -> Select[Any]:
    """A row for each item of the queue, in no order. It is built once: that takes longer than to answer it."""
    mine = _campaigns().cte("mine")
    offered = _offered(mine).cte("offered")
    picked = _picked(mine).cte("picked")
    own = and_(progress.c.learner_id == _WHO, progress.c.item_id == item.c.id)
    standing = select(progress.c.item_id).where(
        progress.c.learner_id == _WHO, progress.c.status.not_in([each.value for each in _OVER])
    )
    # A part of an item, such as the quiz of a course, is no item of its own where nobody asks for it by name.
    standing = standing.where(
        select(item.c.id).where(item.c.id == progress.c.item_id, item.c.part_of.is_(None)).exists()
    )
    linked = select(item.c.id).where(item.c.id == _ABOUT)
    wanted = union(select(offered.c.item_id), select(picked.c.item_id), standing, linked).subquery("wanted")
    return (
        select(
            item.c.id,
            item.c.title,
            item.c.language,
            item.c.minutes,
            func.coalesce(progress.c.due_at, item.c.due_at).label("due_at"),
            progress.c.status,
            progress.c.last_activity_at,
            progress.c.place_title,
            queue_place.c.position.label("place"),
            queue_place.c.set_at,
            offered.c.position,
            offered.c.campaign,
            picked.c.reason_kind,
            picked.c.reason_value,
            picked.c.score,
        )
        .select_from(wanted)
        .join(item, item.c.id == wanted.c.item_id)
        .outerjoin(progress, own)
        .outerjoin(offered, offered.c.item_id == item.c.id)
        .outerjoin(picked, picked.c.item_id == item.c.id)
        .outerjoin(queue_place, and_(queue_place.c.learner_id == _WHO, queue_place.c.item_id == item.c.id))
        .where(
            can_be_opened(_NOW),
            or_(item.c.url.is_not(None), progress.c.place_url.is_not(None)),
            or_(progress.c.status.is_(None), progress.c.status.not_in([each.value for each in _OVER])),
        )
    )


def can_be_opened(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Whether a row of ``item`` is offered at ``now`` (aware)."""
    return and_(
        item.c.active,
        or_(item.c.available_from.is_(None), item.c.available_from <= now),
        or_(item.c.available_until.is_(None), item.c.available_until > now),
    )


def _campaigns() -> Select[Any]:
    """The campaigns that reach a learner: they run, and a message of them was planned for or sent to the learner."""
    # By way of the rotations: the deliveries' key begins with wave and rotation.
    reached = (
        select(delivery.c.learner_id)
        .select_from(wave)
        .join(rotation, rotation.c.wave_id == wave.c.id)
        .join(delivery, and_(delivery.c.wave_id == wave.c.id, delivery.c.rotation == rotation.c.rotation))
        .where(
            wave.c.campaign_id == campaign.c.id,
            delivery.c.learner_id == _WHO,
            delivery.c.arm == Arm.TREATED.value,
            delivery.c.state.in_(_SENT_OR_OPEN),
        )
        .correlate(campaign)
        .exists()
    )
    runs = and_(
        or_(campaign.c.starts_at.is_(None), campaign.c.starts_at <= _NOW),
        or_(campaign.c.ends_at.is_(None), campaign.c.ends_at > _NOW),
    )
    return select(campaign.c.id, campaign.c.name, campaign.c.priority).where(
        campaign.c.status != WaveStatus.CANCELLED.value,
        or_(campaign.c.id == _CAME_BY, and_(runs, reached)),
    )


def _offered(mine: CTE) -> Select[Any]:
    """Each item of the learner's campaigns once, with the most important campaign that has it."""
    numbered = (
        select(
            campaign_item.c.item_id,
            campaign_item.c.position,
            mine.c.name.label("campaign"),
            func.row_number()
            .over(partition_by=campaign_item.c.item_id, order_by=(mine.c.priority.desc(), mine.c.id))
            .label("place"),
        )
        .join(mine, mine.c.id == campaign_item.c.campaign_id)
        .subquery("of_campaigns")
    )
    return select(numbered.c.item_id, numbered.c.position, numbered.c.campaign).where(numbered.c.place == 1)


def _picked(mine: CTE) -> Select[Any]:
    """What was recommended last in each of the learner's campaigns, each item once."""
    latest = (
        select(
            pick.c.item_id,
            pick.c.reason_kind,
            pick.c.reason_value,
            pick.c.score,
            func.dense_rank()
            .over(
                partition_by=wave.c.campaign_id,
                order_by=(wave.c.scheduled_for.desc(), wave.c.id.desc(), rotation.c.rotation.desc()),
            )
            .label("age"),
        )
        .select_from(mine)
        .join(wave, and_(wave.c.campaign_id == mine.c.id, wave.c.scheduled_for <= _NOW))
        .join(rotation, rotation.c.wave_id == wave.c.id)
        .join(pick, and_(pick.c.wave_id == wave.c.id, pick.c.rotation == rotation.c.rotation))
        .join(
            delivery,
            and_(
                delivery.c.wave_id == pick.c.wave_id,
                delivery.c.rotation == pick.c.rotation,
                delivery.c.learner_id == pick.c.learner_id,
            ),
        )
        .where(pick.c.learner_id == _WHO, delivery.c.state.in_(_SENT_OR_OPEN))
        .subquery("recommended")
    )
    best = (
        select(
            *(latest.c[name] for name in ("item_id", "reason_kind", "reason_value", "score")),
            func.row_number()
            .over(partition_by=latest.c.item_id, order_by=(latest.c.score.desc(), latest.c.reason_kind))
            .label("place"),
        )
        .where(latest.c.age == 1)
        .subquery("best")
    )
    return select(best.c.item_id, best.c.reason_kind, best.c.reason_value, best.c.score).where(best.c.place == 1)
