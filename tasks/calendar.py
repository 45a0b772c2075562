"""Learners' calendars, where they agreed: when they are free, and the entries they wished for.

A wish is committed before a calendar hears of it, and has one name there for ever: a process that dies at any point, or
a calendar that does not answer, leaves an entry that is made once, by the next run.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial

from sqlalchemy import Engine

from channels.accounts import MicrosoftAccount, accounts_of
from channels.calendar import Busy, Calendar, CannotTell, entry_texts
from channels.microsoft import shared_tokens
from pushpull.db import writing
from pushpull.learners import hold_attempts
from pushpull.learners.hold_attempts import DueHold
from pushpull.learners.vocabulary import HoldState
from pushpull.ledger.outcomes import Accepted, ChannelStopped, NotSent, Outcome, Rejected
from pushpull.settings import Settings
from tasks.installation import installation
from tasks.step import step

#: Entries one run works on at the most, one after the other.
_PER_RUN = 200
#: So many in a row that could not be settled: the calendars have enough, and the next run goes on.
_PATIENCE = 5
#: An Entra object id; bots know people by other names, too.
_OBJECT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)

#: Calendars live in the present, whatever a run's own time is.
_present = partial(datetime.now, UTC)


@dataclass(frozen=True)
class SettledHolds:
    """What one run did.

    Args:
        made: entries that are in calendars now.
        taken_out: entries that are in none any more.
        refused: entries no calendar takes, or gives back.
        later: entries the next run tries again.
        stopped: why the run ended early, where no calendar can be used.
    """

    made: int = 0
    taken_out: int = 0
    refused: int = 0
    later: int = 0
    stopped: str = ""


def calendar_of(settings: Settings) -> Calendar | None:
    """The calendars of the organisation's tenant; None where it has none, or nothing is to leave the machine."""
    account = accounts_of(settings).microsoft
    return None if settings.is_sandbox or account is None else _calendar(account)


def mailbox(teams_id: str, email: str) -> str:
    """How the tenant knows whose calendar it is; empty when it cannot."""
    return teams_id if _OBJECT_ID.fullmatch(teams_id) else email


def busy_times(
    calendar: Calendar, *, teams_id: str, email: str, starts_at: datetime, ends_at: datetime, seconds: float
) -> Sequence[Busy] | None:
    """When somebody is busy; None when nobody can tell in so many seconds, which is not the same as free."""
    if not email:
        return None
    asker = mailbox(teams_id, "")
    deadline = time.monotonic() + seconds
    try:
        return calendar.busy([email], starts_at=starts_at, ends_at=ends_at, deadline=deadline, through=asker)[email]
    except ChannelStopped:
        return None


@step("make calendar holds")
def make_holds(as_of: datetime, *, limit: int = _PER_RUN) -> SettledHolds:
    """Put wished-for times into calendars, and take out what was taken back."""
    here = installation()
    calendar = calendar_of(here.settings)
    if calendar is None:
        return SettledHolds()
    seconds = here.settings.call_deadline_seconds
    return settle_holds(here.engine, calendar, now=as_of, seconds=seconds, limit=limit)


def settle_holds(
    engine: Engine,
    calendar: Calendar,
    *,
    now: datetime,
    seconds: float,
    learner_id: int | None = None,
    limit: int = _PER_RUN,
) -> SettledHolds:
    """The same for one learner, or for everybody.

    Args:
        seconds: how long a call may take.
    """
    with writing(engine) as connection:
        hold_attempts.let_go(connection, now=now)
        due = hold_attempts.due_holds(connection, now=now, limit=limit, learner_id=learner_id)
    done, in_a_row = Counter[str](), 0
    for each in due:
        take = _take_out if each.state is HoldState.UNWANTED else _make
        try:
            result = take(engine, calendar, each, now, time.monotonic() + seconds)
        except ChannelStopped as why:
            return _counted(done, stopped=str(why))
        if result is None:
            continue
        done[result] += 1
        in_a_row = in_a_row + 1 if result == "later" else 0
        if in_a_row == _PATIENCE:
            break
    return _counted(done)


