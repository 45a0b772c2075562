"""Charts without scripts: bars in HTML and SVG whose numbers can be read as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pushpull.insights.funnel import Comparison, Funnel, Step, TouchMix
from pushpull.insights.proportions import Proportion
from pushpull.insights.report.figures import Day
from pushpull.insights.report.markup import Html, el, join, number, percent

STEP_WORDS = {
    Step.ELIGIBLE: ("Eligible", "on the treated side"),
    Step.REACHED: ("Reached", "a message arrived"),
    Step.CLICKED: ("Clicked", "followed a link"),
    Step.ACTIVATED: ("Activated", "opened an item"),
    Step.STARTED: ("Started", "learned something"),
    Step.CAME_BACK: ("Came back", "on a second day"),
    Step.COMPLETED: ("Completed", "all items"),
}


def funnel_chart(funnel: Funnel) -> Html:
    """A bar per step; beside it the drop from the step before and those who came another way."""
    widest = max(funnel.audience, 1)
    bars = [_bar("Audience", "in some wave", funnel.audience, widest, funnel.audience, note=None, tone="audience")]
    for each in funnel.steps:
        label, words = STEP_WORDS[each.step]
        lost = f"−{number(each.dropped)}" if each.dropped else None
        besides = f"+{number(each.besides)} another way" if each.besides else None
        note = " · ".join(text for text in (lost, besides) if text) or None
        bars.append(_bar(label, words, each.count, widest, funnel.audience, note=note, tone=each.step.value))
    return el("ol", *bars, class_="funnel")


def _bar(label: str, words: str, count: int, widest: int, audience: int, *, note: str | None, tone: str) -> Html:
    width = f"{100 * count / widest:.2f}%"
    share = percent(count / audience) if audience else ""
    return el(
        "li",
        el("span", el("b", label), el("small", words), class_="what"),
        el("span", el("span", class_="fill", style=f"width:{width}"), class_="track", aria_hidden="true"),
        el("span", el("b", number(count)), el("small", share), class_="count"),
        el("span", note, class_="drop") if note else el("span", class_="drop"),
        class_=f"step {tone}",
    )


def day_chart(days: Sequence[Day]) -> Html:
    """Messages sent per day above the line, learners who were there below it."""
    width, height, middle = 720, 190, 104
    step = width / max(len(days), 1)
    most_sent, most_active = (
        max((day.messages for day in days), default=0),
        max((day.active for day in days), default=0),
    )
    shapes: list[Html] = []
    for place, day in enumerate(days):
        x, bar = place * step + step * 0.14, step * 0.72
        up = 88 * day.messages / most_sent if most_sent else 0
        down = 62 * day.active / most_active if most_active else 0
        tip = el("title", f"{day.day}: {day.messages} messages, {day.active} learners active")
        sent = el("rect", x=_n(x), y=_n(middle - up), width=_n(bar), height=_n(up), rx=2, class_="sent")
        active = el("rect", x=_n(x), y=middle + 2, width=_n(bar), height=_n(down), rx=2, class_="active")
        shapes.append(el("g", tip, sent, active))
        if date.fromisoformat(day.day).weekday() == 0:
            text = f"{date.fromisoformat(day.day):%d %b}"
            shapes.append(el("text", text, x=_n(max(18.0, place * step + step / 2)), y=height - 4, class_="tick"))
    return el(
        "svg",
        el("title", "Messages sent and learners active, per day"),
        el(
            "desc",
            f"Over {len(days)} days {sum(day.messages for day in days)} messages were sent, at most {most_sent} a day; "
            f"at most {most_active} learners were active on one day.",
        ),
        el("line", x1=0, x2=width, y1=middle + 1, y2=middle + 1, class_="axis"),
        *shapes,
        viewBox=f"0 0 {width} {height}",
        role="img",
        class_="days",
    )


def comparison_chart(comparison: Comparison) -> Html:
    """Completion of both groups, with the 95 % interval of each."""
    rows = [
        _whisker("Got messages", comparison.treated, 0, "treated"),
        _whisker("Held out", comparison.holdout, 1, "holdout"),
    ]
    ticks = [
        join(
            el("line", x1=_n(130 + 520 * part), x2=_n(130 + 520 * part), y1=8, y2=96, class_="grid"),
            el("text", percent(part), x=_n(130 + 520 * part), y=114, class_="tick"),
        )
        for part in (0, 0.25, 0.5, 0.75, 1)
    ]
    return el(
        "svg",
        el("title", "Share who completed, got messages against held out, with 95 % intervals"),
        *ticks,
        *rows,
        viewBox="0 0 720 120",
        role="img",
        class_="comparison",
    )


def _whisker(label: str, group: Proportion, row: int, tone: str) -> Html:
    y = 30 + 44 * row
    interval = group.interval()
    low, high = 130 + 520 * interval.low, 130 + 520 * interval.high
    parts = [el("text", label, x=0, y=y + 5, class_="label")]
    if group.share is not None:
        tip = f"{group.count} of {group.total}; 95 %: {percent(interval.low)} to {percent(interval.high)}"
        at = 130 + 520 * group.share
        parts += [
            el("title", f"{label}: {tip}"),
            el("line", x1=_n(low), x2=_n(high), y1=y, y2=y, class_="span"),
            el("line", x1=_n(low), x2=_n(low), y1=y - 6, y2=y + 6, class_="span"),
            el("line", x1=_n(high), x2=_n(high), y1=y - 6, y2=y + 6, class_="span"),
            el("circle", cx=_n(at), cy=y, r=6.5),
            el("text", percent(group.share), x=_n(at), y=y - 12, class_="value"),
        ]
    return el("g", *parts, class_=tone)


def mix_chart(mix: Sequence[TouchMix]) -> Html:
    """Push and pull per stage, with a mark where the plan wanted the border."""
    rows = []
    for each in mix:
        actual = each.actual_push
        planned = (
            el("i", style=f"left:{each.planned_push}%", class_="planned") if each.planned_push is not None else None
        )
        bar = (
            el(
                "span",
                el("span", class_="push", style=f"width:{actual:.2f}%"),
                planned,
                class_="mixbar",
                aria_hidden="true",
            )
            if actual is not None
            else el("span", planned, class_="mixbar empty", aria_hidden="true")
        )
        words = "nothing sent" if actual is None else f"{number(each.push)} push · {number(each.pull)} pull"
        plan = "" if each.planned_push is None else f"planned {each.planned_push} : {100 - each.planned_push}"
        sent = "" if actual is None else f"{actual:.0f} : {100 - actual:.0f}"
        rows.append(
            el(
                "li",
                el("span", el("b", each.stage.capitalize()), el("small", words), class_="what"),
                bar,
                el("span", el("b", sent), el("small", plan), class_="count"),
            )
        )
    return el("ul", *rows, class_="mix")


def _n(value: float) -> str:
    return f"{value:.1f}"
