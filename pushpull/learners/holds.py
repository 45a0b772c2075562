"""Times for learning that people want in their calendars: what is wanted, and what became of it.

A row is there, and committed, before any calendar is asked, and says at each moment what may be true:

- ``wanted``: no calendar has been asked, or it is proven that none took it;
- ``uncertain``: one is being asked, or did not answer. It may be asked again, by one process at a time: the same
  transaction id never makes a second entry;
- ``made``: the entry is there; ``refused``: it is not, and asking again would not help;
- ``unwanted``: the learner took back what may be there; ``cancelled``: nothing of it is left.

What lives here is the learner's side. What processes do about it lives in :mod:`pushpull.learners.hold_attempts`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection, Row, Select, and_, exists, func, insert, select, update

from pushpull.catalogue.tables import item
from pushpull.learners.consent import lock_learner
from pushpull.learners.tables import calendar_hold, learner
from pushpull.learners.vocabulary import HoldState

#: Entries to come that one learner may have.
MOST_OPEN: Final = 20
#: How far ahead one may be.
FURTHEST: Final = timedelta(days=30)
#: Minutes of an entry: calendars show shorter ones badly, and nobody keeps longer ones.
SHORTEST, LONGEST = 5, 60
#: What an item takes whose length nobody knows: the daily goal.
_UNKNOWN_MINUTES: Final = 2.0

_OPEN: Final = (HoldState.WANTED.value, HoldState.UNCERTAIN.value, HoldState.MADE.value)


class HoldError(ValueError):
    """A time that cannot be held.

    Args:
        key: ``past``, ``too_far``, ``too_many`` or ``taken`` (by another entry of theirs).
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"this time cannot be held: {key}")
        self.key = key


@dataclass(frozen=True, slots=True)
class Hold:
    """A time for learning, as its learner sees it.

    Args:
        transaction_id: the name under which calendars know it.
        asked_at: when it was wished for.
        title, url: of what is to be opened; empty for whatever is next.
        changed_at: when these last changed; None for whatever is next.
        is_stuck: the calendar refused to take the entry out again.
    """

    id: int
    transaction_id: str
    starts_at: datetime
    ends_at: datetime
    state: HoldState
    asked_at: datetime
    title: str
    url: str
    changed_at: datetime | None
    is_stuck: bool


def entry_minutes(minutes: float | None) -> int:
    """How long an entry for something of so many minutes is; None is unknown."""
    return max(SHORTEST, min(LONGEST, math.ceil(_UNKNOWN_MINUTES if minutes is None else minutes)))


def transaction_id(learner_id: int, starts_at: datetime, item_id: int | None, *, again: int = 0) -> str:
    """The name under which calendars know an entry; the same for the same wish.

    Args:
        again: how often that very wish was taken back before: a calendar forgets no name, and would not make it anew.
    """
    return str(uuid5(NAMESPACE_URL, f"pushpull:hold:{learner_id}:{starts_at.timestamp():.0f}:{item_id or 0}:{again}"))


def addresses(connection: Connection, learner_id: int) -> tuple[str, str]:
    """By which a calendar knows a learner: their id in Teams and their e-mail address; empty when unknown."""
    row = connection.execute(
        select(learner.c.teams_id, learner.c.email).where(learner.c.id == learner_id)
    ).one_or_none()
    return ("", "") if row is None else (row.teams_id or "", row.email or "")


def refuse_impossible(starts_at: datetime, *, now: datetime) -> None:
    """Refuse a time that has come, or is too far ahead.

    Raises:
        HoldError: it is.
    """
    if starts_at <= now:
        raise HoldError("past")
    if starts_at > now + FURTHEST:
        raise HoldError("too_far")


