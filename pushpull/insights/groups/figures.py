"""What is shown of a group, and what is not: the last rule before a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Final, Self
from zoneinfo import ZoneInfo

from pushpull.insights.groups.blur import blurred, rounded
from pushpull.insights.small_numbers import FEWEST

#: So many times the fewest people whose engagement may be shown where everybody knows who they are, as in a team.
NAMED: Final = 2


class Measure(StrEnum):
    """What is counted of the people of a group."""

    REACHED = "reached"  # a message arrived
    STARTED = "started"  # opened something of the campaign
    ACTIVE = "active"  # was there in the week
    COMPLETED = "completed"  # completed all of it


#: How people learn rather than what came of it: not shown of small units, nor under an agreement with a works council.
ENGAGEMENT: Final = frozenset({Measure.STARTED, Measure.ACTIVE})


@dataclass(frozen=True, slots=True)
class Week:
    """A calendar week that is over, Monday to Sunday, in the organisation's zone.

    Args:
        begins: aware UTC.
        ends: the first instant after it.
    """

    begins: datetime
    ends: datetime

    @classmethod
    def last_before(cls, now: datetime, zone: str) -> Self:
        """The week before the one ``now`` is in: figures change once a week, for everybody at once."""
        own = ZoneInfo(zone)
        today = now.astimezone(own).date()
        monday = today - timedelta(days=today.weekday())
        begins, ends = (datetime.combine(day, time(), own).astimezone(UTC) for day in (monday - timedelta(7), monday))
        return cls(begins, ends)


@dataclass(frozen=True, slots=True)
class Rules:
    """What an installation decided about figures.

    Args:
        key: the secret of the blur: whoever knows it could take the blur away.
        fewest: people that any figure speaks of.
        works_council: an agreement holds by which engagement is not shown at all.

    Raises:
        ValueError: figures of fewer people than are ever shown.
    """

    key: bytes = field(repr=False)
    fewest: int = FEWEST
    works_council: bool = False

    def __post_init__(self) -> None:
        if self.fewest < FEWEST:
            raise ValueError(f"figures speak of {FEWEST} people or more, not of {self.fewest}")


@dataclass(frozen=True, slots=True)
class Tally:
    """Exact counts of some people; they leave this package only blurred.

    Args:
        people: how many.
        key: the sum of the people's own random draws: it tells one group of people from any other.
        counts: of each measure.
    """

    people: int = 0
    key: int = 0
    counts: Mapping[Measure, int] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Iterable[Tally]) -> Tally:
        """The sum of tallies of different people."""
        listed = list(parts)
        return cls(
            sum(each.people for each in listed),
            sum(each.key for each in listed),
            {measure: sum(each.counts.get(measure, 0) for each in listed) for measure in Measure},
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page says of a group.

    Args:
        people: about how many; None: too few to say anything of them.
        counts: about how many of them did it; None: not shown, too few did, or all but a few.
            A measure that is not there is not counted here at all.
    """

    people: int | None
    counts: Mapping[Measure, int | None]


def shown(tally: Tally, *, campaign: str, rules: Rules, is_named: bool) -> Shown:
    """What may be shown of a group.

    Args:
        tally: of its blocks.
        campaign: the campaign's key.
        is_named: the group is one that everybody knows the people of, such as a team.
    """
    measures = [each for each in Measure if not (rules.works_council and each in ENGAGEMENT)]
    fewest = rules.fewest
    if tally.people < fewest:
        return Shown(None, dict.fromkeys(measures))

    def about(what: str, count: int) -> int:
        return rounded(blurred(count, cell=f"{campaign}|{what}|{tally.people}|{tally.key}", key=rules.key))

    people = max(fewest, about("people", tally.people))
    counts: dict[Measure, int | None] = {}
    for measure in measures:
        count = about(measure, tally.counts.get(measure, 0))
        is_too_small = measure in ENGAGEMENT and is_named and tally.people < NAMED * fewest
        # By what would be shown, not by what is true: that a figure is missing must not tell more than the figure.
        counts[measure] = count if not is_too_small and fewest <= count <= people - fewest else None
    return Shown(people, counts)
