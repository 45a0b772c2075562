"""What a report prints of the funnel, the days and the departments: exact counts go in, printable ones come out.

Pure functions of counts and a gate, so that an attacker's view can be put to the test without a database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pushpull.insights.funnel import Funnel, Step, TouchMix
from pushpull.insights.report.chart_days import Period
from pushpull.insights.report.figures import Day, Department
from pushpull.insights.report.gate import Gate

#: Steps that say how people learn rather than what came of it.
ENGAGEMENT = frozenset({Step.CLICKED, Step.ACTIVATED, Step.STARTED, Step.CAME_BACK})


@dataclass(frozen=True, slots=True)
class PrintedStep:
    """One step; None: too few to be shown, or not shown by agreement.

    Args:
        dropped: between the printed counts, never the exact ones.
        besides: people who took the step but missed an earlier one.
    """

    step: Step
    count: int | None
    dropped: int | None
    besides: int | None


@dataclass(frozen=True, slots=True)
class PrintedFunnel:
    """The funnel as it is printed."""

    audience: int | None
    messages: int | None
    steps: tuple[PrintedStep, ...]

    def __getitem__(self, step: Step) -> PrintedStep:
        return self.steps[list(Step).index(step)]


@dataclass(frozen=True, slots=True)
class PrintedMix:
    """Push and pull of one stage; planned in percent."""

    stage: str
    push: int | None
    pull: int | None
    planned_push: int | None
    is_anything: bool

    @property
    def actual_push(self) -> float | None:
        """The share of push in percent, by what is printed."""
        sent = (self.push or 0) + (self.pull or 0)
        return 100 * (self.push or 0) / sent if sent else None


@dataclass(frozen=True, slots=True)
class PrintedDepartment:
    """One department; None is a number that is not shown."""

    name: str
    people: int | None
    activated: int | None
    completed: int | None


def printed_funnel(funnel: Funnel, gate: Gate) -> PrintedFunnel:
    """The funnel; no step is printed larger than the one before it."""
    audience = gate.people(funnel.audience, "audience")
    steps, before = [], audience
    for each in funnel.steps:
        pass_ = gate.engagement if each.step in ENGAGEMENT else gate.people
        count = pass_(each.count, f"funnel|{each.step.value}")
        if count is not None and before is not None:
            count = min(count, before)
        dropped = before - count if count is not None and before is not None else None
        steps.append(PrintedStep(each.step, count, dropped, pass_(each.besides, f"besides|{each.step.value}")))
        before = count if count is not None else before
    return PrintedFunnel(audience, gate.people(funnel.messages, "messages"), tuple(steps))


def printed_mix(mix: Sequence[TouchMix], gate: Gate) -> list[PrintedMix]:
    """Push and pull per stage."""
    return [
        PrintedMix(
            each.stage,
            gate.people(each.push, f"mix|{each.stage}|push"),
            gate.people(each.pull, f"mix|{each.stage}|pull"),
            each.planned_push,
            bool(each.push + each.pull),
        )
        for each in mix
    ]


def printed_periods(days: Sequence[Day], gate: Gate, *, is_weekly: bool) -> list[Period]:
    """Days or weeks."""
    kind = "week" if is_weekly else "day"
    return [
        Period(
            day.starts,
            gate.people(day.push, f"{kind}|{day.starts}|push"),
            gate.people(day.pull, f"{kind}|{day.starts}|pull"),
            gate.engagement(day.active, f"{kind}|{day.starts}|active"),
        )
        for day in days
    ]


def are_too_few(periods: Sequence[Period]) -> bool:
    """Whether so many days have nothing to show that weeks say more."""
    empty = sum(1 for each in periods if each.push is None and each.pull is None)
    return 2 * empty > len(periods) and len(periods) > 10


def printed_departments(departments: Sequence[Department], gate: Gate) -> list[PrintedDepartment]:
    """Departments; what one column hides cannot be had from another, nor from the totals."""
    people = gate.sizes({each.name: each.people for each in departments}, "department|people")
    engaged = gate.parts({each.name: each.activated for each in departments}, "department|activated", of=people)
    done = gate.parts({each.name: each.completed for each in departments}, "department|completed", of=people)
    return [
        PrintedDepartment(name, size, None if gate.rules.works_council else engaged[name], done[name])
        for name, size in people.items()
    ]
