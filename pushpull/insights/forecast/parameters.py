"""What the learners of a forecast are assumed to be like: each number with where it comes from and how sure it is.

A number is a share (Beta) or a factor on what is assumed of everybody (Gamma). Both are conjugate: what was seen is
added to what is assumed, as if that had been seen so many times before. Every simulated run draws its own, so that a
forecast's intervals hold what is not known of the people besides what is chance.

Source: A. Gelman et al., "Bayesian data analysis", 3rd edition, 2013, sections 2.4 and 2.6; for observed over expected
counts D. Clayton and J. Kaldor, "Empirical Bayes estimates of age-standardized relative risks", 1987.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from pushpull.insights.simulate.temperament import ASSUMED, Behaviour
from pushpull.learners.vocabulary import Channel

#: A factor that is assumed counts as so many events seen: right within about ± 40 % in 19 of 20 cases.
ASSUMED_EVENTS: Final = 25.0
#: A share that is assumed counts as so many people seen.
ASSUMED_PEOPLE: Final = 100.0
#: The mix of temperaments that is assumed counts as so many people seen.
ASSUMED_MIX: Final = 60.0

OWN_PAST: Final = "own past"
DEFAULT: Final = "default"
_MOST: Final = 0.98


class Kind(StrEnum):
    """What a parameter is."""

    SHARE = "share"  # Beta(a, b)
    FACTOR = "factor"  # Gamma with shape a and rate b
    WEIGHT = "weight"  # one part of a Dirichlet: Gamma with shape a and rate 1, over the sum of all


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of a forecast.

    Args:
        name: e.g. ``clicks:email`` or ``reads on:ITEM/SECTION``.
        what: in words.
        assumed: what it is without any past.
        a, b: of its distribution.
        n: what it was estimated from: messages, clicks, days, sessions; 0: it is what is assumed.
    """

    name: str
    what: str
    kind: Kind
    assumed: float
    a: float
    b: float
    n: int = 0

    @property
    def source(self) -> str:
        """Where it comes from."""
        return f"{OWN_PAST}, n = {self.n:,}" if self.n else DEFAULT

    @property
    def mean(self) -> float:
        """Its expectation; of a weight, in people."""
        return self.a / (self.a + self.b) if self.kind is Kind.SHARE else self.a / self.b

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """The central interval that holds it with this probability."""
        from scipy import stats  # late: takes half a second

        tail = (1 - level) / 2
        of = stats.beta(self.a, self.b) if self.kind is Kind.SHARE else stats.gamma(self.a, scale=1 / self.b)
        return float(of.ppf(tail)), float(of.ppf(1 - tail))

    def drawn(self, rng: random.Random) -> float:
        """A value it may have."""
        if self.kind is Kind.SHARE:
            return rng.betavariate(self.a, self.b)
        return rng.gammavariate(self.a, 1 / self.b)

    def seen(self, events: float, expected: float, *, n: int) -> Parameter:
        """It, after so many events (of a share: people who did) where so many were expected (people who did not)."""
        return replace(self, a=self.a + events, b=self.b + expected, n=n) if n else self


def a_factor(name: str, what: str) -> Parameter:
    """A factor on what is assumed: 1 until something is seen."""
    return Parameter(name, what, Kind.FACTOR, 1.0, ASSUMED_EVENTS, ASSUMED_EVENTS)


def a_share(name: str, what: str, assumed: float, *, people: float = ASSUMED_PEOPLE) -> Parameter:
    """A share of people, or of occasions."""
    assumed = min(max(assumed, 0.001), 0.999)
    return Parameter(name, what, Kind.SHARE, assumed, assumed * people, (1 - assumed) * people)


def section_name(item_key: str, section_key: str) -> str:
    """The name of the parameter that says how many read on after a section."""
    return f"reads on:{item_key}/{section_key}"


@dataclass(frozen=True)
class Parameters:
    """All of them.

    Args:
        of: by no particular order; sections only where something is known of them.
        sections: item and section of the parameters named so.
        stamina: the probability of reading on that is assumed of those who read, which sections are measured against.
    """

    of: tuple[Parameter, ...]
    sections: tuple[tuple[str, str], ...] = ()
    stamina: float = 0.73

    def __getitem__(self, name: str) -> Parameter:
        return next(each for each in self.of if each.name == name)

    @property
    def known(self) -> int:
        """How many come from the own past."""
        return sum(each.n > 0 for each in self.of)

    def behaviour(self, rng: random.Random | None = None) -> Behaviour:
        """How the learners of one run behave.

        Args:
            rng: draws every parameter anew; None: everything is as expected.
        """
        value = {each.name: each.drawn(rng) if rng else each.mean for each in self.of}
        people = sum(value[f"mix:{each.name}"] for each in ASSUMED.temperaments)
        kinds = tuple(
            replace(
                each,
                share=100 * value[f"mix:{each.name}"] / people,
                sits_down=min(_MOST, each.sits_down * value["sits down"]),
                returns=min(_MOST, each.returns * value["returns"]),
                forgets=each.forgets * value["forgets"],
                discovers=min(_MOST, each.discovers * value["discovers"]),
                opts_out=min(_MOST, each.opts_out * value["opts out"]),
                hesitates=each.hesitates * value["hesitates"],
            )
            for each in ASSUMED.temperaments
        )
        return Behaviour(
            temperaments=kinds,
            channel_pull={
                channel.value: ASSUMED.channel_pull[channel] * value[f"clicks:{channel.value}"] for channel in Channel
            },
            first_try_fails=value["first try fails"],
            dead_mailbox=value["dead mailbox"],
            minutes=value["minutes"],
            reads_on={each: value[section_name(*each)] / self.stamina for each in self.sections},
        )

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        rows = [{**asdict(each), "kind": each.kind.value, "source": each.source, "mean": each.mean} for each in self.of]
        return {"of": rows, "sections": [list(each) for each in self.sections], "stamina": self.stamina}


def assumed() -> Parameters:
    """What is assumed where there is no past: the numbers of :mod:`pushpull.insights.simulate`."""
    mix = ASSUMED.temperaments
    whole = sum(each.share for each in mix)
    return Parameters(
        (
            *(
                Parameter(
                    f"mix:{each.name}",
                    f"people who are {each.name}",
                    Kind.WEIGHT,
                    ASSUMED_MIX * each.share / whole,
                    ASSUMED_MIX * each.share / whole,
                    1.0,
                )
                for each in mix
            ),
            *(a_factor(f"clicks:{each.value}", f"follows the link of a message over {each.value}") for each in Channel),
            a_factor("sits down", "begins to learn after following a link"),
            a_factor("returns", "comes back unasked on a day right after learning"),
            a_factor("forgets", "days until coming back unasked has become rare"),
            a_factor("discovers", "comes a first time without any message"),
            a_factor("opts out", "opts out at a message"),
            a_factor("hesitates", "time from message to reaction"),
            a_factor("minutes", "time a section takes"),
            a_share("first try fails", "very first sessions that go wrong", ASSUMED.first_try_fails),
            a_share("dead mailbox", "mailboxes that bounce", ASSUMED.dead_mailbox),
        )
    )


def parameters_of(stored: dict[str, Any]) -> Parameters:
    """As they were stored."""
    fields = ("name", "what", "assumed", "a", "b", "n")
    of: Sequence[Parameter] = [
        Parameter(kind=Kind(row["kind"]), **{name: row[name] for name in fields}) for row in stored["of"]
    ]
    sections = tuple((item, section) for item, section in stored["sections"])
    return Parameters(tuple(of), sections, stored["stamina"])
