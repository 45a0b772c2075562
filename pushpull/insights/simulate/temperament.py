"""What kind of person a simulated learner is, and how all of them behave.

The numbers here are invented, chosen so that a funnel looks alive. A forecast puts what a company's own past says in
their place (:mod:`pushpull.insights.forecast`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

from pushpull.learners.vocabulary import Channel

#: How much likelier a message on the channel is to be followed than the average one.
CHANNEL_PULL: Mapping[str, float] = {Channel.EMAIL: 0.9, Channel.TEAMS: 1.15, Channel.SLACK: 1.1, Channel.SMS: 1.2}

#: Each message of the last two weeks makes the next one this much less interesting.
FATIGUE = 0.93
FATIGUE_DAYS = timedelta(days=14)

#: Nobody reacts to a message later than this.
LATEST_REACTION = timedelta(hours=40)

#: A first session that goes wrong (mission L6).
FIRST_TRY_FAILS = 0.08
#: A mailbox that bounces.
DEAD_MAILBOX = 0.012
#: Days on which people come by themselves: working days, and hardly ever at weekends.
WEEKEND = 0.15


@dataclass(frozen=True)
class Temperament:
    """One kind of person.

    Args:
        share: how many people are of this kind, as a weight.
        clicks: probability of following the link of a message.
        sits_down: probability that following a link becomes a session.
        stamina: probability of reading on after each section.
        returns: probability per day of coming back unasked, right after being active …
        forgets: … which shrinks to a third after so many days.
        discovers: probability per day of coming without any message.
        opts_out: probability of opting out of the channel, per message.
        hesitates: median hours from message to reaction.
    """

    name: str
    share: float
    clicks: float
    sits_down: float
    stamina: float
    returns: float
    forgets: float
    discovers: float
    opts_out: float
    hesitates: float


TEMPERAMENTS = (
    Temperament("keen", 17, 0.54, 0.86, 0.82, 0.50, 9.0, 0.0030, 0.0004, 0.7),
    Temperament("busy", 25, 0.15, 0.68, 0.66, 0.34, 7.0, 0.0006, 0.0015, 4.0),
    Temperament("forgetful", 16, 0.15, 0.72, 0.68, 0.18, 4.0, 0.0005, 0.0004, 16.0),
    Temperament("sceptic", 27, 0.02, 0.45, 0.50, 0.08, 4.0, 0.0002, 0.0030, 3.0),
    Temperament("absent", 15, 0.004, 0.40, 0.35, 0.04, 3.0, 0.0001, 0.0006, 8.0),
)


@dataclass(frozen=True)
class Behaviour:
    """How simulated learners behave: the kinds of people there are, and what holds for all of them.

    Args:
        channel_pull: how much likelier a message on a channel is to be followed than the average one.
        first_try_fails: probability that somebody's very first session goes wrong.
        dead_mailbox: share of people whose mailbox bounces.
        minutes: how long a section takes, as a multiple of what is assumed.
        reads_on: what the probability of reading on after a section is multiplied by, by keys of item and section;
            sections that are not named are hard or not, as the seed says.
    """

    temperaments: tuple[Temperament, ...] = TEMPERAMENTS
    channel_pull: Mapping[str, float] = field(default_factory=lambda: CHANNEL_PULL)
    first_try_fails: float = FIRST_TRY_FAILS
    dead_mailbox: float = DEAD_MAILBOX
    minutes: float = 1.0
    reads_on: Mapping[tuple[str, str], float] = field(default_factory=dict)


#: What is assumed where nothing is known.
ASSUMED = Behaviour()


@lru_cache(maxsize=65536)
def temperament_of(draw: int, *, seed: int, of: tuple[Temperament, ...] = TEMPERAMENTS) -> Temperament:
    """The hidden kind of a learner: the same for the same seed, draw and kinds."""
    rng = random.Random(f"temperament:{seed}:{draw}")
    return rng.choices(of, weights=[each.share for each in of])[0]
