"""Uplift with its intervals: a forest plot, one row per way of looking at the same comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pushpull.insights.report.drawing import ABOVE, BESIDE, Canvas, Ink, Table, chart
from pushpull.insights.report.gate import Effect, signed
from pushpull.insights.report.markup import Html


@dataclass(frozen=True, slots=True)
class Estimate:
    """One row.

    Args:
        name: which look, e.g. "adjusted".
        words: what it takes into account.
    """

    name: str
    words: str
    effect: Effect


def effect_chart(estimates: Sequence[Estimate], *, outcome: str) -> Html:
    """A row per estimate; the interval as a bar, zero as a line.

    Args:
        outcome: what is compared, e.g. "completed".
    """
    says = "; ".join(f"{each.name}: {each.effect}" for each in estimates) + "."
    table = Table(
        ("Estimate", "Points", "95 % from", "to"),
        [
            (
                f"{each.name}, {each.words}",
                signed(each.effect.points),
                signed(each.effect.low),
                signed(each.effect.high),
            )
            for each in estimates
        ],
    )
    return chart(
        lambda canvas: _draw(canvas, estimates),
        title=f"How many more {outcome}, in percentage points",
        says=says,
        table=table,
        wide=70 + 58 * len(estimates),
        narrow=60 + 78 * len(estimates),
    )


def _draw(canvas: Canvas, estimates: Sequence[Estimate]) -> None:
    narrow = canvas.is_narrow
    axes = canvas.axes(left=14 if narrow else 230, right=14 if narrow else 190, bottom=34, top=26)
    low, high = min(0, *(each.effect.low for each in estimates)), max(0, *(each.effect.high for each in estimates))
    room = max(4.0, (high - low) * 0.08)
    axes.set(xlim=(low - room, high + room), ylim=(len(estimates) - 0.45, -0.55), yticks=[])
    axes.grid(axis="x", color=Ink.LINE, linewidth=1)
    axes.locator_params(axis="x", nbins=5 if narrow else 8, integer=True)
    axes.xaxis.set_major_formatter(lambda value, _: signed(value))
    axes.axvspan(low - room, 0, color=Ink.PALE, alpha=0.55, linewidth=0)
    axes.axvline(0, color=Ink.TEXT, linewidth=1.5)
    canvas.say(axes, "no difference", (0, 1), (0, 7), within=ABOVE, ink=Ink.SOFT, size=canvas.small, align="center")
    for row, each in enumerate(estimates):
        effect, ink = each.effect, Ink.PUSH if each.effect.is_clear else Ink.SOFT
        axes.plot([effect.low, effect.high], [row, row], color=ink, linewidth=9, alpha=0.28, solid_capstyle="round")
        axes.plot([effect.low, effect.high], [row, row], color=ink, linewidth=1.5)
        axes.plot([effect.points], [row], marker="o", markersize=12, color=ink, markeredgecolor=Ink.CARD,
                  markeredgewidth=2)  # fmt: skip
        points, between = signed(effect.points), f"{signed(effect.low)} to {signed(effect.high)}"
        if narrow:
            canvas.say(axes, each.name, (0, row), (2, 17), within=BESIDE, is_bold=True, is_over_lines=True)
            both = f"{points}  ({between})"
            canvas.say(axes, both, (1, row), (-2, 17), within=BESIDE, align="right", is_over_lines=True)
            continue
        canvas.say(axes, each.name, (0, row), (-216, 3), within=BESIDE, size=14.5, is_bold=True)
        canvas.say(axes, each.words, (0, row), (-216, -14), within=BESIDE, ink=Ink.SOFT, size=canvas.small)
        canvas.say(axes, f"{points} points", (1, row), (22, 3), within=BESIDE, size=14.5, is_bold=True)
        canvas.say(axes, between, (1, row), (22, -14), within=BESIDE, ink=Ink.SOFT, size=canvas.small)


def verdict_chart(estimate: Estimate) -> Html:
    """One estimate alone, large."""
    effect = estimate.effect
    return chart(
        lambda canvas: _draw_one(canvas, effect),
        title="The effect and its 95 % interval, in percentage points",
        says=f"{effect}.",
        table=Table(
            ("Effect", "Points", "95 % from", "to"),
            [(estimate.words, signed(effect.points), signed(effect.low), signed(effect.high))],
        ),
        wide=120,
        narrow=92,
        width=460,
    )


def _draw_one(canvas: Canvas, effect: Effect) -> None:
    axes = canvas.axes(left=14, right=14, bottom=26, top=24)
    low, high = min(0, effect.low), max(0, effect.high)
    room = max(3.0, (high - low) * 0.08)
    ink = Ink.PUSH if effect.is_clear else Ink.SOFT
    axes.set(xlim=(low - room, high + room), ylim=(-1, 1), yticks=[])
    axes.locator_params(axis="x", nbins=7, integer=True)
    axes.xaxis.set_major_formatter(lambda value, _: signed(value))
    axes.axvspan(low - room, 0, color=Ink.PALE, linewidth=0)
    axes.axvline(0, color=Ink.TEXT, linewidth=1.5)
    canvas.say(axes, "no difference", (0, 1), (0, 6), within=ABOVE, ink=Ink.SOFT, size=canvas.small, align="center")
    axes.plot([effect.low, effect.high], [0, 0], color=ink, linewidth=18, alpha=0.28, solid_capstyle="round")
    axes.plot([effect.points], [0], marker="o", markersize=18, color=ink, markeredgecolor=Ink.CARD, markeredgewidth=3)
