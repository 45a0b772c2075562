"""A forecast's parameters, learned from the own past and shrunk to what is assumed where the past is thin.

People differ, and those who got a tenth message are not like those who got a first. So how often something happened is
held against how often it was to be expected of exactly these people: a mixture of the temperaments of
:mod:`pushpull.insights.simulate`, whose memberships are inferred from who followed links and came back. Which person is
of which kind is used here for a moment, and kept nowhere.

Sources: A. P. Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977
(here with priors: the posterior's mode); D. Clayton and J. Kaldor, "Empirical Bayes estimates of age-standardized
relative risks", 1987, for observed over expected counts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection

from pushpull.insights.forecast.parameters import (
    ASSUMED_EVENTS,
    ASSUMED_MIX,
    ASSUMED_PEOPLE,
    Parameter,
    Parameters,
    a_share,
    assumed,
    section_name,
)
from pushpull.insights.forecast.past import Past, PersonsPast, Sitting, read_past
from pushpull.insights.simulate.temperament import ASSUMED, FATIGUE, WEEKEND
from pushpull.learners.vocabulary import Channel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_DAY: Final = timedelta(days=1)
_ROUNDS: Final = 30
#: Sections with fewer readers than this who could have read on are left to what is assumed.
FEWEST_READERS: Final = 5
#: Factors on how fast people forget that are tried.
_FORGETS: Final = tuple(2 ** (step / 4) for step in range(-8, 9))
#: Spread of the time from message to reaction, on the scale of logarithms; as the simulation has it.
_HESITATION_SPREAD: Final = 0.8
_MINUTES_OF_A_SECTION: Final = 2.75


def learn(connection: Connection, *, as_of: datetime) -> Parameters:
    """Estimate what can be estimated; the rest stays as it is assumed.

    Args:
        as_of: what happened later (aware) is not looked at.
    """
    return learned(read_past(connection, as_of=as_of))


def learned(past: Past) -> Parameters:
    """The parameters of a past."""
    if past.first is None:
        return assumed()
    people = [each for each in past.people if each.received or each.sittings]
    if not people:
        return assumed()
    fit = _Fit(past, people)
    for _ in range(_ROUNDS):
        fit.improve()
    return fit.parameters()


@dataclass(frozen=True)
class _Days:
    """Days on which somebody could have come unasked.

    Args:
        who: number of the person.
        silent: days since they were last there; nan: never.
        weight: of the weekday.
        came: 1 where they did.
    """

    who: NDArray[np.int64]
    silent: Numbers
    weight: Numbers
    came: Numbers


class _Fit:
    """The mixture and what is multiplied, brought nearer to each other round by round."""

    def __init__(self, past: Past, people: list[PersonsPast]) -> None:
        import numpy as np

        self._np, self._past, self._people = np, past, people
        kinds = ASSUMED.temperaments
        self._kinds = kinds
        self._clicks = np.array([each.clicks for each in kinds])
        self._returns = np.array([each.returns for each in kinds])
        self._forgets = np.array([each.forgets for each in kinds])
        self._discovers = np.array([each.discovers for each in kinds])
        self._prior = np.array([each.share for each in kinds])
        self._prior = self._prior / self._prior.sum()
        got = [
            (number, message, (message.wave_id, message.rotation))
            for number, person in enumerate(people)
            if not person.bounced
            for message in person.received
        ]
        self._who = np.array([number for number, *_ in got], dtype=np.int64)
        self._channel = np.array([list(Channel).index(Channel(each.channel)) for _, each, _ in got], dtype=np.int64)
        self._earlier = np.array([each.earlier for _, each, _ in got], dtype=float)
        self._clicked = np.array([about in people[number].clicks for number, _, about in got], dtype=float)
        self._days = _days(past, people)
        self._mix = self._prior.copy()
        self._pull = np.ones(len(Channel))
        self._factor = {"returns": 1.0, "forgets": 1.0, "discovers": 1.0}
        self._forgets_weights = np.ones(len(_FORGETS)) / len(_FORGETS)
        self._kind = np.tile(self._prior, (len(people), 1))

    def improve(self) -> None:
        """One round: who is of which kind, given what is multiplied, and the other way round."""
        np = self._np
        belief = np.log(self._mix)[None, :].repeat(len(self._people), axis=0)
        follows = self._follows(self._pull)
        happened = self._clicked[:, None]
        np.add.at(belief, self._who, np.where(happened, np.log(follows), np.log1p(-follows)))
        comes = self._comes(self._factor["forgets"]) * self._unasked_factor()[:, None]
        np.add.at(belief, self._days.who, self._days.came[:, None] * np.log(comes) - comes)
        belief -= belief.max(axis=1, keepdims=True)
        kind = np.exp(belief)
        self._kind = kind / kind.sum(axis=1, keepdims=True)
        self._mix = self._prior * ASSUMED_MIX + self._kind.sum(axis=0)
        self._mix = self._mix / self._mix.sum()
        expected = (self._kind[self._who] * self._follows(np.ones(len(Channel)))).sum(axis=1)
        for number in range(len(Channel)):
            over = self._channel == number
            self._pull[number] = (ASSUMED_EVENTS + self._clicked[over].sum()) / (ASSUMED_EVENTS + expected[over].sum())
        self._improve_returns()

    def _improve_returns(self) -> None:
        np, days = self._np, self._days
        again = ~np.isnan(days.silent)
        came = days.came[again].sum()
        likely = []
        for forgets in _FORGETS:
            each = (self._kind[days.who] * self._comes(forgets)).sum(axis=1)[again]
            factor = (ASSUMED_EVENTS + came) / (ASSUMED_EVENTS + each.sum())
            seen = days.came[again] * np.log(each * factor) - each * factor
            # A factor of two either way is held to be as far off as two standard deviations.
            likely.append(seen.sum() - 0.5 * (math.log(forgets) / (math.log(2) / 2)) ** 2)
        weights = np.exp(np.array(likely) - max(likely))
        self._forgets_weights = weights / weights.sum()
        self._factor["forgets"] = float((self._forgets_weights * np.array(_FORGETS)).sum())
        expected = (self._kind[days.who] * self._comes(self._factor["forgets"])).sum(axis=1)
        self._factor["returns"] = (ASSUMED_EVENTS + came) / (ASSUMED_EVENTS + expected[again].sum())
        first = days.came[~again].sum()
        self._factor["discovers"] = (ASSUMED_EVENTS + first) / (ASSUMED_EVENTS + expected[~again].sum())

    def _follows(self, pull: Numbers) -> Numbers:
        np = self._np
        assumed_pull = np.array([ASSUMED.channel_pull[each] for each in Channel])
        over = (assumed_pull * pull)[self._channel] * FATIGUE**self._earlier
        follows: Numbers = np.clip(over[:, None] * self._clicks[None, :], 1e-9, 0.95)
        return follows

    def _comes(self, forgets: float) -> Numbers:
        """How likely each kind is to come on each of the days, before what is multiplied."""
        np, silent = self._np, self._days.silent[:, None]
        again = self._returns[None, :] * np.exp(-np.nan_to_num(silent) / (self._forgets[None, :] * forgets))
        likely = np.where(np.isnan(silent), self._discovers[None, :], again)
        comes: Numbers = np.clip(likely * self._days.weight[:, None], 1e-12, 0.95)
        return comes

    def _unasked_factor(self) -> Numbers:
        np = self._np
        factor: Numbers = np.where(np.isnan(self._days.silent), self._factor["discovers"], self._factor["returns"])
        return factor

    def parameters(self) -> Parameters:
        """What came of it."""
        stamina = sum(mean * each.stamina for mean, each in zip(self._mix_of_readers(), self._kinds, strict=True))
        sections = list(self._sections(stamina))
        found = {each.name: each for each in (*self._mixed(), *self._multiplied(), *self._once())}
        found |= {name: each for _, name, each in sections}
        of = [found.pop(each.name, each) for each in assumed().of]
        return Parameters((*of, *found.values()), tuple(place for place, _, _ in sections), stamina)

    def _mix_of_readers(self) -> list[float]:
        read = self._np.array([sum(len(each.read) for each in person.sittings) for person in self._people])
        if not read.sum():
            return [float(each) for each in self._mix]
        return [float(each) for each in (self._kind * read[:, None]).sum(axis=0) / read.sum()]

    def _mixed(self) -> Iterator[Parameter]:
        """The mix of temperaments. Somebody whose kind is as unclear as before counts for nothing."""
        np = self._np
        unclear = -(self._kind * np.log(np.clip(self._kind, 1e-12, 1))).sum(axis=1)
        clear = np.clip(1 - unclear / -(self._prior * np.log(self._prior)).sum(), 0, 1)
        # Their mix is that of everybody; how sure it is, is what those who are clear say.
        people, n = float(clear.sum()), len(self._people)
        for name, part in zip([each.name for each in self._kinds], self._mix, strict=True):
            before = assumed()[f"mix:{name}"]
            yield replace(before, a=float(part) * (ASSUMED_MIX + people), n=n)

    def _multiplied(self) -> Iterator[Parameter]:
        np, default = self._np, assumed()
        follows = self._follows(np.ones(len(Channel)))
        expected = (self._kind[self._who] * follows).sum(axis=1)
        for number, channel in enumerate(Channel):
            over = self._channel == number
            less = self._dispersion(self._who[over], self._clicked[over], follows[over])
            yield default[f"clicks:{channel.value}"].seen(
                float(self._clicked[over].sum()) / less, float(expected[over].sum()) / less, n=int(over.sum())
            )
        days, again = self._days, ~np.isnan(self._days.silent)
        likely = self._comes(self._factor["forgets"])
        comes = (self._kind[days.who] * likely).sum(axis=1)
        for name, which in (("returns", again), ("discovers", ~again)):
            less = self._dispersion(days.who[which], days.came[which], likely[which])
            yield default[name].seen(
                float(days.came[which].sum()) / less, float(comes[which].sum()) / less, n=int(which.sum())
            )
        if again.any():
            spread = float((self._forgets_weights * (np.array(_FORGETS) - self._factor["forgets"]) ** 2).sum())
            spread = max(spread, 0.05**2)  # a grid's single point is not certainty
            mean = self._factor["forgets"]
            yield replace(default["forgets"], a=mean * mean / spread, b=mean / spread, n=int(again.sum()))
        opts_out = np.array([each.opts_out for each in self._kinds])
        out = sum(len(person.opt_outs) for person in self._people)
        of_these = (self._kind[self._who] @ opts_out * (1 + self._earlier / 2)).sum()
        yield default["opts out"].seen(out, float(of_these), n=len(self._who))

    def _dispersion(self, who: NDArray[np.int64], happened: Numbers, likely: Numbers) -> float:
        """By how much what people did varies more from person to person than chance would have it, 1 at least.

        What one person does again and again says less than the same of many. So counts weigh as much less as that
        (quasi-likelihood: P. McCullagh, J. A. Nelder, "Generalized linear models", 2nd edition, 1989, section 6.2.3).
        """
        np, people = self._np, len(self._people)
        seen = np.bincount(who, happened, minlength=people)
        of_anybody = np.bincount(who, likely @ self._mix, minlength=people)
        if not seen.sum() or not of_anybody.sum():
            return 1.0
        expected = of_anybody * seen.sum() / of_anybody.sum()
        return max(1.0, float(((seen - expected) ** 2).sum() / expected.sum()))

    def _once(self) -> Iterator[Parameter]:
        """What needs no mixture of its own: each occasion says yes or no, or how long."""
        np, default = self._np, assumed()
        clicks = [(number, at) for number, person in enumerate(self._people) for at in person.clicks.values()]
        sits_down = np.array([each.sits_down for each in self._kinds])
        sat = sum(len(_asked(person.sittings)) for person in self._people)
        yield default["sits down"].seen(
            float(min(sat, len(clicks))), float(sum(self._kind[who] @ sits_down for who, _ in clicks)), n=len(clicks)
        )
        yield self._hesitation(default["hesitates"])
        minutes = [taken for each in self._people for one in each.sittings for *_, taken in one.read if taken]
        shape = ASSUMED_EVENTS + len(minutes)
        mean = (ASSUMED_EVENTS + sum(minutes) / _MINUTES_OF_A_SECTION) / shape
        yield replace(default["minutes"], a=shape, b=shape / mean, n=len(minutes))
        begun = [person.sittings[0] for person in self._people if person.sittings]
        failed = sum(each.fails for each in begun)
        yield default["first try fails"].seen(failed, len(begun) - failed, n=len(begun))
        mailed = [each for each in self._people if any(one.channel == Channel.EMAIL for one in each.received)]
        dead = sum(each.bounced for each in mailed)
        yield default["dead mailbox"].seen(dead, len(mailed) - dead, n=len(mailed))

    def _hesitation(self, before: Parameter) -> Parameter:
        usual = self._np.log(self._np.array([each.hesitates for each in self._kinds]))
        ratios = []
        for number, person in enumerate(self._people):
            for message in person.received:
                at = person.clicks.get((message.wave_id, message.rotation))
                if at is not None and at > message.at:
                    hours = (at - message.at) / timedelta(hours=1)
                    follows = self._kind[number] * self._clicks
                    ratios.append(math.log(hours) - float(follows @ usual / follows.sum()))
        if not ratios:
            return before
        precision = 1 / _HESITATION_SPREAD**2
        seen = ASSUMED_EVENTS + len(ratios) * precision
        mean = math.exp(sum(ratios) * precision / seen)
        return replace(before, a=seen, b=seen / mean, n=len(ratios))

    def _sections(self, stamina: float) -> Iterator[tuple[tuple[str, str], str, Parameter]]:
        """How many read on after each section of which enough is known."""
        went_on: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
        for person in self._people:
            for sitting in person.sittings:
                for item_id, key, goes_on, _ in sitting.read:
                    if self._past.last_sections.get(item_id, key) != key:
                        went_on[item_id, key][not goes_on] += 1
        for (item_id, key), (on, stopped) in sorted(went_on.items()):
            if on + stopped < FEWEST_READERS:
                continue
            place = self._past.names[item_id], key
            name = section_name(*place)
            before = a_share(name, f"reads on after {key} of {place[0]}", stamina, people=ASSUMED_PEOPLE / 10)
            yield place, name, before.seen(on, stopped, n=on + stopped)


def _asked(sittings: list[Sitting]) -> list[Sitting]:
    return [each for each in sittings if each.is_asked]


def _days(past: Past, people: list[PersonsPast]) -> _Days:
    """Each person's days from the first message of all on, until they had completed what there was."""
    import numpy as np

    rows: list[tuple[int, float, float, float]] = []
    first, last = (past.first or past.until).date(), past.until.date()
    for number, person in enumerate(people):
        ends = min(last, person.finished_at.date()) if person.finished_at else last
        unasked = {each.began.date() for each in person.sittings if not each.is_asked}
        asked = {each.began.date() for each in person.sittings if each.is_asked}
        was_there = None
        for offset in range((ends - first).days):
            day = first + offset * _DAY
            came = day in unasked
            if came or day not in asked:
                silent = math.nan if was_there is None else float((day - was_there).days)
                rows.append((number, silent, WEEKEND if day.weekday() >= 5 else 1.0, float(came)))
            if came or day in asked:
                was_there = day
    table: Any = np.array(rows, dtype=float).reshape(-1, 4)
    return _Days(table[:, 0].astype(np.int64), table[:, 1], table[:, 2], table[:, 3])
