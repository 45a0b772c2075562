"""Free gaps between busy times: pure, and in instants, so that zones and clock changes play no part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

#: States of an entry in which a person can still be invited; "cancelled" is what other calendars say.
_OPEN_STATES = frozenset({"free", "workingelsewhere", "cancelled", "canceled"})


@dataclass(frozen=True, slots=True)
class Busy:
    """A time that is taken; nothing is known of what by.

    Args:
        starts_at, ends_at: aware instants; an end that is not after the start takes no time.
        status: as the calendar says: free, tentative, busy, oof, workingElsewhere, unknown. What nobody knows blocks.
    """

    starts_at: datetime
    ends_at: datetime
    status: str = "busy"

    @property
    def blocks(self) -> bool:
        """Whether nothing else may be put there."""
        return self.status.lower() not in _OPEN_STATES


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which nothing blocks, UTC."""

    starts_at: datetime
    ends_at: datetime

    @property
    def minutes(self) -> float:
        """How long it is."""
        return (self.ends_at - self.starts_at) / timedelta(minutes=1)


def free_gaps(busy: Iterable[Busy], window: Gap, minutes: float) -> list[Gap]:
    """All free time in a window, in gaps as long as they can be, the earliest first.

    Args:
        busy: in any order and any zones; they may overlap, and reach beyond the window.
        window: where to look; aware instants in any zone.
        minutes: the least a gap must have; more than 0.

    Raises:
        ValueError: an instant has no zone, or ``minutes`` is not more than 0.
    """
    if not minutes > 0:
        raise ValueError(f"a gap must have more than 0 minutes, not {minutes}")
    least = timedelta(minutes=minutes)
    free_from, end = _utc(window.starts_at), _utc(window.ends_at)
    gaps = []
    for starts_at, ends_at in [*_blocked(busy), (end, end)]:
        until = min(starts_at, end)
        if until - free_from >= least:
            gaps.append(Gap(free_from, until))
        free_from = max(free_from, ends_at)
    return gaps


def _blocked(busy: Iterable[Busy]) -> list[tuple[datetime, datetime]]:
    return sorted(_instants(busy))


def _instants(busy: Iterable[Busy]) -> Iterator[tuple[datetime, datetime]]:
    for each in busy:
        starts_at, ends_at = _utc(each.starts_at), _utc(each.ends_at)
        if each.blocks and starts_at < ends_at:
            yield starts_at, ends_at


def _utc(instant: datetime) -> datetime:
    """In UTC, because Python compares times of the same zone by their wall clocks, which jump twice a year."""
    if instant.utcoffset() is None:
        raise ValueError("an instant without a zone could be any of a day's")
    return instant.astimezone(UTC)
