"""Intervals that stay honest however often somebody looks: confidence sequences from a mixture of likelihood ratios.

An interval of 95 % that is looked at every week is wrong sometime far more often than once in twenty. The ones here are
wrong sometime, over all looks together, once in twenty at most; they are wider, and that is the price.
"""

from __future__ import annotations

from math import inf, log, log1p, sqrt
from typing import TYPE_CHECKING

from pushpull.insights.uplift.estimates import Estimate

if TYPE_CHECKING:
    from pushpull.insights.uplift.estimates import Numbers

#: The level over all looks together.
ALPHA = 0.05
#: Where ``clock x tuning`` is so much, the bound is as close to the plain interval as a bound of this kind can be
#: (S. R. Howard et al., "Time-uniform, nonparametric, nonasymptotic confidence sequences", 2021, section 3.5).
_TIGHTEST_AT = 8.2
#: How much more is known at the day the bound is tuned for than at the first look, where nobody says otherwise.
USUAL_GROWTH = 10.0
#: A correlation of two looks below this is taken for this: a clock that leaps is a bound that is too low.
_LEAST_SHARED = 0.1


def boundary(clock: float, *, tuned_for: float = USUAL_GROWTH, alpha: float = ALPHA) -> float:
    """How many standard errors a difference may lie from zero, at every look, before it means something.

    ``√((1 + 1/u) (log(1 + u) + 2 log(1/α)))`` with ``u = 8.2 · clock / tuned_for``: the normal mixture of H. Robbins,
    "Statistical methods related to the law of the iterated logarithm", 1970; used for looking all the time by R.
    Johari, P. Koomen, L. Pekelis, D. Walsh, "Peeking at A/B tests", 2017 (mSPRT), and shown to hold for sums of any
    distribution in large samples by I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, "Time-uniform
    central limit theory and asymptotic confidence sequences", 2021.

    Args:
        clock: how much is known, on the scale of :func:`clock_of` or in people; 0 means nothing is.
        tuned_for: the clock at the day that matters most; must be set before anything is seen.
    """
    if clock <= 0:
        return inf
    reached = _TIGHTEST_AT * clock / tuned_for
    return sqrt((1 + 1 / reached) * (log1p(reached) + 2 * log(1 / alpha)))


def clock_of(left: Numbers) -> float:
    """How much more is known at the last look than at the first one.

    The people are the same at every look, and what they did adds up. Standardised, the differences at looks ``s < t``
    are correlated as the people's own numbers are (the assignment is the same); a Brownian motion is correlated by
    ``√(clock_s / clock_t)``. The clock that makes the two equal from look to look is exact for "completed by then",
    whose clock is the odds of having completed (J. L. Doob, "Heuristic approach to the Kolmogorov-Smirnov theorems",
    1949), and for steady people with noise. Where looks far apart are more alike than that, the bound is met even less
    often (D. Slepian, "The one-sided barrier problem for Gaussian noise", 1962).

    Args:
        left: people by looks, in order, with the means of their groups taken out.

    Returns:
        1 at the first look at which anything differs; 0 before it.
    """
    import numpy as np

    spread = np.sqrt((left**2).sum(axis=0))
    told = left[:, spread > 1e-9 * max(1.0, float(spread.max(initial=0.0)))]
    if not told.shape[1]:
        return 0.0
    clock = 1.0
    for at in range(1, told.shape[1]):
        before, now = told[:, at - 1], told[:, at]
        shared = float(before @ now / np.sqrt((before @ before) * (now @ now)))
        clock /= min(1.0, max(_LEAST_SHARED, shared)) ** 2
    return clock


def errors_allowed(estimate: Estimate, clock: float, *, tuned_for: float = USUAL_GROWTH, alpha: float = ALPHA) -> float:
    """The boundary for an estimate from few people: the same tail of its t distribution instead of the normal one."""
    from scipy import stats

    bound = boundary(clock, tuned_for=tuned_for, alpha=alpha)
    return inf if bound == inf else float(stats.t.isf(stats.norm.sf(bound), estimate.freedom))
