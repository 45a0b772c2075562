"""Rules about how an item is built: its length, its parts, what it requires, its age."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import ceil

from pushpull.catalogue.audit.facts import Catalogue, Item
from pushpull.catalogue.audit.findings import Evidence, Finding, Severity

#: Minutes above which an item hardly fits between two meetings.
LONG = 30.0
#: Minutes that a part of a split item should take at most.
PART = 15.0
#: Minutes from which an item without sections cannot be left and taken up again.
_NEEDS_SECTIONS = 15.0
#: Days without a change after which an item is looked at again.
STALE_DAYS = 3 * 365

BROKEN_PREREQUISITE = "broken-prerequisite"


def too_long(item: Item) -> Evidence | None:
    """It takes longer than people have at once."""
    if item.minutes is None or item.minutes <= LONG or item.has_parts:
        return None
    figures: dict[str, str | int | float | list[str]] = {"minutes": round(item.minutes, 1)}
    parts = split(item)
    if not parts:
        return Evidence(f"it takes {item.minutes:.0f} minutes: give it sections, and split it along them", figures)
    figures["parts"] = parts
    return Evidence(f"it takes {item.minutes:.0f} minutes: split it into {len(parts)}: {'; '.join(parts)}", figures)


def split(item: Item) -> list[str]:
    """How a long item may be cut along its sections, in pieces of :data:`PART` minutes or as near as sections allow.

    Sections are taken to be equally long: nothing says otherwise.
    """
    count = len(item.sections)
    pieces = min(count, ceil((item.minutes or 0.0) / PART))
    if pieces < 2:
        return []
    edges = [round(piece * count / pieces) for piece in range(pieces + 1)]
    return [
        item.sections[start] if end - start == 1 else f"{item.sections[start]} – {item.sections[end - 1]}"
        for start, end in pairwise(edges)
    ]


def no_sections(item: Item) -> Evidence | None:
    """It has no parts that somebody could come back to."""
    if item.sections or item.has_parts or item.minutes is None or item.minutes < _NEEDS_SECTIONS:
        return None
    words = f"it takes {item.minutes:.0f} minutes and has no sections: nobody can take it up where they stopped"
    return Evidence(words, {"minutes": round(item.minutes, 1)})


def stale(item: Item, catalogue: Catalogue) -> Evidence | None:
    """It has not changed for years."""
    days = (catalogue.as_of - item.changed_at).days
    if days < STALE_DAYS:
        return None
    years = round(days / 365.25, 1)
    words = f"it has not changed since {item.changed_at:%Y-%m-%d}: say that it still holds, or rewrite it"
    return Evidence(words, {"changed_on": f"{item.changed_at:%Y-%m-%d}", "years": years})


def broken_prerequisites(catalogue: Catalogue) -> Iterator[Finding]:
    """Items that require something nobody can complete: unknown, no longer offered, or themselves in a circle."""
    requires = {each.key: each.requires for each in catalogue.items if each.requires}
    for each in catalogue.items:
        unknown = [key for key in each.requires if key not in catalogue.keys]
        withdrawn = [key for key in unknown if key in catalogue.inactive]
        missing = [key for key in unknown if key not in catalogue.inactive]
        words = [f"it requires {key}, which is no longer offered" for key in withdrawn]
        words += [f"it requires {key}, which the catalogue does not have" for key in missing]
        figures: dict[str, str | int | float | list[str]] = {}
        if unknown:
            figures["missing"] = sorted(unknown)
        circle = _circle(each.key, requires)
        if circle:
            words.append(f"it requires itself: {' → '.join(circle)}")
            figures["circle"] = circle
        if words:
            yield Finding(each.key, BROKEN_PREREQUISITE, Severity.ERROR, "; ".join(words), figures)


def _circle(key: str, requires: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The shortest way from an item back to itself; empty where there is none."""
    ways, seen = [[key]], {key}
    while ways:
        further = []
        for way in ways:
            for required in requires.get(way[-1], ()):
                if required == key:
                    return [*way, key]
                if required not in seen:
                    seen.add(required)
                    further.append([*way, required])
        ways = further
    return []
