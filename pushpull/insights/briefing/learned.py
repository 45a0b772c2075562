"""What a briefing says can be learned from a wave: its effect against the holdout, and what is tried on it."""

from __future__ import annotations

from pushpull.insights.briefing.assembly import WORST_BASELINE, Briefing
from pushpull.insights.experiments.compare import people_for
from pushpull.insights.experiments.plan import Allocation
from pushpull.insights.proportions import detectable_effect
from pushpull.insights.uplift.power import AIM, Power


def effect_in_words(briefing: Briefing) -> str:
    """What rise in completion can be shown, and what it takes where five points cannot; empty for a re-run."""
    counts = briefing.counts
    if briefing.about.rotation:
        return ""  # whom it is for was chosen by what happened: nothing is compared
    title = "## What effect it can show\n\n"
    if not counts.held_out:
        return f"{title}No holdout: the effect cannot be measured."
    sides = f"{counts.treated:,} treated and {counts.held_out:,} held out"
    if briefing.baseline is not None:
        seen = briefing.baseline
        where = f"the {seen.people:,} held out of {seen.campaign_key}"
        assumed = f"{100 * seen.share:.0f} % complete without messages, as seen in {where}"
    else:
        assumed = "50 % complete without messages, the worst case, as no holdout of an earlier campaign has been seen"
    power, share = briefing.power, 100 * counts.held_out / counts.audience
    if power.detectable is None or power.plain is None:
        said = f"With {sides}, no effect can be shown (assuming that {assumed})."
        return f"{title}{said} {_needed(power, share)}"
    said = (
        f"With {sides}, a rise in completion of **{100 * power.detectable:.1f} percentage points** or more will "
        f"show, in four cases of five (5 % level, two-sided; assuming that {assumed})."
    )
    if briefing.explained and briefing.baseline is not None:
        said += (
            f" What people did before the start is taken out: it explained {100 * briefing.explained:.0f} % of the "
            f"differences in {briefing.baseline.campaign_key}; without it, {100 * power.plain:.1f} points would show."
        )
    return f"{title}{said} {_needed(power, share)}".rstrip()


def _needed(power: Power, share: float) -> str:
    """What it takes for five points to show; nothing where they do."""
    if power.is_enough:
        return ""
    aim = f"{100 * AIM:.0f} points"
    ways = []
    if power.holdout_needed is not None:
        ways.append(f"hold out {100 * power.holdout_needed:.0f} % instead of {share:.0f} %")
    if power.people_needed is not None:
        ways.append(f"address about {power.people_needed:,} people at this share, now or over the weeks")
    return f"For {aim} to show, {' or '.join(ways)}." if ways else f"{aim} cannot be shown at all."


def trial_in_words(briefing: Briefing) -> str:
    """What is tried on the variants, until when, and what difference would show; empty where nothing is."""
    plan = briefing.tried
    if plan is None or briefing.about.rotation:
        return ""
    sizes = dict.fromkeys(plan.variants, 0)
    for each in briefing.counts.planned:
        if each.variant in sizes:
            sizes[each.variant] += each.count
    sides = ", ".join(f"{count:,} get *{variant}*" for variant, count in sizes.items())
    decided = plan.decides_on or f"{plan.decides_after.length.days if plan.decides_after else 0} days after the start"
    chances = "; chances follow success" if plan.allocation is Allocation.THOMPSON else ""
    smallest = sorted(sizes.values())[:2]
    shown = detectable_effect(*smallest, baseline=WORST_BASELINE)
    can = (
        f"With this wave alone, a difference of {100 * shown:.1f} points or more will show between two of them, in "
        "four cases of five, at worst."
        if shown is not None
        else "This wave alone is too small to show any difference between two of them."
    )
    aim = f"{100 * plan.min_effect:.1f} points"
    wanted = f"{aim} are what would matter: that takes about {people_for(plan.min_effect):,} people on two variants."
    metric = f"{plan.metric.value} within {plan.within_days} days"
    hypothesis = " ".join(plan.hypothesis.split()).replace("<", "&lt;")
    return (
        f"## What is tried\n\n{hypothesis} ({plan.key}: {metric}, decided {decided}{chances}.) {sides}. {can} {wanted}"
    )
