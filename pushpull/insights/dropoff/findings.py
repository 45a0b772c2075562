"""What the search for places where people leave comes to, as values. Nothing is computed here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pushpull.insights.proportions import Interval


class Remedy(StrEnum):
    """What may be done about a section."""

    FIX_LINK = "fix_link"
    SPLIT = "split"
    SHORTEN = "shorten"
    CUT = "cut"
    ADD_HELPER = "add_helper"


@dataclass(frozen=True, slots=True)
class SectionFigures:
    """One section and who left there.

    Args:
        place: where in its item it usually comes, 0 (first) to 1 (last).
        reached: learners who were there; None below the smallest number that is shown.
        leavers: learners who left there, shared where several sections were the last ones of the same moment; None
            below the smallest number that is shown.
        expected: how many of them would have left at an ordinary section of this kind and place; None where it was
            not compared.
        interval: of the share that left, Wilson 95 %; None where `leavers` is.
    """

    item_key: str
    item_title: str
    key: str
    title: str
    kind: str | None
    place: float
    reached: int | None
    leavers: float | None
    expected: float | None
    interval: Interval | None

    @property
    def share(self) -> float | None:
        """The part of those who reached it that left there; None where that is not shown."""
        return None if self.leavers is None or not self.reached else self.leavers / self.reached


@dataclass(frozen=True, slots=True)
class HotSpot:
    """A section from which more people leave than its kind, place and item explain.

    Args:
        excess: leavers beyond the expected ones.
        excess_interval: 95 %.
        p_value: of so many leavers or more, were it an ordinary section.
        q_value: after Benjamini and Hochberg, over all sections that were compared.
        remedy, proposal: what may be done about it, and in words why.
    """

    section: SectionFigures
    excess: float
    excess_interval: Interval
    p_value: float
    q_value: float
    remedy: Remedy
    proposal: str


@dataclass(frozen=True)
class DropOff:
    """Where people leave the items of a campaign, or one item.

    Args:
        subject: key of the campaign, or of the item.
        learners: who were seen in a section at all.
        spots: worst first, by excess.
        sections: all of them but navigation, by item and place.
        navigation: item and key of the pages that only lead to others; they are never blamed.
        reason: why nothing can be said; None where it can. No spots and no reason: nothing stands out.
    """

    subject: str
    as_of: datetime
    learners: int
    spots: tuple[HotSpot, ...]
    sections: tuple[SectionFigures, ...]
    navigation: tuple[tuple[str, str], ...]
    reason: str | None = None
