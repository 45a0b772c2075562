"""From single doings to visits, and what something weighs by its age.

A learning system writes many records while somebody learns once. Counted one by one, a single evening would look like a
habit. So records without a longer pause between them are one visit, and visits are what is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

#: What is this old counts half.
HALF_LIFE: Final = timedelta(days=30)
#: What is older counts for nothing: after six half-lives it would count less than 2 %.
WINDOW: Final = 6 * HALF_LIFE
#: A longer pause ends a visit: the 25.5 minutes of L. Catledge and J. Pitkow ("Characterizing browsing strategies in
#: the World-Wide Web", Computer Networks and ISDN Systems 27(6), 1995), rounded up as is usual since.
PAUSE: Final = timedelta(minutes=30)
#: So much must a field rest on, in visits of today, before it is known.
ENOUGH: Final = 8.0


@dataclass(frozen=True, slots=True)
class Doing:
    """Something a learner did.

    Args:
        at: aware.
        minutes: how long; None is unknown, not zero.
        format: of the item, where it is about one.
        tags: of the item.
    """

    at: datetime
    minutes: float | None = None
    format: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """Messages that reached a learner over one channel.

    Args:
        channel: over which.
        weight: what they count for together, decayed by their age; a message of today counts 1.
        answered: the part of ``weight`` whose link a person followed.
    """

    channel: str
    weight: float
    answered: float


@dataclass(slots=True)
class Visit:
    """Doings without a longer pause between them.

    Args:
        at, until: when it began, and its last sign of life; aware.
        minutes: that are known to have been spent; None is unknown.
    """

    at: datetime
    until: datetime
    minutes: float | None = None
    formats: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)

    @property
    def length(self) -> float | None:
        """Minutes of the visit: those recorded, or from its first sign of life to its last; None is unknown."""
        span = (self.until - self.at).total_seconds() / 60
        return self.minutes if self.minutes is not None else span if span >= 1 else None


def weight(at: datetime, *, as_of: datetime) -> float:
    """What something counts for by its age: 1 now, half after :data:`HALF_LIFE`; 0 beyond :data:`WINDOW` or to come."""
    age = as_of - at
    if not timedelta() <= age <= WINDOW:
        return 0.0
    return float(0.5 ** (age / HALF_LIFE))


def visits(doings: Iterable[Doing], *, as_of: datetime) -> list[Visit]:
    """The visits that doings make up, the earliest first; what is too old or to come is left out.

    Args:
        doings: in any order.
        as_of: aware.
    """
    found: list[Visit] = []
    for each in sorted((each for each in doings if weight(each.at, as_of=as_of) > 0), key=lambda each: each.at):
        if not found or each.at - found[-1].until > PAUSE:
            found.append(Visit(each.at, each.at))
        last = found[-1]
        last.until = each.at
        if each.minutes is not None:
            last.minutes = (last.minutes or 0.0) + each.minutes
            last.until += timedelta(minutes=min(each.minutes, 24 * 60))
        if each.format:
            last.formats.add(each.format)
        last.tags.update(each.tags)
    return found
