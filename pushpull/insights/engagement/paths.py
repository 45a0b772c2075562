"""Which early signals go with later engagement, and by which paths the most engaged came (mission D1).

It is a correlation and nothing more: nobody was drawn to write to the bot. Who does may be keener to begin with, and
only what they did before the campaign reached them is taken into account; what they did between that and the signal is
not.
What a campaign *makes* of people is told by its holdout and its experiments.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from pushpull.insights.engagement.association import Lift, false_discoveries, lift_of_means, lift_of_shares
from pushpull.insights.engagement.cohort import FOLLOW_UP, LANDMARK, Followed, LeftOut, followed
from pushpull.insights.engagement.signals import Signal
from pushpull.insights.proportions import Interval, Proportion, difference_interval
from pushpull.insights.small_numbers import FEWEST, shown
from pushpull.ledger.campaigns import campaign_id_of

#: What every output has to call it.
KIND: Final = "correlation"
#: The share of false discoveries among the signals that stand out.
LEVEL: Final = 0.05
#: First events of a path that are looked at.
STEPS: Final = 3


@dataclass(frozen=True, slots=True)
class SignalLift:
    """One signal.

    Args:
        given, missing: people with and without; None where one of them is fewer than five.
        days: active days after the landmark; None where that cannot be told.
        completion: share who completed after it; None too where fewer than five on a side did or did not.
        q: Benjamini–Hochberg over the signals, of the active days.
        why_not: why nothing is told; empty where something is.
    """

    signal: Signal
    given: int | None = None
    missing: int | None = None
    days: Lift | None = None
    completion: Lift | None = None
    q: float | None = None
    why_not: str = ""

    @property
    def stands_out(self) -> bool:
        """Whether more later engagement goes with it than chance explains."""
        return self.q is not None and self.q <= LEVEL and self.days is not None and self._sure > 0

    @property
    def _sure(self) -> float:
        """What the difference surely is, within strata where there are any; by it signals are ranked."""
        if self.days is None:
            return float("-inf")
        return (self.days.adjusted_interval or self.days.interval).low


@dataclass(frozen=True, slots=True)
class PathCount:
    """First events in their order, among the most engaged fifth and among the rest.

    Args:
        steps: at most three; empty: none of the signals.
        engaged, rest: people who came by it.
        interval: of the difference of the two shares, 95 %.
    """

    steps: tuple[Signal, ...]
    engaged: Proportion
    rest: Proportion
    interval: Interval

    @property
    def difference(self) -> float:
        """Share among the most engaged minus share among the rest."""
        return (self.engaged.share or 0.0) - (self.rest.share or 0.0)


@dataclass(frozen=True, slots=True)
class EngagementPaths:
    """What goes with later engagement in a campaign: a correlation.

    Args:
        people: who was followed; None where it is fewer than five.
        left_out: whom the campaign reached and nothing is told of, by why; None too where there are fewer than five.
        signals: those that surely go with the most engagement first.
        paths: those that are commonest among the most engaged first; paths of fewer than five are left out.
        kind: always :data:`KIND`.
    """

    campaign_key: str
    as_of: datetime
    people: int | None
    left_out: LeftOut
    signals: tuple[SignalLift, ...]
    paths: tuple[PathCount, ...]
    landmark_days: int = LANDMARK
    follow_up_days: int = FOLLOW_UP
    kind: str = KIND


def engagement_paths(connection: Connection, campaign_key: str, *, as_of: datetime) -> EngagementPaths:
    """How the most engaged learners of a campaign became so.

    Args:
        as_of: aware; nothing later is known.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    cohort, left_out = followed(connection, campaign_id_of(connection, campaign_key), as_of=as_of)
    return EngagementPaths(
        campaign_key=campaign_key,
        as_of=as_of,
        people=_unless_few(cohort.people),
        left_out=LeftOut(_unless_few(left_out.too_recent), _unless_few(left_out.gone)),
        signals=lifts(cohort),
        paths=paths_of(cohort),
    )


def lifts(cohort: Followed) -> tuple[SignalLift, ...]:
    """Every signal against later engagement, those that surely go with the most of it first."""
    told = [_lift(cohort, signal) for signal in Signal]
    adjusted = false_discoveries([None if each.days is None else each.days.p for each in told])
    ranked = [replace(each, q=q) for each, q in zip(told, adjusted, strict=True)]
    return tuple(sorted(ranked, key=lambda each: (not each.stands_out, -each._sure, each.signal)))


def paths_of(cohort: Followed) -> tuple[PathCount, ...]:
    """The first events of the most engaged fifth and of the rest, in their order."""
    import numpy as np

    if cohort.people < 2 * FEWEST:
        return ()
    # Nobody without a single day is among the most engaged, and equals are on one side.
    least = max(1.0, float(np.quantile(cohort.days, 0.8)))
    engaged = cohort.days >= least
    many, others = int(engaged.sum()), int((~engaged).sum())
    if min(many, others) < FEWEST:
        return ()
    of_engaged = Counter(path[:STEPS] for path, is_so in zip(cohort.order, engaged, strict=True) if is_so)
    of_rest = Counter(path[:STEPS] for path, is_so in zip(cohort.order, engaged, strict=True) if not is_so)
    every = sorted({*of_engaged, *of_rest})
    counts = zip(
        every, shown([of_engaged[path] for path in every]), shown([of_rest[path] for path in every]), strict=True
    )
    found = []
    for path, count, rest in counts:
        if count is None or rest is None:
            continue
        first, second = Proportion(count, many), Proportion(rest, others)
        interval = difference_interval(first, second)
        assert interval is not None
        found.append(PathCount(path, first, second, interval))
    return tuple(sorted(found, key=lambda each: (-each.engaged.count, -each.difference, each.steps)))


def _unless_few(people: int | None) -> int | None:
    """That nobody is somewhere tells of nobody; one to four people are not told of."""
    return people if people is None or people == 0 or people >= FEWEST else None


def _lift(cohort: Followed, signal: Signal) -> SignalLift:
    gave = cohort.gave[signal]
    given, missing = int(gave.sum()), int((~gave).sum())
    if min(given, missing) < FEWEST:
        return SignalLift(signal, why_not=f"fewer than {FEWEST} people did it, or did not")
    days = lift_of_means(cohort.days, gave, cohort.strata)
    cells = [int((cohort.completed[side] == done).sum()) for side in (gave, ~gave) for done in (True, False)]
    completion = lift_of_shares(cohort.completed, gave, cohort.strata) if min(cells) >= FEWEST else None
    why_not = "" if days is not None else "everybody was there on equally many days later: cannot tell"
    return SignalLift(signal, given, missing, days, completion, None, why_not)
