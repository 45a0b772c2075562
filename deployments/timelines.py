"""The timeline of a campaign: one schedule for every wave of its file, and how what a server has differs from that.

What the server has is read and changed in `schedules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from content.campaign import Campaign, Recurrence, rule_in_words, timetable
from tasks.schedules import JOINT

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True)
class WaveSchedule:
    """What is asked for one wave.

    Args:
        instants: when it is planned from now on, UTC.
    """

    campaign: str
    recurrence: Recurrence
    instants: tuple[datetime, ...]

    @property
    def stage(self) -> str:
        """Whose deployment it belongs to."""
        return self.recurrence.stage

    @property
    def wave(self) -> str:
        """Key of its wave."""
        return self.recurrence.wave

    @property
    def slug(self) -> str:
        """Its name on the server."""
        return f"{self.campaign}{JOINT}{self.wave}"

    @property
    def parameters(self) -> dict[str, Any]:
        """Of the flow runs it starts."""
        return {"campaign": self.campaign, "wave": self.wave, "days_ahead": self.recurrence.days_ahead}


@dataclass(frozen=True)
class Timeline:
    """What a campaign's file asks for.

    Args:
        schedules: one per wave that is still to be planned.
        over: waves whose times have all passed; a schedule of them would never fire.
    """

    campaign: str
    schedules: tuple[WaveSchedule, ...]
    over: tuple[Recurrence, ...] = ()


@dataclass(frozen=True)
class Deployed:
    """A schedule on the server.

    Args:
        next_run: when it fires next, UTC; None when it is paused or over, or Prefect has not worked it out yet.
    """

    deployment_id: UUID
    schedule_id: UUID
    stage: str
    slug: str
    rule: str
    timezone: str
    parameters: dict[str, Any] = field(default_factory=dict)
    is_active: bool = True
    next_run: datetime | None = None

    @property
    def campaign(self) -> str:
        """Whose it is."""
        return self.slug.partition(JOINT)[0]

    @property
    def wave(self) -> str:
        """Key of its wave."""
        return self.slug.partition(JOINT)[2]


class Change(StrEnum):
    """What deploying does to a schedule."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    SAME = "same"


@dataclass(frozen=True)
class Difference:
    """Between what is asked for and what the server has.

    Args:
        wanted: none when it is to be removed.
        found: none when it is to be added.
    """

    stage: str
    wave: str
    wanted: WaveSchedule | None = None
    found: Deployed | None = None

    @property
    def change(self) -> Change:
        """What deploying does about it."""
        if self.found is None:
            return Change.ADDED
        if self.wanted is None:
            return Change.REMOVED
        asked = self.wanted.recurrence
        is_same = (asked.rule, asked.timezone, self.wanted.parameters) == (
            self.found.rule,
            self.found.timezone,
            self.found.parameters,
        )
        return Change.SAME if is_same else Change.CHANGED

    def __str__(self) -> str:
        return f"{self.change}: {self.stage} {self.wave}: {'; '.join(self._told())}"

    def _told(self) -> Iterator[str]:
        old = _in_words(self.found.rule, self.found.timezone, self.found.parameters) if self.found else ""
        if self.wanted is None:
            yield f"was {old}"
            return
        asked = self.wanted.recurrence
        new = _in_words(asked.rule, asked.timezone, self.wanted.parameters)
        yield new if old in ("", new) else f"{old} → {new}"
        if self.change is not Change.SAME:
            coming = [f"{each.astimezone(ZoneInfo(asked.timezone)):%a %d %b %Y %H:%M}" for each in self.wanted.instants]
            yield f"next {', '.join(coming[:3])}{' …' if len(coming) > 3 else ''}"
        if self.found is not None and not self.found.is_active:
            yield "stays paused"


def timeline_of(campaign: Campaign, now: datetime) -> Timeline:
    """The schedules a campaign's file asks for.

    Args:
        now: waves whose times have all passed by then get none.
    """
    schedules, over = [], []
    for each in timetable(campaign):
        coming = tuple(instant for instant in each.instants if instant > now)
        if coming:
            schedules.append(WaveSchedule(campaign.key, each, coming))
        else:
            over.append(each)
    return Timeline(campaign.key, tuple(schedules), tuple(over))


def no_timeline(campaign: str) -> Timeline:
    """What is left of a campaign that is undeployed."""
    return Timeline(campaign, ())


def differences(timeline: Timeline, found: Sequence[Deployed]) -> list[Difference]:
    """What deploying a timeline would do, in the order of the file, and what it removes at the end.

    Args:
        found: what the server has; schedules of other campaigns are left alone.
    """
    mine = {(each.stage, each.slug): each for each in found if each.campaign == timeline.campaign}
    compared = [
        Difference(asked.stage, asked.wave, asked, mine.pop((asked.stage, asked.slug), None))
        for asked in timeline.schedules
    ]
    return compared + [Difference(each.stage, each.wave, found=each) for each in mine.values()]


def _in_words(rule: str, timezone: str, parameters: dict[str, Any]) -> str:
    ahead = ", the day before" if parameters.get("days_ahead") else ""
    return f"{rule_in_words(rule)} ({timezone}){ahead}"
