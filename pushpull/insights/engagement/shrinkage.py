"""Rates of small groups, drawn towards what all groups have in common: two of three is not 67 %.

Empirical Bayes with a beta prior that is fitted to the groups. Sources: J. C. Kleinman, "Proportions with extraneous
variance: single and independent samples", Journal of the American Statistical Association 68, 1973 (moments); G.
Casella, "An introduction to empirical Bayes data analysis", The American Statistician 39, 1985.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pushpull.insights.proportions import Interval, Proportion

#: How much the common rate weighs at most and at least, in people: groups that do not differ at all are drawn together.
_STRONGEST: Final = 1_000.0
_WEAKEST: Final = 2.0


@dataclass(frozen=True, slots=True)
class Rate:
    """A shrunk rate.

    Args:
        mean: of what is believed after seeing the group.
        interval: holds it with 95 % probability.
    """

    mean: float
    interval: Interval


def shrunk(groups: Sequence[Proportion]) -> list[Rate]:
    """Every group's rate, drawn the more towards that of all, the smaller it is and the less groups differ.

    Args:
        groups: none of them empty.
    """
    from scipy.stats import beta

    everybody = sum(each.total for each in groups)
    if not everybody:
        return []
    common = sum(each.count for each in groups) / everybody
    weight = _weight(groups, common)
    rates = []
    for each in groups:
        # Half a person on either side: a rate of nothing seen so far is not zero for sure.
        a, b = common * weight + each.count + 0.5, (1 - common) * weight + each.total - each.count + 0.5
        low, high = (float(end) for end in beta.ppf((0.025, 0.975), a, b))
        rates.append(Rate(a / (a + b), Interval(low, high)))
    return rates


def _weight(groups: Sequence[Proportion], common: float) -> float:
    """How many people the common rate is worth, by the moments of the groups' rates."""
    spread = common * (1 - common)
    if len(groups) < 2 or spread == 0:
        return _STRONGEST
    everybody = sum(each.total for each in groups)
    seen = sum(each.total * ((each.share or 0.0) - common) ** 2 for each in groups)
    free = everybody - sum(each.total**2 for each in groups) / everybody
    between = (seen - (len(groups) - 1) * spread) / free if free > 0 else 0.0
    if between <= 0:
        return _STRONGEST
    return min(_STRONGEST, max(_WEAKEST, spread / between - 1))
