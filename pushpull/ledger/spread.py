"""How an audience spreads over zones, hours and languages, and what each combination means for a wave.

Clock and language arithmetic is done here once per distinct combination; SQL joins the result. So a million learners in
forty zones cost forty computations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    String,
    and_,
    column,
    func,
    literal,
    null,
    select,
)

from pushpull.db import UtcDateTime, table_of
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger import timing
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.vocabulary import Reason

#: A due date no calendar has: joins to nobody.
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Spread:
    """The distinct zones, preferred hours and preferred languages among some learners; "" is unknown."""

    zones: tuple[str, ...]
    hours: tuple[int, ...]
    preferences: tuple[str, ...]


def spread(connection: Connection, *, among: Select[tuple[int]] | None = None, hours: bool = False) -> Spread:
    """Look up the distinct combinations.

    Args:
        among: learner ids to look at; None for everybody.
        hours: whether preferred hours matter.
    """
    kinds = select(
        func.coalesce(learner.c.timezone, ""),
        func.coalesce(learner.c.preferred_language, ""),
        learner.c.preferred_hour if hours else null(),
    ).distinct()
    if among is not None:
        kinds = kinds.where(learner.c.id.in_(among))
    rows = connection.execute(kinds).all()
    return Spread(
        zones=tuple(sorted({zone for zone, _, _ in rows} | {""})),
        hours=tuple(sorted({hour for _, _, hour in rows if hour is not None})),
        preferences=tuple(sorted({preferred for _, preferred, _ in rows} | {""})),
    )


@dataclass(frozen=True)
class Timed:
    """When a wave reaches each learner, as SQL over ``learner``.

    Args:
        joins: what a statement must outer-join for it, each with its condition, in order.
        reasons: why somebody gets nothing, by the clock.
        item: what the message is about, where its time says so.
    """

    joins: tuple[tuple[FromClause, ColumnElement[bool]], ...]
    due_at: ColumnElement[datetime]
    expires_at: ColumnElement[datetime]
    reasons: tuple[tuple[ColumnElement[bool], Reason], ...]
    item: ColumnElement[int | None] | None = None

    def joined_to(self, source: FromClause) -> FromClause:
        """The source with all that the columns need."""
        for each, condition in self.joins:
            source = source.outerjoin(each, condition)
        return source


def at_hours(kinds: Spread, spec: WaveSpec, *, as_of: datetime) -> Timed:
    """The wave's hour, or the learner's own, on the wave's day where they are."""
    moment = send_times(kinds, spec, as_of=as_of)
    hour = (
        func.coalesce(learner.c.preferred_hour, spec.hour) if spec.prefer_learner_hour else literal(spec.hour, Integer)
    )
    # Who came with a new zone since the spread was looked up is timed like the unknown.
    usually, until = (literal(each, UtcDateTime) for each in usual_time(kinds, spec, as_of=as_of))
    expires_at = func.coalesce(moment.c.expires_at, until)
    return Timed(
        joins=((moment, and_(moment.c.zone == func.coalesce(learner.c.timezone, ""), moment.c.hour == hour)),),
        due_at=func.coalesce(moment.c.due_at, usually),
        expires_at=expires_at,
        reasons=((expires_at <= as_of, Reason.EXPIRED),),
    )


def send_times(kinds: Spread, spec: WaveSpec, *, as_of: datetime) -> CTE:
    """``moment(zone, hour, due_at, expires_at)``: when the wave reaches each zone, never before ``as_of``."""
    hours = sorted({*kinds.hours, spec.hour})
    rows = [(zone, hour, *_send_time(zone, kinds, hour, spec, as_of)) for zone in kinds.zones for hour in hours]
    columns = [
        column("zone", String),
        column("hour", Integer),
        column("due_at", UtcDateTime()),
        column("expires_at", UtcDateTime()),
    ]
    return table_of("moment", columns, rows)


def usual_time(kinds: Spread, spec: WaveSpec, *, as_of: datetime) -> tuple[datetime, datetime]:
    """``due_at, expires_at`` of somebody of whom nothing is known."""
    return _send_time("", kinds, spec.hour, spec, as_of)


def _send_time(zone: str, kinds: Spread, hour: int, spec: WaveSpec, as_of: datetime) -> tuple[datetime, datetime]:
    due = _send_instant(zone, kinds.zones, hour, spec)
    expires = due + spec.expires_after
    if spec.daily_goal:  # what is about a day is for that day alone
        place = place_of(zone, spec)
        expires = min(expires, day_bounds(place, timing.local_day(due, place))[1])
    return as_of if due < as_of < expires else due, expires


