"""At which local hour and on which weekdays somebody learns.

The clock is a circle: eleven at night and one in the morning are two hours apart. So hours are angles, and their
statistics those of K. V. Mardia and P. E. Jupp, "Directional Statistics" (Wiley 2000).

- Is there an hour at all? The Rayleigh test (section 6.3.1) asks whether times spread evenly around the clock, with the
  approximation of its p-value by D. Wilkie, "Rayleigh test for randomness of circular data", Applied Statistics 32(3),
  1983, 311-312.
- Which one? The mode of a kernel density with a von Mises kernel (section 12.5 there), which a second, smaller habit
  does not pull away as it pulls the mean.
- Which weekdays? Those above an even share, if Pearson's X² speaks against an even spread. For even shares X² keeps its
  level from about n²/k = 10 on (K. Koehler and K. Larntz, "An empirical investigation of goodness-of-fit statistics
  for sparse multinomials", JASA 75, 1980, 336-344).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: How often a pattern may be seen where there is none.
LEVEL: Final = 0.05
#: Concentration of the kernel: 1/sqrt(5) of a radian is 102 minutes, wide enough for twenty visits to have one peak.
KAPPA: Final = 5.0
_BINS: Final = 96  # quarters of an hour
_DAY: Final = 24 * 60
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def rayleigh(minutes: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    """How concentrated times of day are.

    Weighted times count for as many as Kish's effective sample size, (Σw)²/Σw² (L. Kish, "Survey Sampling", 1965).

    Args:
        minutes: of the local day, 0 to 1440.
        weights: of each, above 0.

    Returns:
        The mean resultant length, 0 to 1, and the probability of so much or more by chance.
    """
    total = sum(weights)
    if total <= 0:
        return 0.0, 1.0
    east = sum(w * math.cos(2 * math.pi * m / _DAY) for m, w in zip(minutes, weights, strict=True))
    north = sum(w * math.sin(2 * math.pi * m / _DAY) for m, w in zip(minutes, weights, strict=True))
    length = min(1.0, math.hypot(east, north) / total)
    n = effective(weights)
    p = math.exp(math.sqrt(1 + 4 * n + 4 * (n**2 - (n * length) ** 2)) - (1 + 2 * n))
    return length, min(1.0, p)


def effective(weights: Sequence[float]) -> float:
    """Kish's effective sample size of weighted observations."""
    squares = sum(each**2 for each in weights)
    return sum(weights) ** 2 / squares if squares > 0 else 0.0


def peak(minutes: Sequence[float], weights: Sequence[float]) -> float:
    """The hour of the day, 0 to 24, around which most lies; to a quarter of an hour. The earliest of equals.

    Args:
        minutes: of the local day; at least one.
        weights: of each.
    """
    import numpy as np

    counts = np.zeros(_BINS)
    for m, w in zip(minutes, weights, strict=True):
        counts[int(m / 15) % _BINS] += w
    density = _kernel() @ counts
    # Equal but for rounding is equal: the answer must not hang on the order of sums.
    best = int(np.flatnonzero(density >= density.max() * (1 - 1e-9))[0])
    return (best + 0.5) * 24 / _BINS


@cache
def _kernel() -> NDArray[np.float64]:
    import numpy as np

    angles = 2 * np.pi * np.arange(_BINS) / _BINS
    kernel: NDArray[np.float64] = np.exp(KAPPA * (np.cos(angles[:, None] - angles[None, :]) - 1))
    return kernel


def nearest_hour(hour: float) -> int:
    """The full hour, 0 to 23, next to a time of day in hours."""
    return math.floor(hour + 0.5) % 24


def distance(one: float, other: float) -> float:
    """Hours between two times of day around the clock, 0 to 12."""
    apart = abs(one - other) % 24
    return min(apart, 24 - apart)


def busy_days(shares: Sequence[float], n: float) -> tuple[str, ...] | None:
    """The weekdays that have more than an even share; None where chance alone may have made them.

    Args:
        shares: of each weekday, Monday first; they add up to 1.
        n: effective number of visits.
    """
    even = 1 / len(WEEKDAYS)
    if n * n * even < 10:
        return None
    statistic = n * sum((share - even) ** 2 / even for share in shares)
    if _chi2_survival_6(statistic) >= LEVEL:
        return None
    return tuple(name for name, share in zip(WEEKDAYS, shares, strict=True) if share > even + 1e-9)


def _chi2_survival_6(x: float) -> float:
    """P(X² > x) with 6 degrees of freedom, in closed form (for even degrees it is a sum of Poisson terms)."""
    half = x / 2
    return math.exp(-half) * (1 + half + half * half / 2)