def want(
    connection: Connection, learner_id: int, *, starts_at: datetime, item_id: int | None, minutes: float | None,
    now: datetime,
) -> int:  # fmt: skip
    """Wish for a time; the very same wish again is the one that is there.

    Args:
        starts_at: aware; to the minute.
        minutes: of the item; None is unknown.

    Returns:
        Its id.

    Raises:
        HoldError: it cannot be.
        UnknownLearner: there is no such learner.
    """
    refuse_impossible(starts_at, now=now)
    lock_learner(connection, learner_id)  # two forms sent at once are one after the other
    ends_at = starts_at + timedelta(minutes=entry_minutes(minutes))
    mine = calendar_hold.c.learner_id == learner_id
    same = and_(
        mine,
        calendar_hold.c.starts_at == starts_at,
        calendar_hold.c.item_id.is_(None) if item_id is None else calendar_hold.c.item_id == item_id,
    )
    there = connection.execute(select(calendar_hold.c.id).where(same, calendar_hold.c.state.in_(_OPEN))).scalar()
    if there is not None:
        return int(there)
    ahead = and_(mine, calendar_hold.c.state.in_(_OPEN), calendar_hold.c.ends_at > now)
    overlaps = and_(ahead, calendar_hold.c.starts_at < ends_at, calendar_hold.c.ends_at > starts_at)
    if connection.execute(select(exists().where(overlaps))).scalar():
        raise HoldError("taken")
    if connection.execute(select(func.count()).where(ahead)).scalar_one() >= MOST_OPEN:
        raise HoldError("too_many")
    again = connection.execute(select(func.count()).where(same)).scalar_one()
    made = connection.execute(
        insert(calendar_hold).values(
            learner_id=learner_id,
            item_id=item_id,
            transaction_id=transaction_id(learner_id, starts_at, item_id, again=again),
            starts_at=starts_at,
            ends_at=ends_at,
            state=HoldState.WANTED.value,
            asked_at=now,
        )
    )
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key[0])


def take_back(connection: Connection, learner_id: int, hold_id: int, *, at: datetime) -> bool:
    """Take back one's own wish: what no calendar was asked about is gone at once, the rest when it was taken out.

    Returns:
        False where there is no open one of that id.
    """
    mine = update(calendar_hold).where(calendar_hold.c.id == hold_id, calendar_hold.c.learner_id == learner_id)
    asked = (HoldState.UNCERTAIN.value, HoldState.MADE.value)
    for statement in (
        mine.where(calendar_hold.c.state == HoldState.WANTED.value).values(
            state=HoldState.CANCELLED.value, settled_at=at
        ),
        mine.where(calendar_hold.c.state.in_(asked)).values(state=HoldState.UNWANTED.value),
    ):
        if connection.execute(statement).rowcount:
            return True
    return False


def holds_ahead(connection: Connection, learner_id: int, *, now: datetime) -> tuple[Hold, ...]:
    """A learner's times that are not over and not gone, the earliest first."""
    return tuple(
        _hold(row)
        for row in connection.execute(
            _holds()
            .where(
                calendar_hold.c.learner_id == learner_id,
                calendar_hold.c.ends_at > now,
                calendar_hold.c.state != HoldState.CANCELLED.value,
            )
            .order_by(calendar_hold.c.starts_at, calendar_hold.c.id)
        )
    )


def hold_of(connection: Connection, learner_id: int, hold_id: int) -> Hold | None:
    """One of a learner's own times; None where there is none of that id."""
    row = connection.execute(
        _holds().where(calendar_hold.c.learner_id == learner_id, calendar_hold.c.id == hold_id)
    ).one_or_none()
    return None if row is None else _hold(row)


def _holds() -> Select[tuple[object, ...]]:
    return select(
        calendar_hold.c.id,
        calendar_hold.c.transaction_id,
        calendar_hold.c.starts_at,
        calendar_hold.c.ends_at,
        calendar_hold.c.state,
        calendar_hold.c.asked_at,
        calendar_hold.c.event_id,
        item.c.title,
        item.c.url,
        item.c.updated_at,
    ).select_from(calendar_hold.outerjoin(item, item.c.id == calendar_hold.c.item_id))


def _hold(row: Row[tuple[object, ...]]) -> Hold:
    state = HoldState(row.state)
    is_stuck = state is HoldState.REFUSED and row.event_id is not None
    return Hold(
        row.id,
        row.transaction_id,
        row.starts_at,
        row.ends_at,
        state,
        row.asked_at,
        row.title or "",
        row.url or "",
        row.updated_at,
        is_stuck,
    )
