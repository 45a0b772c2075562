"""The pull share by week: of all visits, those that no message caused, with how hard the campaign pushed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pushpull.insights.report.drawing import Canvas, Ink, Table, chart
from pushpull.insights.report.markup import Html, percent


@dataclass(frozen=True, slots=True)
class Week:
    """One week.

    Args:
        starts: its Monday.
        share: of visits that no message caused; None: too few to be shown.
        low, high: its 95 % interval.
        rung: how hard the campaign pushed, as people call it.
        rung_number: 0 is the plan as written, 1 and 2 push less.
    """

    starts: date
    share: float | None
    low: float
    high: float
    rung: str
    rung_number: int


def pull_chart(weeks: Sequence[Week]) -> Html:
    """The share as a line in its interval, the rungs as steps below."""
    told = [each for each in weeks if each.share is not None]
    last = told[-1] if told else None
    says = f"In the week of {last.starts:%d %B} {percent(last.share)} of the visits came unasked." if last else ""
    table = Table(
        ("Week", "Unasked", "95 % from", "to", "Push"),
        [
            (f"{each.starts:%d %b %Y}", percent(each.share), *(
                (percent(each.low), percent(each.high)) if each.share is not None else ("–", "–")), each.rung)
            for each in weeks
        ],
    )  # fmt: skip
    return chart(
        lambda canvas: _draw(canvas, weeks),
        title="Visits that no message caused, per week",
        says=says,
        table=table,
        wide=300,
        narrow=280,
    )


def _draw(canvas: Canvas, weeks: Sequence[Week]) -> None:
    narrow = canvas.is_narrow
    left = 46 if narrow else 60
    right = 16 if narrow else 24
    upper = canvas.axes(left=left, bottom=96, right=right, top=14)
    lower = canvas.axes(left=left, bottom=32, right=right, height=44)
    span = (-0.5, len(weeks) - 0.5)
    seen = [(place, each, each.share) for place, each in enumerate(weeks) if each.share is not None]
    places = [place for place, _, _ in seen]
    upper.fill_between(places, [each.low for _, each, _ in seen], [each.high for _, each, _ in seen], color=Ink.PULL,
                       alpha=0.22, linewidth=0)  # fmt: skip
    upper.plot(places, [share for _, _, share in seen], color=Ink.PULL, linewidth=3, marker="o", markersize=9,
               markeredgecolor=Ink.CARD, markeredgewidth=1.5, clip_on=False)  # fmt: skip
    for place, _, share in seen:
        if not narrow or place in (places[0], places[-1]):
            canvas.say(upper, f"{100 * share:.0f} %", (place, share), (0, 11), is_bold=True, align="center")
    upper.set(xlim=span, ylim=(0, 1), xticks=[])
    upper.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    upper.grid(axis="y", color=Ink.LINE, linewidth=1)
    for place, each in enumerate(weeks):
        strong = (0.85, 0.5, 0.22)[each.rung_number]
        lower.bar([place], [1], 0.94, color=Ink.PUSH, alpha=strong, linewidth=0)
        if place == 0 or weeks[place - 1].rung != each.rung:
            ink = Ink.CARD if each.rung_number == 0 else Ink.TEXT
            canvas.say(lower, each.rung, (place - 0.4, 0.36), ink=ink, size=canvas.small, is_bold=True)
    lower.set(xlim=span, ylim=(0, 1))
    lower.set_yticks([0.5], ["push"])
    every = max(1, round(len(weeks) / (4 if narrow else 9)))
    lower.set_xticks(range(0, len(weeks), every), [f"{each.starts:%d %b}" for each in weeks[::every]])
