"""The drop-off map: of every section, how many leave against how many its kind and place would make one expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pushpull.insights.report.drawing import BESIDE, Canvas, Ink, Table, chart, key
from pushpull.insights.report.markup import Html, join, percent

#: Sections that fit a page; the others are in the table.
_MOST = 14


@dataclass(frozen=True, slots=True)
class Section:
    """One section.

    Args:
        left: share of visits that ended there.
        expected: the share its kind and place would explain.
        low, high: the 95 % interval of ``left``.
        is_flagged: more leave than chance explains.
        proposal: what to do about it; empty: nothing.
    """

    title: str
    left: float
    expected: float
    low: float
    high: float
    is_flagged: bool
    proposal: str = ""


def sections_chart(sections: Sequence[Section]) -> Html:
    """A row per section in its order; flagged ones are named and marked."""
    seen = _most_telling(sections)
    flagged = [each for each in sections if each.is_flagged]
    says = (
        "More people leave than expected from " + "; ".join(each.title for each in flagged) + "."
        if flagged
        else "No section loses more people than its place explains."
    )
    table = Table(
        ("Section", "Leave", "95 % from", "to", "Expected", "Flagged"),
        [
            (each.title, percent(each.left), percent(each.low), percent(each.high), percent(each.expected),
             "yes" if each.is_flagged else "no")
            for each in sections
        ],
    )  # fmt: skip
    marks = key(("push", "leave here"), ("warn", "more than chance explains"), ("tick", "expected"))
    drawn = chart(
        lambda canvas: _draw(canvas, seen),
        title="Where people leave",
        says=says,
        table=table,
        wide=50 + 34 * len(seen),
        narrow=50 + 46 * len(seen),
    )
    return join(marks, drawn)


def _most_telling(sections: Sequence[Section]) -> list[Section]:
    if len(sections) <= _MOST:
        return list(sections)
    order = sorted(
        range(len(sections)), key=lambda n: (not sections[n].is_flagged, sections[n].expected - sections[n].left)
    )
    return [sections[n] for n in sorted(order[:_MOST])]


def _draw(canvas: Canvas, sections: Sequence[Section]) -> None:
    narrow = canvas.is_narrow
    axes = canvas.axes(left=12 if narrow else 260, right=16 if narrow else 70, bottom=30, top=14)
    furthest = max([each.high for each in sections] + [each.expected for each in sections] + [0.05])
    axes.set(xlim=(0, min(1.0, furthest) * 1.03), ylim=(len(sections) - 0.4, -0.6), yticks=[])
    axes.grid(axis="x", color=Ink.LINE, linewidth=1)
    axes.locator_params(axis="x", nbins=4 if narrow else 7)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    for row, each in enumerate(sections):
        ink = Ink.WARN if each.is_flagged else Ink.PUSH
        y = row + (0.16 if narrow else 0)
        if each.is_flagged:
            axes.axhspan(row - 0.46, row + 0.46, color=Ink.WARN, alpha=0.10, linewidth=0)
        axes.plot([each.low, each.high], [y, y], color=ink, linewidth=7, alpha=0.28, solid_capstyle="round")
        axes.plot([each.expected, each.left], [y, y], color=ink, linewidth=1.5)
        axes.plot([each.expected] * 2, [y - 0.2, y + 0.2], color=Ink.TEXT, linewidth=2.5)
        axes.plot([each.left], [y], marker="D" if each.is_flagged else "o", markersize=10 if each.is_flagged else 9,
                  color=ink, markeredgecolor=Ink.CARD, markeredgewidth=1.5)  # fmt: skip
        ink = Ink.WARN if each.is_flagged else Ink.TEXT
        if narrow:
            canvas.say(axes, _cut(each.title, 40), (0, row), (2, 9), within=BESIDE, ink=ink, is_bold=each.is_flagged,
                       is_over_lines=not each.is_flagged)  # fmt: skip
            continue
        canvas.say(axes, _cut(each.title, 34), (0, row), (-246, -4), within=BESIDE, ink=ink, is_bold=each.is_flagged)
        canvas.say(axes, f"{100 * each.left:.0f} %", (1, row), (14, -4), within=BESIDE, is_bold=each.is_flagged)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
