"""How likely so many leavers are, when each has a chance of their own (Poisson binomial).

Source: Y. Hong, "On computing the distribution function for the Poisson binomial distribution", 2013: exact for small
groups, the refined normal approximation (section 2.3) for large ones.
"""

from __future__ import annotations

from math import exp, pi, sqrt

import numpy as np

from pushpull.insights.dropoff.visits import Floats

#: From this variance on the tail is approximated.
_LARGE_VARIANCE = 150.0


def tail(count: Floats, chance: Floats, at_least: int) -> float:
    """The chance of so many events or more among independent people who do not all have the same chance.

    Args:
        count: people of each chance.
        chance: 0 to 1.
        at_least: events.
    """
    if at_least <= 0:
        return 1.0
    variance = float(count @ (chance * (1 - chance)))
    if at_least > count.sum() or variance == 0:
        return 0.0
    if variance >= _LARGE_VARIANCE:
        return _normal_tail(count, chance, at_least, variance)
    from scipy.stats import binom

    below = np.ones(1)
    for each in binom.pmf(np.arange(at_least)[np.newaxis, :], count[:, np.newaxis], chance[:, np.newaxis]):
        below = np.convolve(below, each)[:at_least]
    return float(max(0.0, 1.0 - below.sum()))


def _normal_tail(count: Floats, chance: Floats, at_least: int, variance: float) -> float:
    from scipy.stats import norm

    skewness = float(count @ (chance * (1 - chance) * (1 - 2 * chance))) / variance**1.5
    x = (at_least - 0.5 - float(count @ chance)) / sqrt(variance)
    density = exp(-x * x / 2) / sqrt(2 * pi)
    return float(np.clip(norm.sf(x) - skewness * (1 - x * x) * density / 6, 0.0, 1.0))
