"""How fast all workers together hand over to a provider: turns in its rate, and its word to slow down.

One row per channel, read and moved under its lock, by the database's clock: the generic cell rate algorithm (ITU-T
I.371, annex A). A worker takes a turn of a few seconds for a batch it has claimed and spreads the messages over it.
Nudges wait while obligations are being sent, so obligations have the provider to themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, case, or_, select, update

from pushpull.db import database_now, insert_new
from pushpull.ledger.tables import provider_pace

#: Workers stay this far below a provider's rate, so that a thread that wakes late never makes two messages meet.
MARGIN = 0.0065

#: Between two turns, in seconds: workers' clocks and threads are not that exact.
BETWEEN_TURNS = 0.005

#: A turn nobody waits for begins so much later, in seconds: the last transaction before it takes a while.
LEAD = 0.25

#: How much of the provider's time one turn takes, in seconds, at the most.
TURN_SECONDS = 5.0

#: A turn further away than this is not taken: the worker does something else meanwhile.
LONGEST_WAIT = timedelta(seconds=20)

#: Why a drain leaves a channel whose next turns are all taken.
OTHERS_FIRST = "others have the provider's next turns"

#: A provider's word to slow down is kept at least and at most so long: it was read by a worker's clock, and is held
#: against the database's, which may be hours away.
_SHORTEST_THROTTLE, _LONGEST_THROTTLE = timedelta(seconds=1), timedelta(hours=1)

#: Obligations have the provider to themselves for so long after one of their turns was taken.
_PRECEDENCE = timedelta(seconds=10)

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Turn:
    """A worker's turn at a provider.

    Args:
        wait: until it begins; where ``is_taken`` is false, until it is worth asking again.
        interval: seconds between two messages.
    """

    wait: timedelta
    interval: float
    is_taken: bool


def turn_size(per_second: float, most: int) -> int:
    """How many messages one turn is for."""
    return max(1, min(most, int(per_second * TURN_SECONDS)))


def take_turn(connection: Connection, channel: str, *, count: int, per_second: float, is_mandatory: bool) -> Turn:
    """Take the next turn for ``count`` messages, unless it is too far away or obligations go first.

    Args:
        per_second: the provider's rate.
    """
    interval = 1 / (per_second * (1 - MARGIN))
    row = _locked(connection, channel)
    now = database_now(connection)
    begins_at = max(row.next_slot_at, row.throttled_until or now, now + timedelta(seconds=LEAD))
    precedence = row.mandatory_until
    if not is_mandatory and precedence is not None and precedence > now:
        return Turn(min(precedence - now, timedelta(seconds=1)), interval, is_taken=False)
    values: dict[str, object] = {"mandatory_until": now + _PRECEDENCE} if is_mandatory else {}
    is_taken = begins_at - now <= LONGEST_WAIT
    if is_taken:
        values["next_slot_at"] = begins_at + timedelta(seconds=count * interval + BETWEEN_TURNS)
    if values:
        connection.execute(update(provider_pace).where(provider_pace.c.channel == channel).values(**values))
    return Turn(begins_at - now, interval, is_taken=is_taken)


def throttle(connection: Connection, channel: str, *, until: datetime) -> None:
    """A provider asked to slow down: nobody hands over to it before ``until`` (UTC), a second to an hour from now."""
    _locked(connection, channel)
    now = database_now(connection)
    until = max(now + _SHORTEST_THROTTLE, min(until, now + _LONGEST_THROTTLE))
    later = or_(provider_pace.c.throttled_until.is_(None), provider_pace.c.throttled_until < until)
    connection.execute(
        update(provider_pace)
        .where(provider_pace.c.channel == channel)
        .values(throttled_until=case((later, until), else_=provider_pace.c.throttled_until))
    )


def throttled(connection: Connection, channel: str) -> timedelta | None:
    """How long the provider's word to slow down still holds; None: it does not."""
    until = connection.execute(
        select(provider_pace.c.throttled_until).where(provider_pace.c.channel == channel)
    ).scalar_one_or_none()
    if until is None:
        return None
    left = until - database_now(connection)
    return left if left > timedelta() else None


def lift_throttle(connection: Connection, channel: str) -> None:
    """A person knows better: hand over again at once."""
    connection.execute(update(provider_pace).where(provider_pace.c.channel == channel).values(throttled_until=None))


def _locked(connection: Connection, channel: str) -> Row[Any]:
    insert_new(connection, provider_pace, [{"channel": channel, "next_slot_at": _LONG_AGO}])
    statement = select(provider_pace).where(provider_pace.c.channel == channel).with_for_update()
    return connection.execute(statement).one()
