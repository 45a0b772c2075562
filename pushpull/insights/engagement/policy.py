"""What would have happened had everybody got one variant: judged from what was drawn by lot, with its probabilities.

Who got another variant stands for those who did not get this one, weighted by how unlikely each was. That holds where a
lot decided and the probability was written down, and nowhere else: over a channel or at an hour that somebody got
*because* of who they are, nobody stands for the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from pushpull.insights.proportions import Z_95, Interval, Proportion


@dataclass(frozen=True, slots=True)
class Drawn:
    """People who got one variant by lot.

    Args:
        probability: with which each of them was to get it, as planning wrote it down; above 0.
        answered: how many of them did what was asked.
    """

    variant: str
    probability: float
    answered: Proportion


@dataclass(frozen=True, slots=True)
class Worth:
    """One variant for everybody.

    Args:
        people: who got it.
        value: the share who would have answered, by Hájek's estimator.
        by_horvitz_thompson: the same by Horvitz and Thompson's, which needs no sum of weights; far from ``value`` where
            the lot did not do what was written down.
        interval: of ``value``, 95 %; None where it cannot be told.
    """

    variant: str
    people: int
    value: float
    by_horvitz_thompson: float
    interval: Interval | None


def worth_of_each(drawn: Sequence[Drawn]) -> tuple[Worth, ...]:
    """The worth of every variant that somebody got.

    Sources: D. G. Horvitz & D. J. Thompson, "A generalization of sampling without replacement from a finite universe",
    Journal of the American Statistical Association 47, 1952; J. Hájek, comment in "Foundations of statistical
    inference", 1971; M. Dudík, J. Langford & L. Li, "Doubly robust policy evaluation and learning", ICML 2011 (logged
    probabilities). The spread is that of a ratio of sums (C.-E. Särndal, B. Swensson & J. Wretman, "Model assisted
    survey sampling", 1992, section 5.7).

    Args:
        drawn: all variants of all lots that are taken together; a variant may come several times with different
            probabilities, when its weight was changed meanwhile.

    Raises:
        ValueError: a probability is not above 0 and at most 1.
    """
    if wrong := [each for each in drawn if not 0 < each.probability <= 1]:
        raise ValueError(f"{wrong[0].probability} is no probability with which a variant was drawn")
    everybody = sum(each.answered.total for each in drawn)
    by_variant: Mapping[str, list[Drawn]] = {name: [] for name in sorted({each.variant for each in drawn})}
    for each in drawn:
        by_variant[each.variant].append(each)
    return tuple(_worth(name, lots, everybody) for name, lots in by_variant.items() if _people(lots))


def _people(lots: Sequence[Drawn]) -> int:
    return sum(each.answered.total for each in lots)


def _worth(variant: str, lots: Sequence[Drawn], everybody: int) -> Worth:
    weights = sum(each.answered.total / each.probability for each in lots)
    answers = sum(each.answered.count / each.probability for each in lots)
    value = answers / weights
    spread = sum(
        (each.answered.count * (1 - value) ** 2 + (each.answered.total - each.answered.count) * value**2)
        / each.probability**2
        for each in lots
    )
    people = _people(lots)
    interval = None
    if people > 1 and 0 < value < 1:
        half = Z_95 * sqrt(spread * people / (people - 1)) / weights
        interval = Interval(max(0.0, value - half), min(1.0, value + half))
    return Worth(variant, people, value, answers / everybody, interval)
