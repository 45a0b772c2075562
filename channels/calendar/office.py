"""Where two minutes fit into the working days ahead: office hours in somebody's own zone, less what is taken.

Quiet hours lie outside office hours, so that nothing is offered in them (:class:`pushpull.ledger.specs.SendWindow`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Final

from channels.calendar.gaps import Busy, Gap, free_gaps
from pushpull.ledger.specs import SendWindow
from pushpull.ledger.timing import closes_at, local_day, local_instant, next_open

#: Office hours on every local clock.
OPENS, CLOSES = time(8), time(18)
#: Working days looked at, today included, and how far ahead they may begin: times can be held for 30 days, and Graph
#: looks no further than 62.
DAYS_AHEAD: Final = 5
FURTHEST: Final = timedelta(days=28)
#: Times offered at once, and of one day: the rest of a free day is more of the same.
MOST_OFFERS, MOST_PER_DAY = 6, 2
#: When many people have a minute: before the day's work begins in earnest, and after lunch.
USUAL: Final = (time(9), time(13, 30))
#: Entries begin on the marks of a clock.
_MARK: Final = timedelta(minutes=5)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def office_hours(now: datetime, zone: str, rest_days: Collection[int]) -> list[Gap]:
    """What is left of today's office hours and those of the working days after it, UTC.

    Args:
        zone: a zone of the IANA database.
        rest_days: weekdays, Monday is 0; without a working day there are no hours.
    """
    days = frozenset(day for day in range(7) if day not in rest_days)
    return list(_spells(now, zone, SendWindow(opens=OPENS, closes=CLOSES, weekdays=days))) if days else []


def offers(busy: Iterable[Busy], *, now: datetime, zone: str, minutes: float, rest_days: Collection[int]) -> list[Gap]:
    """Free times to begin something of so many minutes, the earliest first.

    Args:
        busy: what is taken, as :func:`free_gaps` has it.
        zone, rest_days: as :func:`office_hours` has them.

    Returns:
        Each from a mark of the clock on, at least ``minutes`` long, until the gap ends.
    """
    taken, of_day, found = _taken(busy, zone), Counter[int](), []
    for number, hours in enumerate(office_hours(now, zone, rest_days)):
        for gap in free_gaps(taken, hours, minutes):
            offer = Gap(_next_mark(gap.starts_at), gap.ends_at)
            if offer.minutes >= minutes and of_day[number] < MOST_PER_DAY:
                of_day[number] += 1
                found.append(offer)
    return found[:MOST_OFFERS]


def usual_times(
    busy: Iterable[Busy],
    *,
    now: datetime,
    zone: str,
    minutes: float,
    rest_days: Collection[int],
    cues: Mapping[int, Collection[time]],
) -> list[Gap]:
    """Times to choose from where no calendar says when somebody is free, the earliest first.

    Args:
        busy: what is known to be taken all the same.
        zone, rest_days: as :func:`office_hours` has them.
        cues: when the cues of somebody's own plans come, by weekday; :data:`USUAL` on the others.

    Returns:
        In office hours, ``minutes`` long each.
    """
    taken, length, found = _taken(busy, zone), timedelta(minutes=minutes), []
    for hours in office_hours(now, zone, rest_days):
        day = local_day(hours.starts_at, zone)
        starts = sorted({local_instant(zone, day, at) for at in cues.get(day.weekday()) or USUAL})
        inside = [Gap(at, at + length) for at in starts if hours.starts_at <= at <= hours.ends_at - length]
        found += [gap for gap in inside if free_gaps(taken, gap, minutes)][:MOST_PER_DAY]
    return found[:MOST_OFFERS]


def _taken(busy: Iterable[Busy], zone: str) -> list[Busy]:
    """What is taken, and whole days on the local clock, too.

    Graph gives all-day entries from midnight to midnight, "regardless of time zone" (microsoft-graph-docs, issue
    1802): read as UTC alone, they would leave a part of the day free that is not.
    """
    taken = list(busy)
    for each in tuple(taken):
        first, last = each.starts_at.astimezone(UTC), each.ends_at.astimezone(UTC)
        if first < last and first.time() == last.time() == time():
            starts_at, ends_at = (local_instant(zone, at.date(), time()) for at in (first, last))
            taken.append(Busy(starts_at, ends_at, each.status))
    return taken


def _spells(now: datetime, zone: str, window: SendWindow) -> Iterator[Gap]:
    at, days = now.astimezone(UTC), set()
    while True:
        starts_at = next_open(at, zone, window)
        days.add(local_day(starts_at, zone))
        if len(days) > DAYS_AHEAD or starts_at > now + FURTHEST:
            return
        at = closes_at(starts_at, zone, window)
        yield Gap(starts_at, at)


def _next_mark(instant: datetime) -> datetime:
    return instant + (_EPOCH - instant) % _MARK
