"""What learners aim for and need beside what there is: wishes nobody serves, items nobody wishes for.

Wishes are quoted only where enough people wrote just that; what a few of them wrote is compared, and never shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from pushpull.catalogue.audit.facts import FEWEST, Catalogue
from pushpull.catalogue.audit.findings import Finding, Severity, UnservedNeed
from pushpull.catalogue.similarity import IS_ABOUT, ContentModel, Matrix

NOT_NEEDED = "not-needed"

#: Wishes compared at once: memory stays small however many there are.
_BATCH = 100
#: Learners with a wish, from which it means something that nobody wishes for an item.
_FEWEST_WISHING = 20


def match_needs(catalogue: Catalogue) -> tuple[tuple[UnservedNeed, ...], tuple[Finding, ...]]:
    """Compare wishes and items.

    Returns:
        What nobody serves, most wanted first; items that nobody wishes for and hardly anybody uses.
    """
    wishes = catalogue.wishes or {}
    if not wishes:
        return (), ()
    if not catalogue.items:
        return tuple(_unserved(wishes, np.zeros(len(wishes), dtype=np.float32))), ()
    model = ContentModel.with_meaning(
        [each.text for each in catalogue.items], [each.language for each in catalogue.items]
    )
    words = list(wishes)
    nearest_item = np.zeros(len(words), dtype=np.float32)
    nearest_wish = np.zeros(len(catalogue.items), dtype=np.float32)
    for start in range(0, len(words), _BATCH):
        near = model.similarity(words[start : start + _BATCH])
        nearest_item[start : start + len(near)] = near.max(axis=1)
        np.maximum(nearest_wish, near.max(axis=0), out=nearest_wish)
    return tuple(_unserved(wishes, nearest_item)), tuple(_not_needed(catalogue, nearest_wish))


def _unserved(wishes: Mapping[str, int], nearest: Matrix) -> list[UnservedNeed]:
    found = [
        UnservedNeed(words, count)
        for (words, count), near in zip(wishes.items(), nearest, strict=True)
        if near < IS_ABOUT and count >= FEWEST
    ]
    return sorted(found, key=lambda each: (-each.learners, each.words))


def _not_needed(catalogue: Catalogue, nearest: Matrix) -> Iterator[Finding]:
    if catalogue.wishing < _FEWEST_WISHING:
        return
    for each, near in zip(catalogue.items, nearest, strict=True):
        if near < IS_ABOUT and each.reach < FEWEST and each.part_of is None:
            words = (
                "it fits nothing that anybody aims for or needs, and hardly anybody uses it: say what need it serves, "
                "or take it out"
            )
            yield Finding(each.key, NOT_NEEDED, Severity.NOTE, words)
