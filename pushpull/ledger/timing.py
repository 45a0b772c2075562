"""When: local send times, quiet hours and working days, as pure functions of instants, zones and rules.

What lives here is calendar arithmetic over IANA zones. Who is sent what, and every clock, live elsewhere: an instant
comes in as an aware datetime and goes out in UTC.

A zone is a name of the IANA database; ``""``, or a name that database does not have, stands for "unknown".
A local time that a zone skips (clocks go forward) moves forward by the gap, one that happens twice is the first:
what RFC 5545, section 3.3.5, asks of calendars.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from pushpull.ledger.specs import SendWindow

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
#: A zone may skip the one weekday that is allowed (Samoa had no 30 December 2011): two weeks always hold one.
_HORIZON_DAYS = 16
#: Spells are counted in days; organisations whose zones share no open minute in so many rounds share none.
_COMMON_ROUNDS = 64


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=4096)
def known(zone: str) -> bool:
    """Whether the IANA database has this zone."""
    if not zone:
        return False
    try:
        _zone(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, such as "Europe"
        return False
    return True


def latest(as_of: datetime, ends_at: datetime | None) -> datetime:
    """What is looked at, at ``as_of``, of something that ends: its end is the first instant no longer part of it.

    Args:
        ends_at: None: it has no end.
    """
    return as_of if ends_at is None else min(as_of, ends_at - timedelta(microseconds=1))


def local_day(instant: datetime, zone: str) -> date:
    """The date on the calendar at ``instant`` in ``zone``."""
    return instant.astimezone(_zone(zone)).date()


@lru_cache(maxsize=65536)
def local_instant(zone: str, day: date, at: time) -> datetime:
    """The instant (UTC) at which a clock in ``zone`` shows ``at`` on ``day``.

    A skipped local time moves forward by the gap; an ambiguous one is the first.
    """
    return datetime.combine(day, at.replace(fold=0), tzinfo=_zone(zone)).astimezone(UTC)


def is_open(instant: datetime, zone: str, window: SendWindow) -> bool:
    """Whether a message may reach a learner in ``zone`` at ``instant``."""
    local = instant.astimezone(_zone(zone))
    return local.weekday() in window.weekdays and window.opens <= local.time() < window.closes


def next_open(instant: datetime, zone: str, window: SendWindow) -> datetime:
    """The first instant (UTC), ``instant`` itself included, at which the window is open.

    Raises:
        ValueError: no such instant within two weeks; no real zone and window do that.
    """
    found = _first_turn(instant.astimezone(UTC), zone, window, at=window.opens, into=True)
    if found is None:
        raise ValueError(f"the send window never opens in {zone!r} within two weeks of {instant.isoformat()}")
    return found


def closes_at(instant: datetime, zone: str, window: SendWindow) -> datetime:
    """The first instant (UTC), ``instant`` itself included, at which the window is shut: the end of an open spell."""
    found = _first_turn(instant.astimezone(UTC), zone, window, at=window.closes, into=False)
    assert found is not None, "a window shuts every day"
    return found


def _first_turn(instant: datetime, zone: str, window: SendWindow, *, at: time, into: bool) -> datetime | None:
    """The first instant from ``instant`` on whose openness is ``into``.

    Openness turns only where the local clock passes ``at`` or jumps: those instants are tried in order.
    """
    if is_open(instant, zone, window) is into:
        return instant
    first = local_day(instant, zone) - _DAY  # clocks set back over midnight bring yesterday again
    best: datetime | None = None
    for ahead in range(_HORIZON_DAYS + 1):
        for turn in _turns(zone, first + ahead * _DAY, at):
            if turn > instant and (best is None or turn < best) and is_open(turn, zone, window) is into:
                best = turn
        if best is not None and local_day(best, zone) < first + ahead * _DAY:
            break  # one day beyond the find has been tried: repeated hours can interleave two days, not three
    return best


@lru_cache(maxsize=16384)
def _turns(zone: str, day: date, at: time) -> tuple[datetime, ...]:
    """The instants at which clocks in ``zone`` show ``at`` on ``day``, or jump during it."""
    shown = datetime.combine(day, at, tzinfo=_zone(zone))
    instants = {shown.replace(fold=0).astimezone(UTC), shown.replace(fold=1).astimezone(UTC)}
    for near in (day - _DAY, day, day + _DAY):
        instants.update(_jumps(zone, near))
    return tuple(sorted(instants))


@lru_cache(maxsize=16384)
def _jumps(zone: str, utc_day: date) -> tuple[datetime, ...]:
    """The instants of a UTC day at which the offset of ``zone`` changes, found by halving; to the second."""
    place = _zone(zone)
    found = []
    start = datetime.combine(utc_day, time(), tzinfo=UTC)
    for _ in range(8):
        end = start + 3 * _HOUR
        before = start.astimezone(place).utcoffset()
        if end.astimezone(place).utcoffset() != before:
            low, high = 0, 3 * 3600
            while high - low > 1:
                middle = (low + high) // 2
                if (start + timedelta(seconds=middle)).astimezone(place).utcoffset() == before:
                    low = middle
                else:
                    high = middle
            found.append(start + timedelta(seconds=high))
        start = end
    return tuple(found)


def send_instant(zone: str, day: date, hour: int, window: SendWindow, not_before: datetime | None = None) -> datetime:
    """When to send (UTC): the local ``hour`` of ``day``, moved into the window.

    An hour before the window moves to its opening, one after it to its last hour; a day that is not allowed moves to
    the next allowed one. The result is inside the window and never before ``not_before``.

    Args:
        zone: a known zone.
        day: the local date.
        hour: local hour, 0 to 23.
        window: allowed local hours and weekdays.
        not_before: an instant; None is no bound.
    """
    while day.weekday() not in window.weekdays:
        day += _DAY
    planned = local_instant(zone, day, _hour_within(window, hour))
    if not_before is not None and not_before > planned:
        planned = not_before
    return next_open(planned, zone, window)


def _hour_within(window: SendWindow, hour: int) -> time:
    last = window.closes.replace(hour=window.closes.hour - 1) if window.closes >= time(1) else window.opens
    return max(window.opens, min(time(hour), last))


def instants(
    zones: Collection[str],
    *,
    day: date,
    hour: int,
    window: SendWindow,
    default: str,
    not_before: datetime | None = None,
) -> dict[str, datetime]:
    """One send instant (UTC) per distinct zone, as :func:`send_instant` finds it.

    Args:
        zones: as stored with learners; unknown ones are timed as ``default``.
        default: the organisation's zone.
    """
    return {zone: send_instant(zone if known(zone) else default, day, hour, window, not_before) for zone in set(zones)}


def open_everywhere(instant: datetime, zones: Collection[str], window: SendWindow) -> bool:
    """Whether the window is open in every one of these zones: what a learner of unknown zone needs."""
    return all(is_open(instant, zone, window) for zone in zones)


def next_open_everywhere(instant: datetime, zones: Collection[str], window: SendWindow) -> datetime | None:
    """The first instant (UTC) from ``instant`` on at which the window is open in all zones; None if there is none."""
    moment = instant.astimezone(UTC)
    for _ in range(_COMMON_ROUNDS):
        later = max((next_open(moment, zone, window) for zone in zones), default=moment)
        if later == moment:
            return moment
        moment = later
    return None


def unknown_window(window: SendWindow, zones: Collection[str], day: date) -> tuple[datetime, datetime] | None:
    """The first spell, on ``day`` in any of ``zones``, during which the window is open in all of them.

    Text messages to learners whose zone is unknown keep to it: wherever in the organisation they are, it is not night.

    Returns:
        Its first instant and the first instant after it (UTC); None when the zones share no open time on that day.
    """
    if not zones:
        return None
    starts = min(local_instant(zone, day, time()) for zone in zones)
    ends = max(local_instant(zone, day + _DAY, time()) for zone in zones)
    opens = next_open_everywhere(starts, zones, window)
    if opens is None or opens >= ends:
        return None
    return opens, min(closes_at(opens, zone, window) for zone in zones)


def unknown_instant(
    zones: Collection[str],
    day: date,
    hour: int,
    window: SendWindow,
    *,
    default: str,
    not_before: datetime | None = None,
) -> datetime | None:
    """When to text a learner of unknown zone (UTC): the organisation's ``hour``, moved to where all its zones are open.

    Returns:
        None when the zones share no open time.
    """
    everywhere = {*(zone for zone in zones if known(zone)), default}
    return next_open_everywhere(send_instant(default, day, hour, window, not_before), everywhere, window)


def is_working_day(day: date, holidays: Collection[date] = frozenset()) -> bool:
    """Whether ``day`` is neither a Saturday or Sunday nor one of ``holidays``."""
    return day.weekday() < 5 and day not in holidays


def _working_days(start: date, step: timedelta, holidays: Collection[date]) -> Iterator[date]:
    """The working days beyond ``start``, one after the other, in the direction of ``step``."""
    day = start
    while True:
        day += step
        if is_working_day(day, holidays):
            yield day


def add_working_days(day: date, n: int, holidays: Collection[date] = frozenset()) -> date:
    """The ``n``-th working day after ``day``, or before it if ``n`` is negative; 0 is ``day`` or the next working day.

    Args:
        holidays: days that do not count beside Saturdays and Sundays; a set, when there are many.
    """
    if n == 0:
        return day if is_working_day(day, holidays) else add_working_days(day, 1, holidays)
    beyond = _working_days(day, _DAY if n > 0 else -_DAY, holidays)
    for _ in range(abs(n) - 1):
        next(beyond)
    return next(beyond)


def due_days_for(on: date, offset: int, holidays: Collection[date] = frozenset()) -> frozenset[date]:
    """The due dates whose reminder falls on ``on``: every ``d`` with ``add_working_days(d, offset) == on``.

    More than one when days off lie between (a reminder one working day after due dates of Friday, Saturday and Sunday
    is Monday's); none when ``on`` is not a working day.
    """
    if not is_working_day(on, holidays):
        return frozenset()
    if offset > 0:
        first = add_working_days(on, -offset, holidays)
        end = add_working_days(first, 1, holidays)
    else:
        last = add_working_days(on, -offset, holidays)
        first = add_working_days(last, -1, holidays) + _DAY
        end = last + _DAY
    return frozenset(first + ahead * _DAY for ahead in range((end - first).days))
