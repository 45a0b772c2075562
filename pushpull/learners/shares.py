"""Links that learners pass on, and the credit for them (mission H9).

A learner has one link per item. Who follows it and takes the item into their queue came by it: the first link of an
item counts, never one's own, and not for somebody who had used the item before. It is credited once they have used the
item after that. Who came is told to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from pushpull.catalogue.facts import ItemFacts, facts_of
from pushpull.db import insert_into, insert_new
from pushpull.learners.consent import lock_learner
from pushpull.learners.reviews import may_review
from pushpull.learners.tables import activity, learner, learner_choice, progress, queue_place, referral, share
from pushpull.learners.verbs import NOT_ACTIVE_VERBS


class Came(StrEnum):
    """What following a link came to."""

    QUEUED = "queued"  # the item is in their queue
    OWN = "own"  # it is their own link
    KNOWN = "known"  # they had used the item before


class NoSuchShareError(LookupError):
    """There is nothing behind a link any more."""

    def __init__(self) -> None:
        super().__init__("what was shared is no longer there: nothing was recorded")


@dataclass(frozen=True, slots=True)
class Shared:
    """What a link shows to anybody.

    Args:
        facts: of the item.
        by: given name of who shared it; empty unless they want to be named in public.
    """

    facts: ItemFacts
    by: str


def share_of(connection: Connection, learner_id: int, item_id: int) -> int | None:
    """The id of the learner's link to an item; None when they have made none."""
    found = connection.execute(
        select(share.c.id).where(share.c.learner_id == learner_id, share.c.item_id == item_id)
    ).scalar_one_or_none()
    return None if found is None else int(found)


def make_share(connection: Connection, learner_id: int, item_id: int, *, at: datetime) -> int:
    """The learner's link to an item, made if there is none.

    Args:
        item_id: of an item that is there.
        at: aware.

    Returns:
        Its id.
    """
    insert_new(connection, share, [{"learner_id": learner_id, "item_id": item_id, "made_at": at}])
    found = share_of(connection, learner_id, item_id)
    assert found is not None
    return found


def shared(connection: Connection, share_id: int, *, now: datetime) -> Shared | None:
    """What a link shows; None where the item can no longer be started, or the link is gone."""
    row = connection.execute(
        select(share.c.item_id, learner.c.given_name, learner.c.active, learner_choice.c.wants_recognition)
        .select_from(
            share.join(learner, learner.c.id == share.c.learner_id).outerjoin(
                learner_choice, learner_choice.c.learner_id == share.c.learner_id
            )
        )
        .where(share.c.id == share_id)
    ).one_or_none()
    facts = facts_of(connection, row.item_id, now=now) if row is not None else None
    if row is None or facts is None or not facts.is_open:
        return None
    is_named = row.wants_recognition and row.active
    return Shared(facts, (row.given_name or "") if is_named else "")


def follow(connection: Connection, share_id: int, learner_id: int, *, at: datetime) -> Came:
    """Take what was shared into the learner's queue, behind what they have placed there.

    Args:
        learner_id: who followed the link.
        at: aware.

    Raises:
        NoSuchShareError: there is nothing behind the link any more.
        UnknownLearner: there is no such learner.
    """
    if shared(connection, share_id, now=at) is None:
        raise NoSuchShareError
    lock_learner(connection, learner_id)
    link = connection.execute(select(share.c.learner_id, share.c.item_id).where(share.c.id == share_id)).one()
    if link.learner_id == learner_id:
        return Came.OWN
    if may_review(connection, learner_id, link.item_id):
        return Came.KNOWN
    came = {"learner_id": learner_id, "item_id": link.item_id, "share_id": share_id, "came_at": at}
    insert_new(connection, referral, [came])
    _queue(connection, learner_id, link.item_id, at)
    return Came.QUEUED


def is_credited() -> ColumnElement[bool]:
    """Whether a row of ``referral``, joined to its ``share``, counts: who came used the item since."""
    was_there = exists().where(
        activity.c.learner_id == referral.c.learner_id,
        activity.c.item_id == referral.c.item_id,
        activity.c.occurred_at >= referral.c.came_at,
        activity.c.voided_at.is_(None),
        activity.c.verb.not_in(NOT_ACTIVE_VERBS),
    )
    began = exists().where(
        progress.c.learner_id == referral.c.learner_id,
        progress.c.item_id == referral.c.item_id,
        or_(progress.c.started_at >= referral.c.came_at, progress.c.completed_at >= referral.c.came_at),
    )
    return and_(referral.c.learner_id != share.c.learner_id, or_(was_there, began))


def _queue(connection: Connection, learner_id: int, item_id: int, at: datetime) -> None:
    last = connection.execute(
        select(func.max(queue_place.c.position)).where(queue_place.c.learner_id == learner_id)
    ).scalar()
    place = {
        "learner_id": learner_id,
        "item_id": item_id,
        "position": 0 if last is None else last + 1,
        "set_at": at,
    }
    connection.execute(insert_into(connection, queue_place).values(place).on_conflict_do_nothing())
