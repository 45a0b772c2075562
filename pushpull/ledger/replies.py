"""Replies that read like a refusal: nothing more is sent there until a person has said what was meant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, select, update

from pushpull.learners.consent import lift, lock_learner, opt_out
from pushpull.learners.tables import learner, suppression
from pushpull.learners.vocabulary import ANY_FAMILY, SuppressionReason
from pushpull.ledger.campaigns import record
from pushpull.ledger.news import Word

#: The source of a suppression that waits for a person.
UNDECIDED = f"reply: {Word.REFUSAL.value}"
_DECIDED = "reply: a person decided"

_WAITING = and_(suppression.c.source == UNDECIDED, suppression.c.lifted_at.is_(None))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply that reads like a refusal.

    Args:
        external_id: who wrote it.
        channel: where, and where nothing is sent meanwhile.
        at: when it was written, UTC.
    """

    external_id: str
    channel: str
    at: datetime


class NoSuchRefusalError(LookupError):
    """Nobody has to decide about a reply of this learner on this channel."""

    def __init__(self, external_id: str, channel: str) -> None:
        super().__init__(f"no reply of {external_id!r} on {channel} waits for a decision; see `pushpull replies list`")


def refusals(connection: Connection) -> list[Refusal]:
    """The replies that wait for a person, the oldest first."""
    rows = connection.execute(
        select(learner.c.external_id, suppression.c.channel, suppression.c.recorded_at)
        .join(learner, learner.c.id == suppression.c.learner_id)
        .where(_WAITING)
        .order_by(suppression.c.recorded_at, learner.c.external_id)
    )
    return [Refusal(*row) for row in rows]


def decide(
    connection: Connection, external_id: str, channel: str, *, meant_stop: bool, who: str, why: str, at: datetime
) -> None:
    """A person says what a reply meant: no more messages on that channel, or nothing of the kind.

    Args:
        at: now, UTC.

    Raises:
        NoSuchRefusalError: nothing of this learner waits on this channel.
    """
    mine = and_(_WAITING, suppression.c.channel == channel)
    found = connection.execute(
        select(suppression.c.learner_id)
        .join(learner, learner.c.id == suppression.c.learner_id)
        .where(mine, learner.c.external_id == external_id)
    ).scalar_one_or_none()
    if found is None:
        raise NoSuchRefusalError(external_id, channel)
    lock_learner(connection, found)
    connection.execute(update(suppression).where(mine, suppression.c.learner_id == found).values(source=_DECIDED))
    if meant_stop:
        opt_out(connection, found, channel=channel, family=ANY_FAMILY, source=_DECIDED, at=at)
    else:
        lift(connection, found, channel=channel, reason=SuppressionReason.STOPPED, at=at)
    what = "reply meant a stop" if meant_stop else "reply was no stop"
    record(connection, at=at, who=who, what=what, subject=f"{external_id} {channel}", why=why)
