"""Items that say the same, or nearly: people who have taken one are offered the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pushpull.catalogue.audit.facts import Catalogue, Item
from pushpull.catalogue.audit.findings import Finding, Severity
from pushpull.catalogue.audit.wording import base
from pushpull.catalogue.similarity import ContentModel

DUPLICATE, NEAR_DUPLICATE = "duplicate", "near-duplicate"

#: Similarity of words from which two descriptions are the same to a reader.
ALIKE = 0.8
#: Of a group, so many others are named.
_NAMED = 5


def twins(catalogue: Catalogue) -> Iterator[Finding]:
    """Duplicates, word for word, and near ones. Parts of the same item may be alike, and so may translations."""
    for members in _same(catalogue.items):
        for each in members:
            yield _finding(each, members, DUPLICATE, Severity.ERROR, "it says word for word what these say")
    one_of_each = [next(iter(group)) for group in _by_words(catalogue.items).values()]
    if len(one_of_each) < 2:
        return
    model = ContentModel([each.text for each in one_of_each])
    groups: defaultdict[tuple[int, str, str | None], list[Item]] = defaultdict(list)
    for each, number in zip(one_of_each, model.twins(threshold=ALIKE).tolist(), strict=True):
        groups[number, base(each.language or ""), each.part_of].append(each)
    for (_, _, part_of), members in groups.items():
        if len(members) > 1 and part_of is None:
            for each in members:
                yield _finding(each, members, NEAR_DUPLICATE, Severity.WARNING, "it says nearly what these say")


def _words(item: Item) -> tuple[str, str, str, str | None]:
    said = " ".join((item.summary or "").casefold().split())
    return " ".join(item.title.casefold().split()), said, base(item.language or ""), item.part_of


def _by_words(items: Sequence[Item]) -> dict[tuple[str, str, str, str | None], list[Item]]:
    groups: defaultdict[tuple[str, str, str, str | None], list[Item]] = defaultdict(list)
    for each in items:
        groups[_words(each)].append(each)
    return groups


def _same(items: Sequence[Item]) -> Iterator[list[Item]]:
    for members in _by_words(items).values():
        if len(members) > 1 and members[0].part_of is None:
            yield members


def _finding(item: Item, members: Sequence[Item], rule: str, severity: Severity, words: str) -> Finding:
    others = [each.key for each in members if each.key != item.key]
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    said = f"{words}: {', '.join(others[:_NAMED])}{more}; keep the one that is used most, and lead the others there"
    return Finding(item.key, rule, severity, said, {"others": others[:_NAMED], "count": len(others)})
