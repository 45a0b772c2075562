"""What was tried on the variants of waves, as a report says it: in words, and without a count of people.

What was written down before the experiment is shown from its first day on, what came of it on the day of its verdict
and not before: a verdict that may still change invites to stop when it pleases.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from pushpull.insights.experiments.look import Look, Verdict
from pushpull.insights.experiments.plan import Metric
from pushpull.insights.report.markup import Html, el

_METRICS = {
    Metric.CLICKED: "people who followed a link of the message",
    Metric.STARTED: "people who learned something",
    Metric.COMPLETED: "people who completed all of it",
}


def tried(found: Sequence[Look]) -> Html:
    """A list of experiments."""
    return el("ul", *(_one(each) for each in found), class_="proposals")


def _one(look: Look) -> Html:
    plan = look.plan
    others = ", ".join(f"“{each}”" for each in plan.variants[1:])
    asked = (
        f" “{plan.control}” against {others} in {plan.wave}, by {_METRICS[plan.metric]} within {plan.within_days} "
        "days. "
    )
    return el("li", el("b", plan.hypothesis), asked, el("b", verdict_words(look)))


def verdict_words(look: Look) -> str:
    """What it came to, in a sentence; before its day, when that is."""
    plan, day = look.plan, f"{look.decides_on:%d %b %Y}"
    if not look.is_final:
        return f"To be decided on {day}."
    if look.said is Verdict.STOPPED:
        kept = f" “{look.winner}” goes on." if look.winner else ""
        return f"Stopped: a guardrail was broken.{kept}"
    if look.said is Verdict.BETTER:
        return f"Decided on {day}: “{look.winner}” is better."
    if look.said is Verdict.NO_DIFFERENCE:
        return f"Decided on {day}: no difference of {100 * plan.min_effect:g} points or more."
    known = [each.detectable for each in look.compared if each.detectable is not None]
    if len(known) < len(look.compared) or not known:
        return f"Looked at on {day}: cannot tell, too little happened."
    return (
        f"Looked at on {day}: cannot tell. A true difference of {ceil(100 * max(known))} points would have shown in "
        "four of five cases."
    )
