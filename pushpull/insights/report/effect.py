"""Did it help? The comparison with those held out, as a report prints it, with what could have been found.

How uplift is estimated lives in :mod:`pushpull.insights.uplift`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from pushpull.insights.proportions import detectable_effect
from pushpull.insights.report.chart_effect import Estimate
from pushpull.insights.report.gate import FEWEST_IN_ARM, FEWEST_IN_ARM_SO_FAR, Effect, Gate
from pushpull.insights.uplift import Uplift


@dataclass(frozen=True, slots=True)
class Helped:
    """What may be said of the effect.

    Args:
        estimates: ways of looking at the same comparison.
        said: the one that speaks; None: nothing can be said.
        treated, holdout: about how many people on each side; None: too few to be shown.
        detectable: the smallest true rise, in whole points, that would have shown in four of five cases; None: unknown.
        is_final: the campaign is over, and nothing more is counted.
        why_not: why nothing can be told; empty where something can.
    """

    estimates: Sequence[Estimate]
    said: Estimate | None
    treated: int | None
    holdout: int | None
    detectable: int | None
    is_final: bool
    why_not: str = ""

    @property
    def effect(self) -> Effect | None:
        """What is said."""
        return self.said.effect if self.said else None


def helped(found: Uplift, gate: Gate) -> Helped:
    """The effect of a campaign on completing it.

    Before the day of decision the interval that holds at every look speaks; on it, the adjusted one, else the plain.
    """
    measured = found.primary
    sides = (measured.treated.people, measured.holdout.people)
    treated, holdout = gate.people(sides[0], "side|treated"), gate.people(sides[1], "side|holdout")
    rise = measured.detectable
    if rise is None and measured.holdout.mean is not None:
        baseline = round(20 * measured.holdout.mean) / 20  # as coarse as what is printed
        rise = detectable_effect(treated or 0, holdout or 0, baseline=baseline)
    detectable = None if rise is None else ceil(100 * rise)
    rows = (
        ("Unadjusted", "plain difference", measured.difference, measured.interval),
        ("Adjusted", "for what was before the start", measured.adjusted_difference, measured.adjusted_interval),
        ("At every look", "adjusted, and safe to peek at", measured.adjusted_difference, measured.sequential_interval),
    )
    means = (measured.treated.mean, measured.holdout.mean)
    shares = None if means[0] is None or means[1] is None else (means[0], means[1])
    estimates = []
    for name, words, value, interval in rows:
        if value is None or interval is None or measured.difference is None:
            continue
        effect = gate.effect(
            value,
            interval,
            plain=measured.difference,
            sides=sides,
            cell="effect",
            is_final=found.is_final,
            shares=shares,
        )
        if effect is not None:
            estimates.append(Estimate(name, words, effect))
    by_name = {each.name: each for each in estimates}
    said = by_name.get("At every look")
    if found.is_final or said is None:
        said = by_name.get("Adjusted") or by_name.get("Unadjusted")
    why_not = ""
    if not estimates:
        few = "held out" if sides[1] <= sides[0] else "written to"
        why_not = f"fewer than {FEWEST_IN_ARM} people were {few}: so few say more of themselves than of an effect"
        if min(sides) >= FEWEST_IN_ARM:
            why_not = f"fewer than {FEWEST_IN_ARM_SO_FAR} people were {few}: of so few nothing is said before the end"
    return Helped(estimates, said, treated, holdout, detectable, found.is_final, why_not)
