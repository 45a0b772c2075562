"""Over which channel somebody responds: followed links per message, shrunken towards what everybody does.

Five messages and one click are no rate of 20 %. Rates are Beta-Binomial (A. Gelman et al., "Bayesian Data Analysis",
3rd ed. 2013, sections 2.4 and 5.3): the company's own rate stands in for :data:`PRIOR_MESSAGES` messages. How sure it
is that one channel is better than another is read from the normal approximation of both posteriors (section 4.1 there).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pushpull.learners.signature.events import ENOUGH, Sent

#: What the company's rate counts for, in messages.
PRIOR_MESSAGES: Final = 4.0
#: How sure it must be that no other channel is better.
SURE: Final = 0.95
#: Of so many followed links, decayed, nothing is concluded from less.
_SOME_ANSWERS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of somebody of whom nothing is known.

    Args:
        rate: followed links per message over all channels, above 0 and below 1.
    """

    rate: float = 0.1

    @classmethod
    def of_all(cls, sent: float, answered: float) -> Expected:
        """The rate of a whole company, kept away from 0 and 1 by one click in ten messages."""
        return cls((answered + 1) / (sent + 10))


@dataclass(frozen=True, slots=True)
class _Rate:
    channel: str
    mean: float
    variance: float


def responsive(sent: Iterable[Sent], expected: Expected) -> tuple[str, float, float] | None:
    """The channel over which somebody responds.

    Where they were written to over one channel only, it is known when they respond there more than people do.

    Args:
        sent: one for each channel over which they were reached.

    Returns:
        The channel, the probability that none is better, and the evidence in messages of today; None where it cannot
        be told.
    """
    known = sorted((each for each in sent if each.weight > 0), key=lambda each: each.channel)
    evidence = sum(each.weight for each in known)
    if evidence < ENOUGH:
        return None
    rates = sorted((_rate(each, expected) for each in known), key=lambda each: (-each.mean, each.channel))
    best = rates[0]
    answered = next(each.answered for each in known if each.channel == best.channel)
    if answered < _SOME_ANSWERS:
        return None
    rivals = rates[1:] or [_rate(Sent("", 0.0, 0.0), expected)]
    sure = min(_is_better(best, each) for each in rivals)
    return (best.channel, sure, evidence) if sure >= SURE else None


def _rate(sent: Sent, expected: Expected) -> _Rate:
    yes = min(sent.answered, sent.weight) + expected.rate * PRIOR_MESSAGES
    total = sent.weight + PRIOR_MESSAGES
    mean = yes / total
    return _Rate(sent.channel, mean, mean * (1 - mean) / (total + 1))


def _is_better(one: _Rate, other: _Rate) -> float:
    return normal_cdf((one.mean - other.mean) / math.sqrt(one.variance + other.variance))


def most(shares: Sequence[tuple[str, float]], n: float) -> tuple[str, float, float] | None:
    """The most frequent of several values, if it is surely so.

    The difference of two shares of one sample has the variance (p + q - (p - q)²)/n.

    Args:
        shares: of each value, adding up to 1.
        n: effective number of observations.

    Returns:
        The value, its share, and the probability that it is the most frequent; None where it cannot be told.
    """
    ranked = sorted(shares, key=lambda each: (-each[1], each[0]))
    if not ranked or n <= 0:
        return None
    value, share = ranked[0]
    next_best = ranked[1][1] if len(ranked) > 1 else 0.0
    variance = (share + next_best - (share - next_best) ** 2) / n
    sure = 1.0 if variance <= 0 else normal_cdf((share - next_best) / math.sqrt(variance))
    return (value, share, sure) if sure >= SURE else None


def normal_cdf(z: float) -> float:
    """P(Z ≤ z) of the standard normal distribution."""
    return 0.5 * math.erfc(-z / math.sqrt(2))
