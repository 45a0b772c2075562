"""Charts by matplotlib as SVG inside a page: no script, no style attribute, nothing from elsewhere.

A chart is drawn in *roles* instead of colours. The roles are stand-in colours here and become classes in the page, so
that the page's style sheet decides what they look like: in light, in dark and on paper. Text stays text. What is drawn
is the same, byte by byte, whenever and wherever it is drawn.

What a chart shows lives in the modules beside (``chart_*.py``); how a page is put together in :mod:`.page`.
"""

from __future__ import annotations

import io
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from pushpull.insights.report.markup import Child, Html, el, join

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Ink(StrEnum):
    """What a stroke, an area or a word is for; the value is the colour that stands in for it."""

    TEXT = "#010101"
    SOFT = "#020202"
    LINE = "#030303"
    PUSH = "#040404"  # and the treated side, and what is measured
    PULL = "#050505"
    PALE = "#060606"  # areas behind
    WARN = "#070707"  # what needs a look
    CARD = "#080808"  # the ground
    GOOD = "#090909"


#: Units of a drawing are pixels of a page at its natural size.
WIDE: Final = 860
NARROW: Final = 340
_PER_INCH: Final = 72
#: Beside a row of a chart: across in fractions of the axes, up in rows.
BESIDE: Final = ("axes fraction", "data")
#: Above a value on the axis across.
ABOVE: Final = ("data", "axes fraction")
_CLASSES: Final = {ink.value: ink.name.lower() for ink in Ink}
_KEPT: Final = frozenset(
    {"font-size", "font-weight", "text-anchor", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity",
     "fill-opacity", "stroke-opacity"}
)  # fmt: skip
_SHAPES: Final = frozenset({"path", "circle", "rect", "line"})
_NUMBER: Final = re.compile(r"-?\d+\.\d+")
_SPACE: Final = re.compile(r"\s+")
_ONE_AT_A_TIME: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a chart is drawn on.

    Args:
        figure: matplotlib's.
        width, height: pixels.
        is_narrow: for a telephone: fewer words, all in one column.
    """

    figure: Figure
    width: int
    height: int
    is_narrow: bool

    def axes(self, *, left: float, bottom: float, right: float = 12, top: float = 12, height: float = 0) -> Axes:
        """Axes without a frame, placed by their margins.

        Args:
            left, bottom, right, top: pixels.
            height: pixels; 0: all that the margins leave, else measured from the bottom.
        """
        tall = height or self.height - bottom - top
        box = (left / self.width, bottom / self.height, (self.width - left - right) / self.width, tall / self.height)
        found = self.figure.add_axes(box)
        found.set_facecolor("none")
        for spine in found.spines.values():
            spine.set_visible(False)
        found.tick_params(length=0, pad=6, labelsize=self.small, labelcolor=Ink.SOFT)
        found.set_axisbelow(True)
        return found

    def say(
        self,
        axes: Axes,
        text: str,
        at: tuple[float, float],
        by: tuple[float, float] = (0, 0),
        *,
        within: tuple[str, str] = ("data", "data"),
        ink: Ink = Ink.TEXT,
        size: float = 0,
        is_bold: bool = False,
        align: str = "left",
        is_over_lines: bool = False,
    ) -> None:
        """Words on a chart.

        Args:
            at: the place they belong to, in the units of ``within``.
            by: pixels to the right of it and above it.
            within: for across and up: ``data``, or ``axes fraction``.
            size: pixels; 0: as labels have.
            is_over_lines: lines run behind the words, and are to be dimmed there.
        """
        ground = (
            {"facecolor": Ink.CARD.value, "edgecolor": "none", "pad": 1.5, "alpha": 0.85} if is_over_lines else None
        )
        axes.annotate(
            text,
            at,
            by,
            xycoords=within,
            textcoords="offset points",
            annotation_clip=False,
            color=ink,
            size=size or self.text,
            weight="bold" if is_bold else "normal",
            ha=align,
            bbox=ground,
        )

    @property
    def text(self) -> float:
        """The size of labels, in pixels."""
        return 12.5 if self.is_narrow else 13.5

    @property
    def small(self) -> float:
        """The size of ticks and notes, in pixels."""
        return 11.5 if self.is_narrow else 12.5


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers of a chart as text.

    Args:
        head: of the columns; the first names the rows.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Child]]


def chart(
    draw: Callable[[Canvas], None],
    *,
    title: str,
    says: str,
    table: Table,
    wide: int,
    narrow: int | None = None,
    width: int = WIDE,
) -> Html:
    """A chart in both widths, and its numbers as a table that opens.

    Args:
        draw: draws on a canvas, whichever width it has.
        title: what the chart shows.
        says: what it says, in a sentence or two: for those who do not see it.
        wide, narrow: its heights in pixels.
        width: of the wide one.
    """
    drawings = [
        _drawing(draw, width, wide, title=title, says=says, is_narrow=False),
        _drawing(draw, NARROW, narrow or wide, title=title, says=says, is_narrow=True),
    ]
    return el("figure", *drawings, _as_text(table, title), class_="chart")


def _as_text(table: Table, title: str) -> Html:
    head = [el("th", label, scope="col", class_=None if place == 0 else "n") for place, label in enumerate(table.head)]
    rows = [
        el("tr", el("th", first, scope="row"), *(el("td", cell, class_="n") for cell in rest))
        for first, *rest in table.rows
    ]
    numbers = el("table", el("thead", el("tr", *head)), el("tbody", *rows))
    box = el("div", numbers, class_="scroll", tabindex=0, role="region", aria_label=title)
    return el("details", el("summary", "The numbers"), box, class_="numbers")


def _drawing(
    draw: Callable[[Canvas], None], width: int, height: int, *, title: str, says: str, is_narrow: bool
) -> Html:
    with _plain_matplotlib():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width / _PER_INCH, height / _PER_INCH), dpi=_PER_INCH)
        figure.patch.set_visible(False)
        draw(Canvas(figure, width, height, is_narrow))
        written = io.BytesIO()
        figure.savefig(written, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    tree = ElementTree.fromstring(written.getvalue())  # noqa: S314 - what matplotlib wrote just now
    return el(
        "svg",
        el("title", title),
        el("desc", says),
        *_shapes(tree),
        viewBox=f"0 0 {width} {height}",
        role="img",
        class_="plot narrow" if is_narrow else "plot wide",
    )


@contextmanager
def _plain_matplotlib() -> Iterator[None]:
    """Matplotlib's own defaults, whatever the machine's file says: text as text, and the same names each time."""
    import matplotlib

    log = logging.getLogger("matplotlib.font_manager")
    with _ONE_AT_A_TIME, matplotlib.rc_context():  # its settings are everybody's
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "pushpull"})
        level = log.level
        log.setLevel(logging.ERROR)  # the page's font is the reader's; matplotlib only measures with its own
        try:
            yield
        finally:
            log.setLevel(level)


def _shapes(tree: ElementTree.Element) -> Iterator[Html]:
    """The drawn elements of an SVG in order, marks put where they are used, everything else left out."""
    marks = {each.get("id", ""): each for each in tree.iter() if _name(each) == "path" and each.get("id")}
    inside = {id(path) for defs in tree.iter() if _name(defs) == "defs" for path in defs.iter()}
    for each in tree.iter():
        if id(each) in inside:
            continue
        match _name(each):
            case "text":
                yield _text(each)
            case "use":
                where = f"translate({_short(each.get('x', '0'))} {_short(each.get('y', '0'))})"
                mark = marks[each.get("{http://www.w3.org/1999/xlink}href", "").lstrip("#")]
                yield _shape("path", {"d": mark.get("d", ""), "transform": where}, _style(each) or _style(mark))
            case shape if shape in _SHAPES:
                kept = {key: value for key, value in each.attrib.items() if key in ("d", "transform", "x", "y")}
                yield _shape(shape, kept, _style(each))


def _text(each: ElementTree.Element) -> Html:
    style = _style(each)
    style.setdefault("fill", Ink.TEXT.value)
    where = {key: each.get(key, "") for key in ("x", "y", "transform") if each.get(key)}
    if " rotate(-0)" in where.get("transform", "") or "rotate(-0 " in where.get("transform", ""):
        where["transform"] = re.sub(r" ?rotate\(-0[^)]*\)", "", where["transform"])
    return el("text", "".join(each.itertext()), **_attributes(where, style))


def _shape(shape: str, where: Mapping[str, str], style: Mapping[str, str]) -> Html:
    return el(shape, **_attributes(where, style))


def _attributes(where: Mapping[str, str], style: Mapping[str, str]) -> dict[str, str | int | float | bool | None]:
    roles = [
        f"{kind}-{'none' if style[kind] == 'none' else _CLASSES[style[kind]]}"
        for kind in ("fill", "stroke")
        if kind in style
    ]
    found: dict[str, str | int | float | bool | None] = {
        key: _short(_SPACE.sub(" ", value.strip())) for key, value in where.items() if value
    }
    found |= {key: value.removesuffix("px") for key, value in style.items() if key in _KEPT}
    return found | {"class_": " ".join(roles) or None}


def _style(each: ElementTree.Element) -> dict[str, str]:
    pairs = (part.partition(":") for part in (each.get("style") or "").split(";") if ":" in part)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _short(numbers: str) -> str:
    return _NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), numbers)


def _name(each: ElementTree.Element) -> str:
    return str(each.tag).rpartition("}")[2]


def key(*entries: tuple[str, str]) -> Html:
    """What marks mean, above a chart: class of the mark, words."""
    return el("p", join(*(el("span", el("i", class_=f"key {mark}"), words) for mark, words in entries)), class_="keys")
