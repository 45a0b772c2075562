"""The forecast against what happened: an interval per figure, and a dot for the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pushpull.insights.report.drawing import BESIDE, Canvas, Ink, Table, chart, key
from pushpull.insights.report.gate import words_of
from pushpull.insights.report.markup import Html, join, number

#: So many times the forecast's middle is the end of the axis.
_FURTHEST = 3.0


@dataclass(frozen=True, slots=True)
class Expected:
    """One figure.

    Args:
        median, low, high: as the forecast had it, with its interval.
        actual: about what happened; None: not yet, or too few to be shown.
    """

    name: str
    median: float
    low: float
    high: float
    actual: int | None

    @property
    def is_inside(self) -> bool | None:
        """Whether what happened lies in the interval; None without it."""
        return None if self.actual is None else self.low <= self.actual <= self.high


def forecast_chart(listed: Sequence[Expected]) -> Html:
    """A row per figure."""
    known = [each for each in listed if each.is_inside is not None]
    inside = sum(1 for each in known if each.is_inside)
    says = f"{inside} of {len(known)} figures lie in their interval." if known else "Nothing to compare with yet."
    table = Table(
        ("Figure", "Forecast", "from", "to", "Happened"),
        [
            (each.name, number(each.median), number(each.low), number(each.high), words_of(each.actual))
            for each in listed
        ],
    )
    marks = key(("pale", "interval of the forecast"), ("push", "happened"), ("warn", "outside"))
    drawn = chart(
        lambda canvas: _draw(canvas, listed),
        title="Forecast and what happened",
        says=says,
        table=table,
        wide=46 + 40 * len(listed),
        narrow=46 + 52 * len(listed),
    )
    return join(marks, drawn)


def _draw(canvas: Canvas, listed: Sequence[Expected]) -> None:
    narrow = canvas.is_narrow
    axes = canvas.axes(left=12 if narrow else 200, right=18 if narrow else 150, bottom=30, top=10)

    def part(value: float, of: Expected) -> float:
        """Of the forecast's middle: so that hundreds of messages and tens of people share one axis."""
        return min(_FURTHEST, value / of.median) if of.median else 0.0

    ends = [part(value, each) for each in listed for value in (each.low, each.high, each.actual or each.median)]
    low, high = min(0.8, *ends), max(1.2, *ends)
    axes.set(xlim=(max(0.0, low - 0.06), high + 0.06), ylim=(len(listed) - 0.4, -0.6), yticks=[])
    axes.grid(axis="x", color=Ink.LINE, linewidth=1)
    axes.locator_params(axis="x", nbins=4 if narrow else 7)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.axvline(1, color=Ink.TEXT, linewidth=1.5)
    for row, each in enumerate(listed):
        y = row + (0.16 if narrow else 0)
        axes.plot([part(each.low, each), part(each.high, each)], [y, y], color=Ink.SOFT, linewidth=10, alpha=0.35,
                  solid_capstyle="round")  # fmt: skip
        if each.actual is not None:
            ink = Ink.PUSH if each.is_inside else Ink.WARN
            axes.plot([part(each.actual, each)], [y], marker="o" if each.is_inside else "D", markersize=11, color=ink,
                      markeredgecolor=Ink.CARD, markeredgewidth=2)  # fmt: skip
        by = (2, 8) if narrow else (-188, -4)
        canvas.say(axes, each.name, (0, row), by, within=BESIDE, is_over_lines=narrow)
        if not narrow:
            told = words_of(each.actual) if each.actual is not None else "–"
            canvas.say(axes, f"{told} of {number(each.median)}", (1, row), (18, -4), within=BESIDE)
