"""What is proved, as insights: the campaign's effect against its holdout, and the verdicts of its experiments."""

from __future__ import annotations

from collections.abc import Iterator

from pushpull.insights.loop.finders.responding import place_of, waves_of
from pushpull.insights.loop.finding import Change, Found, Metric, MetricKind, Setting
from pushpull.insights.loop.looking import Look
from pushpull.insights.loop.vocabulary import InsightKind

#: The primary outcome, in words.
_PRIMARY = "Completing all of it"


def effects(look: Look) -> Iterator[Found]:
    """What the campaign changed. A campaign without a holdout, or with too few in it, has nothing to be told."""
    from pushpull.insights.uplift import uplift

    found = uplift(look.connection, look.campaign_key, as_of=look.as_of)
    primary = found.primary
    if primary.best is None:
        return
    difference, interval = primary.best
    yield Found(
        InsightKind.UPLIFT,
        primary.outcome.value,
        f"{_PRIMARY}: {primary.said.value}"
        + (f" ({primary.why})" if primary.why else "")
        + f"; a difference of {100 * difference:+.1f} points against the holdout, 95 % interval "
        f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}, {'final' if found.is_final else 'so far'}.",
        {
            "said": primary.said.value,
            "difference": difference,
            "low": interval.low,
            "high": interval.high,
            "treated": primary.treated.people,
            "holdout": primary.holdout.people,
            "is_final": found.is_final,
        },
    )


def experiments(look: Look) -> Iterator[Found]:
    """Experiments with a final verdict: one that names a winner proposes to go on with that variant alone."""
    from pushpull.insights.experiments.look import looks

    waves = waves_of(look.definition)
    for each in looks(look.connection, look.campaign_key, as_of=look.as_of):
        if not each.is_final or each.plan.wave not in waves:
            continue
        change = None
        if each.winner:
            settings = (
                Setting(f"experiments.{each.plan.key}", None),
                Setting(f"{place_of(each.plan.wave)}.variants", {each.winner: 1}),
            )
            change = Change(settings, f"End the experiment {each.plan.key}: everybody gets {each.winner}.")
        named = f", {each.winner}" if each.winner else ""
        yield Found(
            InsightKind.EXPERIMENT,
            each.plan.key,
            f"The experiment {each.plan.key} on {each.plan.wave} says: {each.said.value}{named}. {each.why}.",
            {
                "said": each.said.value,
                "winner": each.winner,
                "metric": each.plan.metric.value,
                "variants": {
                    shown.variant: {"people": shown.people, "share": shown.share}
                    for shown in each.figures
                    if shown.share is not None
                },
            },
            change,
            Metric(MetricKind.ANSWERED, each.plan.wave) if change else None,
        )
