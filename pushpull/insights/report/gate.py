"""What of a count may be printed in a report: the only way from exact counts to a page.

A report is not the ledger: it is passed on, kept, and laid beside last week's. So counts of people in it obey the rules
of :mod:`pushpull.insights.groups`: blurred by chance before they are rounded, always alike for the same count of the
same thing, and nothing said of fewer than five. Every printed count is a multiple of five, so no sum or difference of
them, of one report or of many, is ever a count of one to four; and none tells more than that one thing somebody did is
at most twice as likely. None and few look alike. Parts of a whole are hidden in twos
(:mod:`pushpull.insights.small_numbers`). Exact counts are for those who run a campaign, in its waves' pages.

Sources: as in :mod:`pushpull.insights.groups` and :mod:`pushpull.insights.groups.blur`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from pushpull.insights.groups.blur import VARIANCE, blurred, rounded
from pushpull.insights.groups.figures import Rules
from pushpull.insights.proportions import Z_95, Interval
from pushpull.insights.report.markup import number
from pushpull.insights.small_numbers import FEWEST, shown

#: Of a side with fewer people no effect is told.
FEWEST_IN_ARM: Final = 20
#: Nor while a campaign goes on, and reports can be laid beside each other: the blur would be a good part of it.
FEWEST_IN_ARM_SO_FAR: Final = 100
#: Far from zero, below which the blur does not go.
_FAR: Final = 1 << 20
TOO_FEW: Final = f"fewer than {FEWEST}"


@dataclass(frozen=True, slots=True)
class Gate:
    """One campaign's.

    Args:
        rules: the installation's.
        campaign: its key.
    """

    rules: Rules
    campaign: str

    def people(self, count: int, cell: str) -> int | None:
        """About how many.

        Args:
            count: exactly how many.
            cell: what is counted, the same for the same thing in every report.

        Returns:
            A multiple of five; None where that would be less than five. By what would be shown, not by what is true:
            that a number is missing must not tell more than the number.
        """
        about = rounded(blurred(count, cell=f"report|{self.campaign}|{cell}", key=self.rules.key))
        return about if about >= self.rules.fewest else None

    def engagement(self, count: int, cell: str) -> int | None:
        """As :meth:`people`, of how people learn: not shown at all under an agreement with a works council."""
        return None if self.rules.works_council else self.people(count, cell)

    def sizes(self, counts: Mapping[str, int], cell: str) -> dict[str, int | None]:
        """How many people each part of a whole has: of fewer than five nothing, and what is hidden cannot be had from
        the whole. Who belongs to which part is no secret, so this goes by what is true."""
        visible = shown(list(counts.values()), fewest=self.rules.fewest)
        return {
            name: None if seen is None else self.people(count, f"{cell}|{name}")
            for (name, count), seen in zip(counts.items(), visible, strict=True)
        }

    def parts(self, counts: Mapping[str, int], cell: str, *, of: Mapping[str, int | None]) -> dict[str, int | None]:
        """How many people of each part did something.

        Args:
            of: about how many people each part has: nothing is said of a part that is not shown, nor where all but a
                few did it, since that tells of each of them.
        """
        found: dict[str, int | None] = {}
        for name, count in counts.items():
            about, people = self.people(count, f"{cell}|{name}"), of[name]
            is_told = about is not None and people is not None and about <= people - self.rules.fewest
            found[name] = about if is_told else None
        visible = shown([about or 0 for about in found.values()], fewest=self.rules.fewest)
        return dict(zip(found, visible, strict=True))

    def effect(
        self,
        estimate: float,
        interval: Interval,
        *,
        plain: float,
        sides: Sequence[int],
        cell: str,
        is_final: bool,
        shares: Sequence[float] | None = None,
    ) -> Effect | None:
        """A difference of shares: exactly at the end, and until then blurred as much as the counts of both sides.

        The last one is told once, of groups that nobody knows their place in, and a verdict hangs on it: a blur could
        turn that around. Those before come week after week, and could be subtracted from each other.

        Args:
            estimate: the difference, as a fraction of 1.
            interval: of it; made wider by the blur.
            plain: the unadjusted difference: several estimates of one comparison are blurred alike.
            sides: people on each.
            cell: which comparison.
            is_final: the campaign is over, and nothing more is counted.
            shares: of each side, as fractions of 1. Blurred they are shares still: with nobody of those held out, the
                effect is not more than what all the others did.

        Returns:
            None: too few on a side.
        """
        if min(sides) < max(FEWEST_IN_ARM if is_final else FEWEST_IN_ARM_SO_FAR, self.rules.fewest):
            return None
        if is_final:
            return Effect(*(round(100 * each) for each in (estimate, interval.low, interval.high)))
        moved = estimate
        for side, people in enumerate(sides):
            what = f"report|{self.campaign}|{cell}|{side}|{people}|{plain:.12f}"
            told = blurred(_FAR, cell=what, key=self.rules.key) - _FAR
            shift = told / people
            if shares is not None:
                shift = max(-shares[side], min(1 - shares[side], shift))
            moved += (-1) ** side * shift
        noise = Z_95**2 * VARIANCE * sum(1 / people**2 for people in sides)
        below, above = sqrt((estimate - interval.low) ** 2 + noise), sqrt((interval.high - estimate) ** 2 + noise)
        return Effect(*(round(100 * max(-1.0, min(1.0, each))) for each in (moved, moved - below, moved + above)))


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference in whole percentage points, with its interval."""

    points: int
    low: int
    high: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{signed(self.points)} points (95 %: {signed(self.low)} to {signed(self.high)})"


def signed(points: float, digits: int = 0) -> str:
    """A difference with its sign: a true minus, and a plus."""
    text = f"{abs(points):.{digits}f}"
    if not float(text):
        return "0"
    return f"+{text}" if points > 0 else f"−{text}"


def words_of(count: int | None) -> str:
    """A printed count, in words where it is not shown."""
    return TOO_FEW if count is None else number(count)


def share_of(count: int | None, people: int | None) -> float | None:
    """About what share; None where one of both is not shown. Never above 1: both are blurred apart from each other."""
    return None if count is None or not people else min(1.0, count / people)
