"""Putting wished-for times into calendars: which are to be worked on, and what came of each attempt.

One process works on an entry at a time: whoever begins an attempt says so in the row, and commits, before a calendar is
asked. A process that dies in between leaves ``uncertain``, which is tried again once its attempt must be over. What the
learner took back meanwhile stays taken back, whatever an attempt brings (:mod:`pushpull.learners.holds`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, and_, exists, or_, select, update

from pushpull.catalogue.tables import item
from pushpull.learners.tables import calendar_hold, learner, learner_choice
from pushpull.learners.vocabulary import HoldState

#: An attempt that began so long ago is over: no call to a calendar takes so long.
ATTEMPT: Final = timedelta(minutes=2)
#: How long after its end an unwanted entry is still worth taking out.
_STALE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DueHold:
    """An entry somebody's calendar is to be asked about.

    Args:
        state: ``wanted`` or ``uncertain``: to be made; ``unwanted``: to be taken out.
        event_id: the calendar's own id; empty when unknown.
        teams_id, email, language: of its learner; empty when unknown.
        title, url: of what is to be opened; empty for whatever is next.
    """

    id: int
    state: HoldState
    transaction_id: str
    starts_at: datetime
    ends_at: datetime
    event_id: str
    teams_id: str
    email: str
    language: str
    title: str
    url: str


def let_go(connection: Connection, *, now: datetime) -> None:
    """Give up what cannot be any more: times that came, and wishes of those who took their agreement back."""
    agreed = exists().where(learner_choice.c.learner_id == calendar_hold.c.learner_id, learner_choice.c.wants_holds)
    wanted = update(calendar_hold).where(calendar_hold.c.state == HoldState.WANTED.value)
    connection.execute(
        wanted.where(calendar_hold.c.starts_at <= now).values(state=HoldState.REFUSED.value, settled_at=now)
    )
    connection.execute(wanted.where(~agreed).values(state=HoldState.CANCELLED.value, settled_at=now))
    connection.execute(
        update(calendar_hold)
        .where(calendar_hold.c.state == HoldState.UNCERTAIN.value, ~agreed)
        .values(state=HoldState.UNWANTED.value)
    )


def due_holds(
    connection: Connection, *, now: datetime, limit: int, learner_id: int | None = None
) -> tuple[DueHold, ...]:
    """What is to be made or taken out, the earliest first.

    Args:
        now: what another process began less than :data:`ATTEMPT` before is left to it.
        learner_id: only theirs; None: everybody's.
    """
    nobody_tries = or_(calendar_hold.c.settled_at.is_(None), calendar_hold.c.settled_at <= now - ATTEMPT)
    to_be_made = and_(
        calendar_hold.c.starts_at > now,
        or_(
            calendar_hold.c.state == HoldState.WANTED.value,
            and_(calendar_hold.c.state == HoldState.UNCERTAIN.value, nobody_tries),
        ),
    )
    to_be_taken_out = and_(
        calendar_hold.c.state == HoldState.UNWANTED.value,
        calendar_hold.c.ends_at > now - _STALE,
        # While it may still be on its way into the calendar it cannot be said that it is not there.
        or_(calendar_hold.c.event_id.is_not(None), nobody_tries),
    )
    statement = (
        select(
            calendar_hold.c.id,
            calendar_hold.c.state,
            calendar_hold.c.transaction_id,
            calendar_hold.c.starts_at,
            calendar_hold.c.ends_at,
            calendar_hold.c.event_id,
            learner.c.teams_id,
            learner.c.email,
            learner.c.preferred_language,
            item.c.title,
            item.c.url,
        )
        .select_from(
            calendar_hold.join(learner, learner.c.id == calendar_hold.c.learner_id).outerjoin(
                item, item.c.id == calendar_hold.c.item_id
            )
        )
        .where(or_(to_be_made, to_be_taken_out))
        .order_by(calendar_hold.c.starts_at, calendar_hold.c.id)
        .limit(limit)
    )
    if learner_id is not None:
        statement = statement.where(calendar_hold.c.learner_id == learner_id)
    return tuple(
        DueHold(
            row.id,
            HoldState(row.state),
            row.transaction_id,
            row.starts_at,
            row.ends_at,
            row.event_id or "",
            row.teams_id or "",
            row.email or "",
            row.preferred_language or "",
            row.title or "",
            row.url or "",
        )
        for row in connection.execute(statement)
    )


def begin(connection: Connection, due: DueHold, *, now: datetime) -> bool:
    """Say, before a calendar is asked to make an entry, that it is; False where another process says so already."""
    return _changed(
        connection,
        due.id,
        due.state,
        HoldState.UNCERTAIN,
        or_(
            calendar_hold.c.state == HoldState.WANTED.value,
            calendar_hold.c.settled_at.is_(None),
            calendar_hold.c.settled_at <= now - ATTEMPT,
        ),
        settled_at=now,
    )


def made(connection: Connection, due: DueHold, event_id: str, *, at: datetime) -> None:
    """The calendar has it.

    Args:
        event_id: empty where it did not say.
    """
    values = {"event_id": event_id or None}
    if not _changed(connection, due.id, HoldState.UNCERTAIN, HoldState.MADE, settled_at=at, **values):
        # The learner took it back meanwhile: now it is known what to take out.
        _changed(connection, due.id, HoldState.UNWANTED, HoldState.UNWANTED, settled_at=None, **values)


def not_asked(connection: Connection, due: DueHold) -> None:
    """It is proven that this attempt changed nothing: the row says again what it said before."""
    if not _changed(connection, due.id, HoldState.UNCERTAIN, due.state, settled_at=None):
        _changed(connection, due.id, HoldState.UNWANTED, HoldState.UNWANTED, settled_at=None)


def refused(connection: Connection, due: DueHold, *, at: datetime) -> None:
    """The calendar does not take it, now or later."""
    _changed(connection, due.id, HoldState.UNCERTAIN, HoldState.REFUSED, settled_at=at)


def taken_out(connection: Connection, due: DueHold, *, at: datetime) -> None:
    """Nothing of it is in the calendar."""
    _changed(connection, due.id, HoldState.UNWANTED, HoldState.CANCELLED, settled_at=at)


def stuck(connection: Connection, due: DueHold, event_id: str, *, at: datetime) -> None:
    """The calendar does not let it be taken out: its learner has to."""
    _changed(connection, due.id, HoldState.UNWANTED, HoldState.REFUSED, settled_at=at, event_id=event_id)


def _changed(
    connection: Connection, hold_id: int, source: HoldState, target: HoldState, *where: object, **values: object
) -> bool:
    statement = update(calendar_hold).where(
        calendar_hold.c.id == hold_id,
        calendar_hold.c.state == source.value,
        *where,  # type: ignore[arg-type]
    )
    return connection.execute(statement.values(state=target.value, **values)).rowcount == 1
