"""What an audit of the catalogue comes to, as values. Nothing is judged here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

#: What a finding may rest on.
Figure = str | int | float | list[str]


class Severity(StrEnum):
    """How much a finding matters to somebody who chooses what to learn."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"

    @property
    def weight(self) -> int:
        """What it counts for in the rewrite queue."""
        return {Severity.NOTE: 1, Severity.WARNING: 3, Severity.ERROR: 9}[self]


class FindingState(StrEnum):
    """Where a finding stands."""

    OPEN = "open"
    GONE = "gone"  # the latest audit did not find it any more
    DISMISSED = "dismissed"  # a person said that it may stay so


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a rule applies to an item.

    Args:
        words: what was found, and what to do about it.
        figures: what that rests on; nothing of any learner.
    """

    words: str
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says of one item.

    Args:
        rule: id of the rule.
        words: what was found, and what to do about it.
        evidence: the figures and keys it rests on; nothing of any learner.
    """

    item_key: str
    rule: str
    severity: Severity
    words: str
    evidence: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """How an item is used.

    Args:
        reach: learners who ever started it; None below the smallest number that is shown, if it is not zero.
    """

    item_key: str
    title: str
    reach: int | None


@dataclass(frozen=True)
class Utilisation:
    """How use is spread over the catalogue.

    Args:
        items: active items.
        learners: active learners, the most any item can reach.
        usage: most used first.
        never_used: items that nobody ever started.
        top_share: part of all starts that the most used fifth of the items has, 0 to 1; None without a start.
        gini: 0 (all items used alike) to nearly 1 (one item has it all); None without a start.
    """

    items: int
    learners: int
    usage: tuple[Usage, ...]
    never_used: int
    top_share: float | None
    gini: float | None


@dataclass(frozen=True, slots=True)
class UnservedNeed:
    """What learners said they need or aim for, and no item is about.

    Args:
        words: one of the ways in which it was said, if enough people said just that; a tag or goal of HR's.
        learners: who said so, at least the smallest number that is shown.
    """

    words: str
    learners: int


@dataclass(frozen=True)
class Audit:
    """What was found in a catalogue.

    Args:
        lorenz: points of the Lorenz curve (share of items, share of starts), least used first, from (0, 0) to (1, 1).
        unserved: most wanted first.
    """

    as_of: datetime
    findings: tuple[Finding, ...]
    utilisation: Utilisation
    lorenz: tuple[tuple[float, float], ...]
    unserved: tuple[UnservedNeed, ...]
