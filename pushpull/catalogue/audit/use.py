"""How use is spread over the catalogue: reach, what is never used, and how much of it all goes to a few items."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from pushpull.catalogue.audit.facts import FEWEST, Catalogue, Item, shown
from pushpull.catalogue.audit.findings import Evidence, Usage, Utilisation

#: Days an item may be new before it counts as unused.
_NEW_DAYS = 90
#: Points of a Lorenz curve, at most.
_POINTS = 101


def never_used(item: Item, catalogue: Catalogue) -> Evidence | None:
    """Nobody ever started it, though others are used and it is not new."""
    days = (catalogue.as_of - item.added_at).days
    if item.reach or days < _NEW_DAYS or catalogue.starts < FEWEST or item.part_of is not None:
        return None
    words = f"nobody has started it in {days} days: say better what it is for, or take it out"
    return Evidence(words, {"days": days})


def utilisation(catalogue: Catalogue) -> Utilisation:
    """How the items are used."""
    counts = sorted((each.reach for each in catalogue.items), reverse=True)
    total = sum(counts)
    top = ceil(len(counts) / 5)
    ranked = sorted(catalogue.items, key=lambda each: (-each.reach, each.key))
    return Utilisation(
        items=len(counts),
        learners=catalogue.learners,
        usage=tuple(Usage(each.key, each.title, shown(each.reach)) for each in ranked),
        never_used=counts.count(0),
        top_share=sum(counts[:top]) / total if total >= FEWEST else None,
        gini=gini(counts) if total >= FEWEST else None,
    )


def gini(counts: Sequence[int]) -> float | None:
    """How unequal use is: 0 where all items are used alike, 1 − 1/n where one item has it all.

    ``G = Σ (2 i − n − 1) x_i / (n Σ x_i)``, with ``x_1 ≤ … ≤ x_n``: twice the area between the Lorenz curve and the
    line of equality. Source: C. Damgaard, J. Weiner, "Describing inequality in plant size or fecundity", 2000, after
    C. Gini 1912.

    Returns:
        None where nothing is used.
    """
    total = sum(counts)
    if not total:
        return None
    ordered = np.sort(np.asarray(counts, dtype=np.float64))
    ranks = np.arange(1, len(ordered) + 1)
    return float(((2 * ranks - len(ordered) - 1) @ ordered) / (len(ordered) * total))


def lorenz(counts: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """Points of the Lorenz curve (M. O. Lorenz, "Methods of measuring the concentration of wealth", 1905).

    Returns:
        Share of items and share of use, least used first; nothing where nothing is used.
    """
    total = sum(counts)
    if not total:
        return ()
    ordered = np.concatenate([[0.0], np.cumsum(np.sort(np.asarray(counts, dtype=np.float64)))]) / total
    places = np.unique(np.linspace(0, len(counts), min(_POINTS, len(counts) + 1)).round().astype(int))
    return tuple((float(place / len(counts)), float(ordered[place])) for place in places)
