"""Numbers about groups that must not speak of single people (mission P3): small cells are not shown.

Source of the rule: the k of the security design; complementary suppression as in the Handbook on Statistical
Disclosure Control (Hundepool et al., 2010, chapter 4): what is hidden cannot be had by subtraction from the total.
"""

from __future__ import annotations

from collections.abc import Sequence

#: The fewest people a published number may speak of.
FEWEST = 5


def shown(counts: Sequence[int], *, fewest: int = FEWEST) -> list[int | None]:
    """The counts of one column, with None where a number is not shown.

    Hidden is every count below ``fewest``; where the total would give hidden ones away, because there is only one or
    because they come to less than ``fewest`` together, the smallest others are hidden too.
    """
    hidden = {place for place, count in enumerate(counts) if count < fewest}
    if hidden:
        rest = sorted((place for place in range(len(counts)) if place not in hidden), key=lambda place: counts[place])
        while rest and (len(hidden) < 2 or sum(counts[place] for place in hidden) < fewest):
            hidden.add(rest.pop(0))
    return [None if place in hidden else count for place, count in enumerate(counts)]
