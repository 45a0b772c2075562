"""Bars that a style sheet draws: the funnel, and push and pull. Their numbers are text beside them; charts that need
more than a bar are drawn (:mod:`.drawing`)."""

from __future__ import annotations

from collections.abc import Sequence

from pushpull.insights.funnel import Step
from pushpull.insights.report.gate import TOO_FEW, share_of, words_of
from pushpull.insights.report.markup import Html, el, number, percent
from pushpull.insights.report.printed import PrintedFunnel, PrintedMix

STEP_WORDS = {
    Step.ELIGIBLE: ("Eligible", "on the treated side"),
    Step.REACHED: ("Reached", "a message arrived"),
    Step.CLICKED: ("Clicked", "followed a link"),
    Step.ACTIVATED: ("Activated", "opened an item"),
    Step.STARTED: ("Started", "learned something"),
    Step.CAME_BACK: ("Came back", "on a second day"),
    Step.COMPLETED: ("Completed", "all items"),
}


def funnel_chart(funnel: PrintedFunnel) -> Html:
    """A bar per step; beside it the drop from the step before and those who came another way."""
    widest = max(funnel.audience or 1, 1)
    bars = [_bar("Audience", "in some wave", funnel.audience, widest, note=None, tone="audience", trace="audience")]
    for each in funnel.steps:
        label, words = STEP_WORDS[each.step]
        lost = f"−{number(each.dropped)}" if each.dropped else None
        besides = f"+{number(each.besides)} another way" if each.besides else None
        note = " · ".join(text for text in (lost, besides) if text) or None
        bars.append(_bar(label, words, each.count, widest, note=note, tone=each.step.value, trace=each.step.value))
    return el("ol", *bars, class_="funnel")


def _bar(label: str, words: str, count: int | None, widest: int, *, note: str | None, tone: str, trace: str) -> Html:
    width = f"{100 * min(1.0, (count or 0) / widest):.2f}%"
    told = el("b", number(count), data_trace=f"funnel.{trace}") if count is not None else el("small", TOO_FEW)
    return el(
        "li",
        el("span", el("b", label), el("small", words), class_="what"),
        el("span", el("span", class_="fill", style=f"width:{width}"), class_="track", aria_hidden="true"),
        el("span", told, el("small", percent(share_of(count, widest))) if count else None, class_="count"),
        el("span", note, class_="drop") if note else el("span", class_="drop"),
        class_=f"step {tone}",
    )


def mix_chart(mix: Sequence[PrintedMix]) -> Html:
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
        words = f"{words_of(each.push)} push · {words_of(each.pull)} pull" if each.is_anything else "nothing sent"
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
