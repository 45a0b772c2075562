"""Waves over time: messages of each day or week, push and pull, and the visits that came.

Nothing is drawn where there were too few. Where the numbers come from is not decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pushpull.insights.report.drawing import Canvas, Ink, Table, chart, key
from pushpull.insights.report.gate import words_of
from pushpull.insights.report.markup import Html, el, join, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Period:
    """A day, or a week.

    Args:
        starts: its first day.
        push, pull: messages accepted; None: none, or too few to be shown.
        visits: people who were there; None: nobody, or too few.
    """

    starts: date
    push: int | None
    pull: int | None
    visits: int | None


@dataclass(frozen=True, slots=True)
class Launch:
    """A wave that was sent once, worth a mark."""

    on: date
    name: str


def days_chart(periods: Sequence[Period], launches: Sequence[Launch], *, is_weekly: bool) -> Html:
    """Messages above, visits below, on one axis of time."""
    if not periods:
        return el("p", "Nothing has been sent yet.", class_="none")
    each = "week" if is_weekly else "day"
    sent = sum((period.push or 0) + (period.pull or 0) for period in periods)
    most = max(((period.visits or 0, period.starts) for period in periods), default=(0, periods[0].starts))
    says = f"Over {len(periods)} {each}s about {number(sent)} messages went out. "
    says += f"Most people, about {number(most[0])}, were there in the {each} of {most[1]:%d %B}." if most[0] else ""
    table = Table(
        (each.capitalize(), "Push messages", "Pull messages", "People there"),
        [
            (f"{period.starts:%a %d %b %Y}", words_of(period.push), words_of(period.pull), words_of(period.visits))
            for period in periods
        ],
    )
    marks = key(("push", "push messages"), ("pull", "pull messages"), ("visits", f"people there, per {each}"))
    drawn = chart(
        lambda canvas: _draw(canvas, periods, launches, is_weekly=is_weekly),
        title=f"Messages and visits per {each}",
        says=says,
        table=table,
        wide=330,
        narrow=300,
    )
    return join(marks, drawn)


def _draw(canvas: Canvas, periods: Sequence[Period], launches: Sequence[Launch], *, is_weekly: bool) -> None:
    places = range(len(periods))
    span = (-0.6, len(periods) - 0.4)
    left = 40 if canvas.is_narrow else 52
    upper = canvas.axes(left=left, bottom=canvas.height * 0.50, top=40)
    lower = canvas.axes(left=left, bottom=30, height=canvas.height * 0.34)
    wide = 0.76
    push = [period.push or 0 for period in periods]
    pull = [period.pull or 0 for period in periods]
    upper.bar(places, push, wide, color=Ink.PUSH, linewidth=0)
    upper.bar(places, pull, wide, bottom=push, color=Ink.PULL, linewidth=0)
    tallest = max([a + b for a, b in zip(push, pull, strict=True)] + [1])
    upper.set(xlim=span, ylim=(0, tallest * 1.05), xticks=[])
    visits = [period.visits or 0 for period in periods]
    lower.fill_between(places, visits, step="mid", color=Ink.GOOD, alpha=0.22, linewidth=0)
    lower.step(places, visits, where="mid", color=Ink.GOOD, linewidth=2)
    lower.set(xlim=span, ylim=(0, max([*visits, 1]) * 1.12))
    for axes in (upper, lower):
        axes.grid(axis="y", color=Ink.LINE, linewidth=1)
        axes.locator_params(axis="y", nbins=3, integer=True)
    ticks = [place for place, period in enumerate(periods) if is_weekly or period.starts.weekday() == 0] or [0]
    every = max(1, round(len(ticks) / (4 if canvas.is_narrow else 9)))
    lower.set_xticks(ticks[::every], [f"{periods[place].starts:%d %b}" for place in ticks[::every]])
    _launches(canvas, upper, periods, launches, tallest)


def _day_of(launch: Launch) -> date:
    return launch.on


def _launches(
    canvas: Canvas, axes: Axes, periods: Sequence[Period], launches: Sequence[Launch], tallest: float
) -> None:
    """Names of single waves, each above its bar, as far as they have room."""
    room = (axes.get_position().width * canvas.width) / (len(periods) + 0.2)  # pixels from one period to the next
    free_from = -1.0
    for launch in sorted(launches, key=_day_of):
        place = max((n for n, period in enumerate(periods) if period.starts <= launch.on), default=None)
        if place is None:
            continue
        # Half a size is what a letter takes on average; a little more is safe in any font.
        wide, at = 0.58 * canvas.small * len(launch.name), place * room
        whole = len(periods) * room
        align = "left" if at < wide / 2 else "right" if at + wide / 2 > whole else "center"
        begins = at - {"left": 0.0, "center": wide / 2, "right": wide}[align]
        if begins < free_from:
            continue
        free_from = begins + wide + 10
        axes.plot([place, place], [0, tallest * 1.08], color=Ink.SOFT, linewidth=1, dashes=(2, 3), clip_on=False)
        canvas.say(axes, launch.name, (place, tallest * 1.08), (0, 5), ink=Ink.SOFT, size=canvas.small, align=align)