def _send_instant(zone: str, zones: Sequence[str], hour: int, spec: WaveSpec) -> datetime:
    if timing.known(zone) or Channel.SMS not in spec.channels:
        return timing.send_instant(place_of(zone, spec), spec.on, hour, spec.window)
    # A text message to somebody whose zone is unknown waits until it is daytime wherever the organisation is.
    everywhere = timing.unknown_instant(zones, spec.on, hour, spec.window, default=spec.timezone)
    return everywhere or timing.send_instant(spec.timezone, spec.on, hour, spec.window)


def sent_on(kinds: Spread, spec: WaveSpec) -> dict[str, date]:
    """The local date, by zone, on which the wave reaches learners: its own, or the next on which the window opens."""
    if spec.at_cue:
        return dict.fromkeys(kinds.zones, spec.on)
    return {
        zone: timing.local_day(_send_instant(zone, kinds.zones, spec.hour, spec), place_of(zone, spec))
        for zone in kinds.zones
    }


def place_of(zone: str, spec: WaveSpec) -> str:
    """Where a learner is timed: at home, or with the organisation when the stored zone is none."""
    return zone if timing.known(zone) else spec.timezone


def languages(kinds: Spread, spec: WaveSpec) -> CTE:
    """``spoken(preferred, language)``: the language of the message for each preference."""
    columns = [column("preferred", String), column("language", String)]
    rows = [(preferred, fitting_language(preferred, spec.languages)) for preferred in kinds.preferences]
    return table_of("spoken", columns, rows)


def fitting_language(preferred: str, available: Sequence[str]) -> str:
    """The language a message is sent in: the preferred one, its base, else the first available (mission R7)."""
    by_lower = {language.lower(): language for language in available}
    wanted = preferred.replace("_", "-").lower()
    while wanted:
        if wanted in by_lower:
            return by_lower[wanted]
        wanted = wanted.rpartition("-")[0]
    return available[0]


def due_windows(kinds: Spread, spec: WaveSpec) -> CTE:
    """``due_window(zone, low, high)``: the due dates that put ``spec.on`` at ``spec.due_offset`` working days."""
    days = sorted(timing.due_days_for(spec.on, spec.due_offset or 0))
    rows = [(zone, *day_bounds(place_of(zone, spec), day)) for zone in kinds.zones for day in days]
    columns = [column("zone", String), column("low", UtcDateTime()), column("high", UtcDateTime())]
    return table_of("due_window", columns, rows or [("", _NEVER, _NEVER)])


def day_bounds(zone: str, day: date) -> tuple[datetime, datetime]:
    """The first instant of a local day, and the first after it (UTC)."""
    return timing.local_instant(zone, day, time()), timing.local_instant(zone, day + timedelta(days=1), time())


@dataclass(frozen=True, slots=True)
class LocalTime:
    """What time it is for the learners of one zone.

    Args:
        next_open: the first instant from now on at which they may get a message; now itself inside the window.
        closes_at: the instant from which on they may no longer get one today.
        ends_at: the end of their local day.
        tomorrow: the wave's sending time on the next day.
        day: the ordinal of their local date, the unit of the attention budget.
    """

    is_open: bool
    next_open: datetime
    closes_at: datetime
    ends_at: datetime
    tomorrow: datetime
    day: int


class Clocks(dict[str, LocalTime]):
    """Local times by zone at one moment, computed when first asked for; "" and names of no zone are unknown.

    Args:
        zones: the organisation's zones: a text message to an unknown zone needs daytime in all of them.
    """

    def __init__(self, spec: WaveSpec, *, now: datetime, zones: Sequence[str]) -> None:
        super().__init__()
        self._spec, self._now = spec, now
        self._everywhere = [zone for zone in zones if timing.known(zone)] or [spec.timezone]

    def __missing__(self, zone: str) -> LocalTime:
        spec, now = self._spec, self._now
        place = place_of(zone, spec)
        today = timing.local_day(now, place)
        opens = timing.next_open(now, place, spec.window)
        places = [place]
        if not timing.known(zone) and Channel.SMS in spec.channels:
            opens = timing.next_open_everywhere(now, self._everywhere, spec.window) or opens
            places = self._everywhere
        self[zone] = LocalTime(
            is_open=opens <= now,
            next_open=opens,
            closes_at=min(timing.closes_at(opens, each, spec.window) for each in places),
            ends_at=day_bounds(place, today)[1],
            tomorrow=timing.send_instant(place, today + timedelta(days=1), spec.hour, spec.window),
            day=today.toordinal(),
        )
        return self[zone]
