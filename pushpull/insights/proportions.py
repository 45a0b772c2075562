"""Shares of people and how far they can be trusted: intervals for one proportion and for the difference of two.

Plain differences between groups. Adjustment for what was before the campaign is not done here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

#: The standard normal quantile of a two-sided 95 % interval.
Z_95 = 1.959963984540054


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