def _counted(done: Counter[str], *, stopped: str = "") -> SettledHolds:
    return SettledHolds(done["made"], done["taken_out"], done["refused"], done["later"], stopped)


@cache
def _calendar(account: MicrosoftAccount) -> Calendar:
    """One for the whole process: it knows how many requests each mailbox is asked at once."""
    return Calendar(account, shared_tokens(account), clock=_present)


def _make(engine: Engine, calendar: Calendar, due: DueHold, now: datetime, deadline: float) -> str | None:
    """Ask for an entry; which count of :class:`SettledHolds` it adds to, or None where another process asks.

    Raises:
        ChannelStopped: no calendar can be used; none took it.
    """
    with writing(engine) as connection:
        if not hold_attempts.begin(connection, due, now=now):
            return None
    try:
        outcome, event_id = _asked(calendar, due, deadline)
    except ChannelStopped:
        with writing(engine) as connection:
            hold_attempts.not_asked(connection, due)
        raise
    with writing(engine) as connection:
        match outcome:
            case Accepted():
                hold_attempts.made(connection, due, event_id, at=now)
                return "made"
            case Rejected():
                hold_attempts.refused(connection, due, at=now)
                return "refused"
            case NotSent():
                hold_attempts.not_asked(connection, due)
    return "later"


def _asked(calendar: Calendar, due: DueHold, deadline: float) -> tuple[Outcome, str]:
    """What came of asking for an entry, and its id where that is known.

    An earlier attempt may have made it: that is looked up first, and nothing is sent unless it is known to be missing.

    Raises:
        ChannelStopped: no calendar can be used.
    """
    user = mailbox(due.teams_id, due.email)
    if due.state is HoldState.UNCERTAIN:
        try:
            if there := _find(calendar, user, due, deadline):
                return Accepted(there), there
        except CannotTell as why:
            return NotSent(str(why)), ""
    subject, body = entry_texts(due.language, title=due.title, url=due.url)
    outcome = calendar.hold(
        user,
        transaction_id=due.transaction_id,
        subject=subject,
        body_text=body,
        starts_at=due.starts_at,
        ends_at=due.ends_at,
        deadline=deadline,
    )
    if not isinstance(outcome, Accepted):
        return outcome, ""
    if outcome.provider_id:
        return outcome, outcome.provider_id
    try:
        return outcome, _find(calendar, user, due, deadline) or ""
    except (CannotTell, ChannelStopped):
        return outcome, ""  # it is there; taking it out would look for it again


def _take_out(engine: Engine, calendar: Calendar, due: DueHold, now: datetime, deadline: float) -> str:
    """Take out what is there, and say as :func:`_make` does; another process that does the same does no harm.

    Raises:
        ChannelStopped: no calendar can be used.
    """
    user = mailbox(due.teams_id, due.email)
    try:
        event_id = due.event_id or _find(calendar, user, due, deadline)
    except CannotTell:
        return "later"
    outcome = calendar.cancel(user, event_id, deadline=deadline) if event_id else Accepted()
    with writing(engine) as connection:
        match outcome:
            case Accepted():
                hold_attempts.taken_out(connection, due, at=now)
                return "taken_out"
            case Rejected():
                hold_attempts.stuck(connection, due, event_id or "", at=now)
                return "refused"
    return "later"


def _find(calendar: Calendar, user: str, due: DueHold, deadline: float) -> str | None:
    """The entry's id; None where it is not in the calendar.

    Raises:
        CannotTell: the calendar does not say.
        ChannelStopped: no calendar can be used.
    """
    return calendar.find(
        user,
        transaction_id=due.transaction_id,
        starts_at=due.starts_at,
        ends_at=due.ends_at,
        deadline=deadline,
    )
