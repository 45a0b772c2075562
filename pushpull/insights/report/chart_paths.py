"""Engagement paths: how much likelier those who took a first step were to learn later. A correlation, and called so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from pushpull.insights.report.drawing import ABOVE, BESIDE, Canvas, Ink, Table, chart
from pushpull.insights.report.gate import words_of
from pushpull.insights.report.markup import Html


@dataclass(frozen=True, slots=True)
class Path:
    """One first step.

    Args:
        people: about how many took it.
        lift: how many times as likely they were to learn later as comparable people who did not take it.
        low, high: its 95 % interval.
    """

    words: str
    people: int | None
    lift: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves "no difference" out."""
        return self.low > 1 or self.high < 1


def paths_chart(paths: Sequence[Path]) -> Html:
    """A row per step on an axis that doubles."""
    ordered = sorted(paths, key=lambda each: -each.lift)
    says = "; ".join(
        f"{each.words}: {_times(each.lift)} ({_times(each.low)} to {_times(each.high)})" for each in ordered
    )
    table = Table(
        ("First step", "People", "Lift", "95 % from", "to"),
        [
            (each.words, words_of(each.people), _times(each.lift), _times(each.low), _times(each.high))
            for each in ordered
        ],
    )
    return chart(
        lambda canvas: _draw(canvas, ordered),
        title="Who learned later, against people who did not take the step (a correlation)",
        says=says + ".",
        table=table,
        wide=64 + 44 * len(ordered),
        narrow=64 + 58 * len(ordered),
    )


def _times(value: float) -> str:
    return f"×{value:.1f}"


def _draw(canvas: Canvas, paths: Sequence[Path]) -> None:
    narrow = canvas.is_narrow
    axes = canvas.axes(left=12 if narrow else 250, right=16 if narrow else 90, bottom=32, top=26)
    least, most = min(0.75, *(each.low for each in paths)), max(1.5, *(each.high for each in paths))
    least, most = max(least, 1 / 16), min(most, 32.0)
    axes.set_xscale("log", base=2)
    axes.set(xlim=(least / 1.12, most * 1.12), ylim=(len(paths) - 0.4, -0.6), yticks=[])
    axes.minorticks_off()
    doublings = [
        2.0**n for n in range(int(log2(least)) - 1, int(log2(most)) + 2) if least / 1.12 <= 2.0**n <= most * 1.12
    ]
    axes.set_xticks(doublings, [f"×{each:g}" for each in doublings])
    axes.grid(axis="x", color=Ink.LINE, linewidth=1)
    axes.axvline(1, color=Ink.TEXT, linewidth=1.5)
    canvas.say(axes, "no difference", (1, 1), (0, 7), within=ABOVE, ink=Ink.SOFT, size=canvas.small, align="center")
    for row, each in enumerate(paths):
        ink = Ink.PUSH if each.is_clear else Ink.SOFT
        y = row + (0.14 if narrow else 0)
        ends = [max(each.low, least), min(each.high, most)]
        axes.plot(ends, [y, y], color=ink, linewidth=8, alpha=0.28, solid_capstyle="round")
        axes.plot([each.lift], [y], marker="o", markersize=11, color=ink, markeredgecolor=Ink.CARD, markeredgewidth=2)
        by = (2, 9) if narrow else (-238, -4)
        canvas.say(axes, each.words, (0, row), by, within=BESIDE, is_bold=each.is_clear, is_over_lines=narrow)
        if not narrow:
            canvas.say(axes, _times(each.lift), (1, row), (20, -4), within=BESIDE, is_bold=each.is_clear)
