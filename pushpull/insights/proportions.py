"""Shares of people and how far they can be trusted: intervals for one proportion and for the difference of two, and
the smallest difference that groups of a size can show.

Plain differences between groups. Adjustment for what was before the campaign is not done here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

#: The standard normal quantile of a two-sided 95 % interval.
Z_95 = 1.959963984540054
#: The standard normal quantile of a power of 80 %.
Z_80_POWER = 0.8416212335729143

_EXACT_ENOUGH = 1e-6


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval of shares or of differences of shares, as fractions of 1."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value lies in it."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Proportion:
    """So many of so many people.

    Raises:
        ValueError: more people did it than there are.
    """

    count: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.total:
            raise ValueError(f"{self.count} of {self.total} is no proportion")

    @property
    def share(self) -> float | None:
        """The fraction; None of nobody."""
        return self.count / self.total if self.total else None

    def interval(self, z: float = Z_95) -> Interval:
        """Wilson's score interval; of nobody nothing is known, so it is all of [0, 1].

        Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
        """
        n = self.total
        if n == 0:
            return Interval(0.0, 1.0)
        p = self.count / n
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low = 0.0 if self.count == 0 else max(0.0, middle - half)
        return Interval(low, 1.0 if self.count == n else min(1.0, middle + half))


def difference_interval(first: Proportion, second: Proportion, z: float = Z_95) -> Interval | None:
    """The interval of ``first − second``, two independent groups; None when one of them is empty.

    Source: R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of
    eleven methods", 1998, method 10 (hybrid score, without continuity correction).
    """
    if first.share is None or second.share is None:
        return None
    p, q = first.share, second.share
    of_first, of_second = first.interval(z), second.interval(z)
    below = sqrt((p - of_first.low) ** 2 + (of_second.high - q) ** 2)
    above = sqrt((of_first.high - p) ** 2 + (q - of_second.low) ** 2)
    return Interval(max(-1.0, p - q - below), min(1.0, p - q + above))


def detectable_effect(
    first: int, second: int, *, baseline: float, z: float = Z_95, power_z: float = Z_80_POWER
) -> float | None:
    """The smallest rise over a share that a comparison of two groups of people will show, as a fraction of 1.

    A true rise of this size is found at the 5 % level, two-sided, in four of five cases. It is the rise ``d`` with
    ``d = z · √(p̄ (1 - p̄) (1/n₁ + 1/n₂)) + z' · √(p₁ (1 - p₁) / n₁ + p₂ (1 - p₂) / n₂)``, where ``p₂`` is the baseline,
    ``p₁ = p₂ + d`` and ``p̄`` their mean weighted by the groups' sizes.

    Source: J. L. Fleiss, B. Levin, M. C. Paik, "Statistical methods for rates and proportions", 3rd edition, 2003,
    chapter 4, without continuity correction.

    Args:
        first: people in the group the rise is in.
        second: people in the other one.
        baseline: the share in the other one, 0 to 1.
        z: normal quantile of the level.
        power_z: normal quantile of the power.

    Returns:
        None when a group is empty, or when not even a rise to everybody would be found.

    Raises:
        ValueError: the baseline is no share.
    """
    if not 0 <= baseline <= 1:
        raise ValueError(f"a baseline is a share between 0 and 1, not {baseline}")
    if first <= 0 or second <= 0:
        return None

    def is_found(rise: float) -> bool:
        raised = baseline + rise
        mean = (first * raised + second * baseline) / (first + second)
        if_equal = sqrt(mean * (1 - mean) * (1 / first + 1 / second))
        as_is = sqrt(max(0.0, raised * (1 - raised)) / first + baseline * (1 - baseline) / second)
        return rise >= z * if_equal + power_z * as_is

    low, high = 0.0, 1.0 - baseline
    if high <= 0 or not is_found(high):
        return None
    while high - low > _EXACT_ENOUGH:
        middle = (low + high) / 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high
