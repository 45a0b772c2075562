"""Which format somebody takes, how long they stay, and which topics they come back to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

#: So many topics are kept.
MOST_TOPICS: Final = 3
#: A topic has this share of the visits or more,
_SHARE: Final = 0.3
#: and was there on so many days or more: what was met once was not come back to.
_DAYS: Final = 3


def shares(valued: Iterable[tuple[Iterable[str], float]]) -> list[tuple[str, float]]:
    """The share of each value; a visit with several counts a part for each.

    Args:
        valued: the values of each visit, and its weight.
    """
    sums: dict[str, float] = defaultdict(float)
    for values, weight in valued:
        several = sorted(set(values))
        for each in several:
            sums[each] += weight / len(several)
    total = sum(sums.values())
    return [(value, part / total) for value, part in sorted(sums.items())] if total > 0 else []


def usual(lengths: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """How long visits usually are, and how much they differ: weighted median and interquartile range.

    Robust measures, since a page left open over lunch is no long visit (F. Hampel et al., "Robust Statistics", 1986).

    Args:
        lengths: minutes and weight of each visit; at least one.
    """
    low, middle, high = (_quantile(lengths, q) for q in (0.25, 0.5, 0.75))
    return middle, high - low


def _quantile(weighted: Sequence[tuple[float, float]], q: float) -> float:
    ordered = sorted(weighted)
    upto, aim = 0.0, q * sum(weight for _, weight in ordered)
    for value, weight in ordered:
        upto += weight
        if upto >= aim - 1e-12:
            return value
    return ordered[-1][0]


def returned_to(tagged: Iterable[tuple[Iterable[str], date, float]]) -> list[tuple[str, float, float]]:
    """The topics somebody came back to, the one that weighs most first.

    Args:
        tagged: for each visit with any tag its tags, its local date and its weight.

    Returns:
        Each topic with its share of the visits and their weight.
    """
    total = 0.0
    sums: dict[str, float] = defaultdict(float)
    days: dict[str, set[date]] = defaultdict(set)
    for tags, on, weight in tagged:
        total += weight
        for tag in set(tags):
            sums[tag] += weight
            days[tag].add(on)
    kept = [
        (tag, part / total, part) for tag, part in sums.items() if len(days[tag]) >= _DAYS and part >= _SHARE * total
    ]
    return sorted(kept, key=lambda each: (-each[1], each[0]))[:MOST_TOPICS]
