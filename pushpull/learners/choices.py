"""What learners decide about themselves on their page: pauses, daily nudges and rest days, calendar, public thanks.

Whoever plans or sends obeys them; here they are read and written. What learners say about themselves (language, hour,
goals and their why) lives in `declared`, and which messages they want in `consent`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, select

from pushpull.db import insert_into
from pushpull.learners.consent import lock_learner
from pushpull.learners.tables import learner_choice

#: The longest pause.
MOST_PAUSE_DAYS: Final = 90
#: Saturday and Sunday; Monday is 0.
WEEKEND: Final = frozenset({5, 6})


@dataclass(frozen=True, slots=True)
class Choices:
    """What one learner decided; the defaults are those of somebody who decided nothing.

    Args:
        paused_until: no nudges before; None for no pause. Obligations still come.
        wants_habit: a short nudge every day until the day's two minutes are done.
        rest_days: weekdays without any; Monday is 0.
        wants_holds: times for learning in their calendar.
        wants_recognition: to be thanked by name in public.
    """

    paused_until: datetime | None = None
    wants_habit: bool = False
    rest_days: frozenset[int] = WEEKEND
    wants_holds: bool = False
    wants_recognition: bool = False

    def is_paused(self, at: datetime) -> bool:
        """Whether the pause holds at an instant."""
        return self.paused_until is not None and at < self.paused_until


def choices_of(connection: Connection, learner_id: int) -> Choices:
    """What the learner decided."""
    row = connection.execute(select(learner_choice).where(learner_choice.c.learner_id == learner_id)).one_or_none()
    if row is None:
        return Choices()
    return Choices(row.paused_until, row.wants_habit, _days(row.rest_days), row.wants_holds, row.wants_recognition)


def pause(connection: Connection, learner_id: int, *, days: int, at: datetime) -> datetime:
    """No nudges for so many days of 24 hours.

    Args:
        days: 1 to :data:`MOST_PAUSE_DAYS`.
        at: now, UTC.

    Returns:
        When the pause ends.

    Raises:
        UnknownLearner: there is no such learner.
        ValueError: the pause is too short or too long.
    """
    if not 1 <= days <= MOST_PAUSE_DAYS:
        raise ValueError(f"a pause has 1 to {MOST_PAUSE_DAYS} days")
    until = at + timedelta(days=days)
    _choose(connection, learner_id, {"paused_until": until}, at=at)
    return until


def resume(connection: Connection, learner_id: int, *, at: datetime) -> None:
    """The pause is over; errors as for :func:`pause`."""
    _choose(connection, learner_id, {"paused_until": None}, at=at)


def choose_habit(
    connection: Connection, learner_id: int, *, is_wanted: bool, rest_days: Collection[int], at: datetime
) -> None:
    """Whether there is a nudge every day, and on which weekdays never.

    Raises:
        UnknownLearner: there is no such learner.
        ValueError: a day is none, or all of them are rest days.
    """
    days = frozenset(rest_days)
    if not days <= frozenset(range(7)) or len(days) > 6:
        raise ValueError("rest days are 0 to 6 of the weekdays 0 (Monday) to 6 (Sunday)")
    bits = sum(1 << day for day in days)
    _choose(connection, learner_id, {"wants_habit": is_wanted, "rest_days": bits}, at=at)


def choose_holds(connection: Connection, learner_id: int, *, is_wanted: bool, at: datetime) -> None:
    """Whether times for learning are put into the learner's calendar; errors as for :func:`pause`."""
    _choose(connection, learner_id, {"wants_holds": is_wanted}, at=at)


def choose_recognition(connection: Connection, learner_id: int, *, is_wanted: bool, at: datetime) -> None:
    """Whether the learner may be thanked by name in public; errors as for :func:`pause`."""
    _choose(connection, learner_id, {"wants_recognition": is_wanted}, at=at)


def _choose(connection: Connection, learner_id: int, values: dict[str, Any], *, at: datetime) -> None:
    lock_learner(connection, learner_id)
    changed = {**values, "updated_at": at}
    connection.execute(
        insert_into(connection, learner_choice)
        .values(learner_id=learner_id, **changed)
        .on_conflict_do_update(index_elements=["learner_id"], set_=changed)
    )


def _days(bits: int) -> frozenset[int]:
    return frozenset(day for day in range(7) if bits >> day & 1)
