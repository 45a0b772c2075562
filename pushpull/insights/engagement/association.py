"""How much more those do who gave a signal than those who did not: differences, ratios, intervals, strata.

Plain comparisons of people who were not drawn by lot: what comes out is a correlation. Strata take away what is known
to differ before; what is not known stays in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import TYPE_CHECKING

from pushpull.insights.proportions import Z_95, Interval, Proportion, difference_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lift:
    """Those with a signal against those without, in days or as a share of people.

    Args:
        given, missing: the mean, or the share, of those with and those without.
        interval: of the difference, 95 %.
        ratio, ratio_interval: of the two; None where one of them is zero.
        adjusted, adjusted_interval: the difference within strata of people who were alike before; None where no stratum
            has both.
        p: two-sided, that nothing goes with the signal within the strata; None where it cannot be told.
    """

    given: float
    missing: float
    interval: Interval
    ratio: float | None
    ratio_interval: Interval | None
    adjusted: float | None
    adjusted_interval: Interval | None
    p: float | None

    @property
    def difference(self) -> float:
        """Given minus missing."""
        return self.given - self.missing


def lift_of_means(amounts: Floats, gave: Flags, strata: Whole) -> Lift | None:
    """The lift of an amount per person.

    Sources: B. L. Welch, "The generalization of 'Student's' problem when several different population variances are
    involved", Biometrika 34, 1947 (interval of the difference); delta method on the logarithm (G. Casella & R. L.
    Berger, "Statistical inference", 2nd edition, 2002, section 5.5; interval of the ratio); differences within strata
    weighted by ``n₁ n₀ / n`` (W. G. Cochran, "Some methods for strengthening the common χ² tests", Biometrics 10,
    1954).

    Args:
        amounts: per person.
        gave: whether they gave the signal.
        strata: people of one number were alike before.

    Returns:
        None where there are fewer than two on a side, or all amounts are equal: nothing can be told then.
    """
    from scipy.stats import t as student

    with_it, without = amounts[gave], amounts[~gave]
    if min(len(with_it), len(without)) < 2 or amounts.min() == amounts.max():
        return None
    first, second = with_it.var(ddof=1) / len(with_it), without.var(ddof=1) / len(without)
    spread = float(first + second)
    if spread == 0:
        return None
    freedom = spread**2 / (first**2 / (len(with_it) - 1) + second**2 / (len(without) - 1))
    half = float(student.ppf(0.975, freedom)) * sqrt(spread)
    given, missing = float(with_it.mean()), float(without.mean())
    ratio = ratio_interval = None
    if given > 0 and missing > 0:
        ratio = given / missing
        ratio_interval = _around(ratio, sqrt(float(first) / given**2 + float(second) / missing**2))
    adjusted, adjusted_interval = _within(amounts, gave, strata)
    return Lift(
        given,
        missing,
        Interval(given - missing - half, given - missing + half),
        ratio,
        ratio_interval,
        adjusted,
        adjusted_interval,
        association(amounts, gave, strata),
    )


def lift_of_shares(did: Flags, gave: Flags, strata: Whole) -> Lift | None:
    """The lift of a share of people.

    Sources: the difference as in :mod:`pushpull.insights.proportions`; D. Katz et al., "Obtaining confidence intervals
    for the risk ratio in cohort studies", Biometrics 34, 1978; S. Greenland & J. M. Robins, "Estimation of a common
    effect parameter from sparse follow-up data", Biometrics 41, 1985 (Mantel–Haenszel risk difference).

    Returns:
        None where a side is empty.
    """
    first = Proportion(int(did[gave].sum()), int(gave.sum()))
    second = Proportion(int(did[~gave].sum()), int((~gave).sum()))
    interval = difference_interval(first, second)
    if interval is None or first.share is None or second.share is None:
        return None
    ratio = ratio_interval = None
    if first.count and second.count:
        ratio = first.share / second.share
        spread = 1 / first.count - 1 / first.total + 1 / second.count - 1 / second.total
        ratio_interval = _around(ratio, sqrt(spread))
    adjusted, adjusted_interval = _risk_difference(did, gave, strata)
    return Lift(
        first.share,
        second.share,
        interval,
        ratio,
        ratio_interval,
        adjusted,
        adjusted_interval,
        association(did.astype(float), gave, strata),
    )


def association(amounts: Floats, gave: Flags, strata: Whole) -> float | None:
    """The two-sided p-value that a signal tells nothing about amounts within strata.

    The sum over those who gave it against what a shuffle of the signal within each stratum would give, which needs no
    assumption about how amounts are spread. Source: J. R. Landis, E. R. Heyman & G. G. Koch, "Average partial
    association in three-way contingency tables", International Statistical Review 46, 1978 (extended
    Mantel–Haenszel mean score statistic).

    Returns:
        None where no stratum has people on both sides whose amounts differ.
    """
    from scipy.stats import chi2

    off = spread = 0.0
    for inside, many_with, many_without in _strata(gave, strata):
        values, n = amounts[inside], many_with + many_without
        off += float(values[gave[inside]].sum() - many_with * values.mean())
        spread += many_with * many_without / (n * (n - 1)) * float(((values - values.mean()) ** 2).sum())
    return float(chi2.sf(off**2 / spread, 1)) if spread > 0 else None


def false_discoveries(ps: Sequence[float | None]) -> list[float | None]:
    """Benjamini and Hochberg's adjusted p-values; None where there is none.

    Source: Y. Benjamini & Y. Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical Society
    B 57, 1995.
    """
    from scipy.stats import false_discovery_control

    told = [p for p in ps if p is not None]
    if not told:
        return [None] * len(ps)
    adjusted = iter(false_discovery_control(told, method="bh"))
    return [None if p is None else float(next(adjusted)) for p in ps]


def _strata(gave: Flags, strata: Whole) -> list[tuple[Whole, int, int]]:
    """Who is in each stratum that has both, and how many of either."""
    import numpy as np

    found = []
    for each in np.unique(strata):
        inside = np.flatnonzero(strata == each)
        many = int(gave[inside].sum())
        if 0 < many < len(inside):
            found.append((inside, many, len(inside) - many))
    return found


def _within(amounts: Floats, gave: Flags, strata: Whole) -> tuple[float | None, Interval | None]:
    weights = total = spread = 0.0
    for inside, many_with, many_without in _strata(gave, strata):
        n = many_with + many_without
        if n < 3:
            continue  # two people tell nothing of the spread
        values, has = amounts[inside], gave[inside]
        first, second = values[has], values[~has]
        weight = many_with * many_without / n
        squares = float(((first - first.mean()) ** 2).sum() + ((second - second.mean()) ** 2).sum())
        weights += weight
        total += weight * float(first.mean() - second.mean())
        if min(many_with, many_without) > 1:
            of_means = float(first.var(ddof=1)) / many_with + float(second.var(ddof=1)) / many_without
        else:
            of_means = squares / (n - 2) / weight
        spread += weight**2 * of_means
    if weights == 0:
        return None, None
    half = Z_95 * sqrt(spread) / weights
    return total / weights, Interval(total / weights - half, total / weights + half)


def _risk_difference(did: Flags, gave: Flags, strata: Whole) -> tuple[float | None, Interval | None]:
    weights = total = spread = 0.0
    for inside, many_with, many_without in _strata(gave, strata):
        n = many_with + many_without
        a = int((did[inside] & gave[inside]).sum())
        b = int((did[inside] & ~gave[inside]).sum())
        total += (a * many_without - b * many_with) / n
        weights += many_with * many_without / n
        spread += (a * (many_with - a) * many_without**3 + b * (many_without - b) * many_with**3) / (
            many_with * many_without * n**2
        )
    if weights == 0:
        return None, None
    half = Z_95 * sqrt(spread) / weights
    return total / weights, Interval(max(-1.0, total / weights - half), min(1.0, total / weights + half))


def _around(ratio: float, spread: float) -> Interval:
    return Interval(exp(log(ratio) - Z_95 * spread), exp(log(ratio) + Z_95 * spread))
