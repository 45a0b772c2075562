"""How use is spread over the catalogue: the Lorenz curve.

Source: M. O. Lorenz, "Methods of measuring the concentration of wealth", 1905.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pushpull.insights.report.drawing import Canvas, Ink, Table, chart
from pushpull.insights.report.markup import Html, percent


@dataclass(frozen=True, slots=True)
class Spread:
    """How use is spread.

    Args:
        curve: share of items, least used first, and the share of all starts they have; from (0, 0) to (1, 1).
        gini: 0, all used alike, to nearly 1.
        top_share: the share of all starts that the most used fifth has.
    """

    curve: Sequence[tuple[float, float]]
    gini: float
    top_share: float


def spread_chart(spread: Spread) -> Html:
    """The curve under the line of equal use."""
    says = (
        f"The most used fifth of the items has {percent(spread.top_share)} of all starts; Gini {spread.gini:.2f}, "
        "where 0 is all used alike and 1 is one item with everything."
    )
    step = max(1, len(spread.curve) // 10)
    points = [*spread.curve[:-1][::step], spread.curve[-1]]
    table = Table(
        ("Items, least used first", "Share of starts"),
        [(percent(items), percent(starts)) for items, starts in points],
    )
    return chart(
        lambda canvas: _draw(canvas, spread),
        title="How starts are spread over the catalogue",
        says=says,
        table=table,
        wide=380,
        narrow=330,
    )


def _draw(canvas: Canvas, spread: Spread) -> None:
    narrow = canvas.is_narrow
    axes = canvas.axes(left=48, right=16 if narrow else 250, bottom=50, top=14)
    items, starts = zip(*spread.curve, strict=True)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "20", "40", "60", "80", "100 %"])
    axes.set_yticks([0.25, 0.5, 0.75, 1], ["25 %", "50 %", "75 %", "100 %"])
    axes.grid(color=Ink.LINE, linewidth=1)
    axes.fill_between(items, items, starts, color=Ink.PUSH, alpha=0.14, linewidth=0)
    axes.plot([0, 1], [0, 1], color=Ink.SOFT, linewidth=1.5, dashes=(4, 4), clip_on=False)
    axes.plot(items, starts, color=Ink.PUSH, linewidth=3, solid_joinstyle="round", clip_on=False)
    axes.set_xlabel("share of items, least used first", color=Ink.SOFT, size=canvas.small, labelpad=6)
    canvas.say(axes, "all used alike", (0.42, 0.42), (-10, 8), ink=Ink.SOFT, size=canvas.small, align="right")
    at = 1 - spread.top_share
    axes.plot([0.8, 0.8], [at, 1], color=Ink.WARN, linewidth=2, clip_on=False)
    axes.plot([0.8], [at], marker="o", markersize=11, color=Ink.WARN, markeredgecolor=Ink.CARD, markeredgewidth=2)
    share, gini = f"{100 * spread.top_share:.0f} %", f"{spread.gini:.2f}"
    if narrow:
        canvas.say(axes, f"Gini {gini}", (0.05, 0.9), size=16, is_bold=True)
        canvas.say(axes, f"top fifth: {share}", (0.05, 0.81), ink=Ink.WARN)
        return
    inside = ("axes fraction", "axes fraction")
    canvas.say(axes, share, (1, 0.86), (36, 0), within=inside, ink=Ink.WARN, size=40, is_bold=True)
    of_starts = "of all starts go to the\nmost used fifth of the items"
    canvas.say(axes, of_starts, (1, 0.71), (38, 0), within=inside, ink=Ink.SOFT)
    canvas.say(axes, gini, (1, 0.38), (36, 0), within=inside, size=40, is_bold=True)
    of_gini = "Gini: 0 is all alike,\n1 is one item with all"
    canvas.say(axes, of_gini, (1, 0.23), (38, 0), within=inside, ink=Ink.SOFT)
