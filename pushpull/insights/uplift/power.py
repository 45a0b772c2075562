"""What a comparison can show, said before anybody is written to: the rise, and what it takes for five points.

The method is that of :func:`pushpull.insights.proportions.detectable_effect`. What is known from before the start
shrinks the variance by the share it explains, which is worth as much as so many more people (Deng et al., 2013, section
3.2: the variance of the adjusted difference is ``1 - ρ²`` of the plain one's).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import ceil

from sqlalchemy import Connection

from pushpull.insights.proportions import detectable_effect
from pushpull.insights.small_numbers import FEWEST
from pushpull.insights.uplift.estimates import explained
from pushpull.insights.uplift.measure import question_of
from pushpull.insights.uplift.people import Outcome, people

#: The rise that is asked about, as a fraction of 1: five percentage points.
AIM = 0.05
#: A campaign holds out half of its people at most.
MOST_HELD_OUT = 0.5
#: No company has more people than this; beyond it nothing is looked for.
_MOST_PEOPLE = 10_000_000


@dataclass(frozen=True, slots=True)
class Power:
    """What groups of these sizes can show.

    Args:
        baseline: the share that completes without messages.
        explained: the share of the differences between people that what was before the start explains, 0 to 1.
        detectable: the rise that shows in four cases of five, as a fraction of 1; None: no rise does.
        plain: the same without adjustment.
        holdout_needed: the smallest share to hold out of so many people for :data:`AIM` to show; None: none does.
        people_needed: how many people it takes at the share that is held out; None: nobody is, or no number does.
    """

    treated: int
    held_out: int
    baseline: float
    explained: float
    detectable: float | None
    plain: float | None
    holdout_needed: float | None
    people_needed: int | None

    @property
    def is_enough(self) -> bool:
        """Whether five points would show."""
        return self.detectable is not None and self.detectable <= AIM


def power(treated: int, held_out: int, *, baseline: float, explained: float = 0.0) -> Power:
    """What a comparison of two groups can show.

    Args:
        baseline: the share that completes without messages, 0 to 1.
        explained: see :class:`Power`; taken for 95 % where it is more.
    """
    worth = 1 / (1 - min(0.95, max(0.0, explained)))

    def shows(first: float, second: float, gain: float = worth) -> float | None:
        return detectable_effect(round(first * gain), round(second * gain), baseline=baseline)

    def is_aim(first: float, second: float) -> bool:
        rise = shows(first, second)
        return rise is not None and rise <= AIM

    everybody = treated + held_out
    shares = (number / 100 for number in range(1, round(100 * MOST_HELD_OUT) + 1))
    needed = next((share for share in shares if is_aim(everybody * (1 - share), everybody * share)), None)
    people_needed = None
    if treated and held_out:
        share = held_out / everybody
        low, high = 1, _MOST_PEOPLE
        while low < high:  # the more people, the smaller the rise that shows
            middle = (low + high) // 2
            low, high = (low, middle) if is_aim(middle * (1 - share), middle * share) else (middle + 1, high)
        people_needed = _rounded(low) if low < _MOST_PEOPLE else None
    return Power(
        treated,
        held_out,
        baseline,
        explained,
        shows(treated, held_out) if min(treated, held_out) >= FEWEST else None,
        shows(treated, held_out, 1.0) if min(treated, held_out) >= FEWEST else None,
        needed,
        people_needed,
    )


def _rounded(count: int) -> int:
    """Up to two figures: more would claim to be exact."""
    step = int(10 ** max(0, len(str(count)) - 2))
    return ceil(count / step) * step


def explained_before(connection: Connection, campaign_key: str, *, as_of: datetime) -> float:
    """The share of the differences in completion that activity before its start explained in a campaign, 0 to 1.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    found = people(connection, question_of(connection, campaign_key, as_of=as_of))
    sides = (int(found.is_treated.sum()), int((~found.is_treated).sum()))
    if min(sides) < FEWEST:
        return 0.0
    return explained(found.outcomes[Outcome.COMPLETED_ALL][:, -1], found.is_treated, found.before)
