"""What is proved, as insights: the campaign's effect against its holdout."""

from __future__ import annotations

from collections.abc import Iterator

from pushpull.insights.loop.finding import Found
from pushpull.insights.loop.looking import Look
from pushpull.insights.loop.vocabulary import InsightKind


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
        f"{primary.outcome.value}: {primary.said.value}"
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
