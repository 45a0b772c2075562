"""Today's two-minute goal and the days of a week, in the learner's own zone (missions H1 and H2).

The goal is a constant: it does not grow with what somebody did, and nothing is owed after an absence. More than two
minutes is a bonus and no more. A day is met

- by minutes: those of the day's activity add up to two or more; or
- by activity whose minutes nobody knows: somebody learned, only how long cannot be said.

Opening something without staying any known time is not learning, and what a system says about a learner is not their
doing (:mod:`pushpull.learners.verbs`). Rest days and pauses are never missed, and rest is no reason not to learn: a
rest day with two minutes is met.

What lives here is the arithmetic of days, and the same rule as conditions for statements over many learners.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, or_, select

from pushpull.learners.tables import activity
from pushpull.learners.verbs import NOT_ACTIVE_VERBS, OPENING_VERBS

#: The daily goal, in minutes: for everybody, on every day, after anything.
TWO_MINUTES: Final = 2.0
#: Saturday and Sunday; bit n is weekday n, Monday is 0.
WEEKEND: Final = 0b1100000

_DAY = timedelta(days=1)


class DayState(StrEnum):
    """What a page says of a day."""

    MET = "met"
    MISSED = "missed"  # over, without two minutes
    RESTING = "resting"
    PAUSED = "paused"
    TO_COME = "to_come"  # today as long as it is not met, and the days after it


@dataclass(frozen=True, slots=True)
class Learned:
    """One record of learning.

    Args:
        at: when; aware.
        minutes: how long; None is unknown, not zero.
    """

    at: datetime
    minutes: float | None


@dataclass(frozen=True, slots=True)
class Day:
    """A local day.

    Args:
        on: its date.
        minutes: learned on it, as far as known.
        is_today: whether it is the learner's today.
    """

    on: date
    state: DayState
    minutes: float
    is_today: bool

    @property
    def bonus(self) -> float:
        """Minutes beyond the goal; it is carried nowhere."""
        return max(0.0, self.minutes - TWO_MINUTES)


@dataclass(frozen=True, slots=True)
class Week:
    """A learner's week, Monday first."""

    days: tuple[Day, ...]

    @property
    def goal(self) -> float:
        """Today's goal in minutes."""
        return TWO_MINUTES

    @property
    def today(self) -> Day:
        """The day it is now."""
        return next(day for day in self.days if day.is_today)

    @property
    def met(self) -> int:
        """On how many days the goal was met."""
        return sum(day.state is DayState.MET for day in self.days)


def week(
    learned: Iterable[Learned],
    *,
    now: datetime,
    zone: str,
    rest_days: int = WEEKEND,
    paused_until: datetime | None = None,
) -> Week:
    """The days of the local week that ``now`` is in.

    Args:
        learned: in any order; what lies outside the week, or after ``now``, does not count.
        now: aware.
        zone: IANA name; a name of no zone counts as UTC.
        rest_days: a bit for each weekday, Monday is bit 0.
        paused_until: when the learner's pause ends; since when it lasts is not known, so that it excuses the days of
            the week that began before its end.
    """
    place = _zone(zone)
    today = now.astimezone(place).date()
    monday = today - today.weekday() * _DAY
    minutes = dict.fromkeys((monday + n * _DAY for n in range(7)), 0.0)
    not_timed = set()
    for each in learned:
        on = each.at.astimezone(place).date()
        if on not in minutes or each.at > now:
            continue
        minutes[on] += each.minutes or 0.0
        if each.minutes is None:
            not_timed.add(on)

    def state(on: date) -> DayState:
        if on in not_timed or minutes[on] >= TWO_MINUTES:
            return DayState.MET
        if paused_until is not None and _midnight(place, on) < paused_until:
            return DayState.PAUSED
        if rest_days >> on.weekday() & 1:
            return DayState.RESTING
        return DayState.TO_COME if on >= today else DayState.MISSED

    return Week(tuple(Day(on, state(on), minutes[on], is_today=on == today) for on in minutes))


def local_date(instant: datetime, zone: str) -> date:
    """The date on the calendar at an instant (aware), for somebody in that zone."""
    return instant.astimezone(_zone(zone)).date()


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """Whether the IANA database has a zone of that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, such as "Europe"
        return False
    return bool(name)


def week_of(now: datetime, zone: str) -> tuple[datetime, datetime]:
    """The first instant of the local week that ``now`` is in, and the first after it (UTC)."""
    place = _zone(zone)
    today = now.astimezone(place).date()
    monday = today - today.weekday() * _DAY
    return _midnight(place, monday), _midnight(place, monday + 7 * _DAY)


def day_of(now: datetime, zone: str) -> tuple[datetime, datetime]:
    """The first instant of the local day that ``now`` is in, and the first after it (UTC)."""
    place = _zone(zone)
    today = now.astimezone(place).date()
    return _midnight(place, today), _midnight(place, today + _DAY)


def is_learning() -> ColumnElement[bool]:
    """Whether a row of ``activity`` counts towards a day."""
    return and_(
        activity.c.voided_at.is_(None),
        activity.c.verb.not_in(NOT_ACTIVE_VERBS),
        or_(activity.c.minutes.is_not(None), activity.c.verb.not_in(OPENING_VERBS)),
    )


def is_met() -> ColumnElement[bool]:
    """Whether the rows of one learner's day, grouped and :func:`is_learning` all, make it a day met."""
    some_unknown = func.count() > func.count(activity.c.minutes)
    return or_(func.sum(activity.c.minutes) >= TWO_MINUTES, some_unknown)


def learned_between(connection: Connection, learner_id: int, start: datetime, end: datetime) -> tuple[Learned, ...]:
    """What a learner did from ``start`` on and before ``end`` (aware), the earliest first."""
    rows = connection.execute(_learned(), {"who": learner_id, "start": start, "end": end})
    return tuple(Learned(at, minutes) for at, minutes in rows)


@cache
def _learned() -> Select[Any]:
    """The statement. It is built once: that takes longer than to answer it."""
    return (
        select(activity.c.occurred_at, activity.c.minutes)
        .where(
            activity.c.learner_id == bindparam("who"),
            activity.c.occurred_at >= bindparam("start"),
            activity.c.occurred_at < bindparam("end"),
            is_learning(),
        )
        .order_by(activity.c.occurred_at)
    )


def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name if is_zone(name) else "UTC")


def _midnight(place: ZoneInfo, on: date) -> datetime:
    """The instant (UTC) at which a local day begins; where clocks skip midnight, when they go on."""
    return datetime.combine(on, time(), tzinfo=place).astimezone(UTC)
