"""Did it help? The comparison with those held out, as a report prints it: blurred, with what could have been found.

How uplift is estimated lives in :mod:`pushpull.insights.funnel` (the plain difference) and beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from pushpull.insights.funnel import Funnel
from pushpull.insights.proportions import detectable_effect
from pushpull.insights.report.chart_effect import Estimate
from pushpull.insights.report.gate import FEWEST_IN_ARM, Effect, Gate


@dataclass(frozen=True, slots=True)
class Helped:
    """What may be said of the effect.

    Args:
        estimates: ways of looking at the same comparison; the last one is what is said.
        treated, holdout: about how many people on each side; None: too few to be shown.
        detectable: the smallest rise, in whole points, that sides of this size find in four of five cases; None: not
            even a rise to everybody.
        why_not: why there is no estimate; empty where there is one.
    """

    estimates: Sequence[Estimate]
    treated: int | None
    holdout: int | None
    detectable: int | None
    why_not: str = ""

    @property
    def effect(self) -> Effect | None:
        """What is said."""
        return self.estimates[-1].effect if self.estimates else None


def helped(path: Funnel, gate: Gate, *, more: Sequence[Estimate] = ()) -> Helped:
    """The effect of a campaign.

    Args:
        path: its funnel, for the plain difference.
        more: estimates that take more into account, the one to be said last.
    """
    compared = path.comparison
    sides = (compared.treated.total, compared.holdout.total)
    treated, holdout = gate.people(sides[0], "side|treated"), gate.people(sides[1], "side|holdout")
    baseline = round(20 * (compared.holdout.share or 0.0)) / 20  # as coarse as what is printed
    rise = detectable_effect(treated or 0, holdout or 0, baseline=baseline)
    detectable = None if rise is None else ceil(100 * rise)
    plain = (
        gate.effect(compared.difference, compared.interval, sides=sides, cell="effect|plain")
        if compared.difference is not None and compared.interval is not None
        else None
    )
    if plain is None:
        few = "held out" if sides[1] <= sides[0] else "written to"
        why = f"fewer than {FEWEST_IN_ARM} people were {few}: a difference of so few would say more of them than of it"
        return Helped((), treated, holdout, detectable, why)
    listed = [Estimate("Unadjusted", "plain difference", plain), *more]
    return Helped(listed, treated, holdout, detectable)
