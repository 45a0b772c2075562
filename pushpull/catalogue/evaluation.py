"""How good the recommender is on the past, against recommending what is popular (mission R2).

The measures, per learner with something held out (:mod:`pushpull.catalogue.held_out`), of a list of k picks:

- hit rate: whether any of the k was held out;
- NDCG: the discounted gain of the hits, 1 / log2(place + 1), over the largest possible (Järvelin, Kekäläinen,
  "Cumulated Gain-Based Evaluation of IR Techniques", ACM TOIS 20(4), 2002);

and over all lists: coverage, the share of items on offer that anybody was recommended, and the share of picks from the
long tail, the four fifths of items that fewest people completed. Intervals are 95 % percentile bootstraps over
learners (Efron, Tibshirani, "An Introduction to the Bootstrap", 1993), the difference's on the same draws.

Popularity is a fair opponent: it keeps to the same eligibility. What the past cannot show: what people would have
finished had it been offered to them; and ratings and the catalogue are today's. Facts that were learned from behaviour
are left out, since they may know what was held out, and so are declared ones that are younger than the learner's cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from pushpull.catalogue.asking import Askers, read_askers
from pushpull.catalogue.held_out import Split, split
from pushpull.catalogue.offering import read_offering
from pushpull.catalogue.recommend import Recommender
from pushpull.catalogue.requirements import read_requirements
from pushpull.catalogue.similarity import ContentModel
from pushpull.catalogue.together import Together

#: Learners with something held out, below which nothing is said.
FEWEST_LEARNERS: Final = 30
#: Items on offer, below which a list of k says nothing.
FEWEST_ITEMS: Final = 10
#: Learners who are asked for, at most: a sample of so many is as good as all.
MOST_LEARNERS: Final = 20_000

_RESAMPLES = 1_000
_TAIL = 0.8
_CELLS = 1_000_000


class Verdict(StrEnum):
    """What the comparison comes to."""

    BETTER = "better"  # the interval of the difference in NDCG is above 0
    WORSE = "worse"
    CANNOT_TELL = "cannot_tell"  # it holds 0
    TOO_THIN = "too_thin"  # there is too little to compare


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Quality:
    """How good one way to recommend is: shares from 0 to 1."""

    hit_rate: Estimate
    ndcg: Estimate
    coverage: float
    tail_share: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The recommender against popularity.

    Args:
        k: length of the lists.
        learners: with something held out, as far as they were asked for.
        items: on offer.
        completions: that were known.
        uses_together: whether there were enough completions to go by what is finished together.
        recommender, popularity, ndcg_gain: None where the data is too thin; the gain is the recommender's NDCG minus
            popularity's.
    """

    k: int
    learners: int
    items: int
    completions: int
    uses_together: bool
    verdict: Verdict
    recommender: Quality | None = None
    popularity: Quality | None = None
    ndcg_gain: Estimate | None = None

    @property
    def in_words(self) -> str:
        """The verdict, for people."""
        if self.verdict is Verdict.TOO_THIN:
            return (
                f"too thin to tell: {self.learners} learners with completions to hold out "
                f"(at least {FEWEST_LEARNERS}), {self.items} items on offer (at least {FEWEST_ITEMS})"
            )
        return {
            Verdict.BETTER: "the recommender foresees more than popularity does",
            Verdict.WORSE: (
                "popularity foresees more than the recommender does; "
                "that is so, too, where most people were sent the same items and completed those"
            ),
            Verdict.CANNOT_TELL: "cannot tell them apart: the interval of the difference holds 0",
        }[self.verdict]


def evaluate(connection: Connection, *, as_of: datetime, k: int = 10, seed: int = 0) -> Evaluation:
    """Let the recommender and popularity foresee what learners completed last.

    Args:
        as_of: aware; what came later is not looked at.
        k: length of the lists, at least 1.
        seed: of the sample and the bootstrap.

    Raises:
        ValueError: ``k`` is below 1.
    """
    if k < 1:
        raise ValueError(f"lists of {k} picks are none")
    offering = read_offering(connection, as_of=as_of)
    cut = split(connection, frozenset(offering.ids), as_of=as_of)
    draws = np.random.default_rng(seed)
    people = sorted(cut.held_out)
    if len(people) > MOST_LEARNERS:
        people = sorted(draws.choice(people, MOST_LEARNERS, replace=False).tolist())
    column_of = {item_id: column for column, item_id in enumerate(offering.ids)}
    together = Together.learn(cut.known, column_of) if offering.ids else None
    facts = (k, len(people), len(offering.ids), len(cut.known.items), together is not None)
    if len(people) < FEWEST_LEARNERS or len(offering.ids) < FEWEST_ITEMS:
        return Evaluation(*facts, Verdict.TOO_THIN)
    recommender = Recommender(
        offering,
        content=ContentModel.with_meaning(offering.texts, offering.languages),
        finishers=cut.finishers,
        together=together,
        requirements=read_requirements(connection),
    )
    picked: list[Sequence[int]] = []
    popular: list[Sequence[int]] = []
    step = max(1, _CELLS // len(offering.ids))
    for start in range(0, len(people), step):
        askers = _as_known(read_askers(connection, people[start : start + step], languages_of={}), cut)
        picked += [[column_of[pick.item_id] for pick in picks] for picks in recommender.choose(askers, count=k)]
        popular += _most_completed(recommender, askers, k)
    wanted = [frozenset(column_of[each] for each in cut.held_out[who]) for who in people]
    samples = draws.integers(0, len(people), size=(_RESAMPLES, len(people)), dtype=np.int32)
    is_tail = _tail(recommender.finishers)
    ours, theirs = (_gains(lists, wanted, k) for lists in (picked, popular))
    gain = _estimate(ours[1] - theirs[1], samples)
    verdict = Verdict.BETTER if gain.low > 0 else Verdict.WORSE if gain.high < 0 else Verdict.CANNOT_TELL
    return Evaluation(
        *facts,
        verdict,
        _quality(picked, ours, is_tail, samples),
        _quality(popular, theirs, is_tail, samples),
        gain,
    )


def _as_known(askers: Askers, cut: Split) -> Askers:
    """The askers as they were before what is held out."""
    hidden = np.array(
        [item_id in cut.held_out[askers.learner_ids[row]] for row, item_id in askers.over.tolist()], dtype=bool
    )
    known = {
        kind: [fact for fact in facts if fact.is_told and fact.recorded_at < cut.cuts[askers.learner_ids[fact.row]]]
        for kind, facts in askers.facts.items()
    }
    return replace(askers, over=askers.over[~hidden], completed=askers.completed[~hidden], facts=known, sessions={})


def _most_completed(recommender: Recommender, askers: Askers, k: int) -> list[Sequence[int]]:
    """The k items that most people completed and that may be offered; equal ones fall to the older."""
    people = recommender.finishers
    score = np.where(recommender.eligible(askers), people, -1)
    order = np.argsort(-score, axis=1, kind="stable")[:, :k]
    return [[each for each in row.tolist() if score[number, each] > 0] for number, row in enumerate(order)]


def _tail(finishers: NDArray[np.int64]) -> NDArray[np.bool_]:
    order = np.argsort(finishers, kind="stable")
    is_tail = np.zeros(len(finishers), dtype=bool)
    is_tail[order[: int(_TAIL * len(finishers))]] = True
    return is_tail


def _gains(
    lists: Sequence[Sequence[int]], wanted: Sequence[frozenset[int]], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Hit and NDCG of each list."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    best = np.cumsum(discounts)
    hits, ndcg = np.zeros(len(lists)), np.zeros(len(lists))
    for number, (picked, right) in enumerate(zip(lists, wanted, strict=True)):
        gain = sum(discounts[place] for place, each in enumerate(picked) if each in right)
        hits[number] = gain > 0
        ndcg[number] = gain / best[min(k, len(right)) - 1]
    return hits, ndcg


def _estimate(values: NDArray[np.float64], samples: NDArray[np.int32]) -> Estimate:
    means = np.array([values[sample].mean() for sample in samples])
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))


def _quality(
    lists: Sequence[Sequence[int]],
    gains: tuple[NDArray[np.float64], NDArray[np.float64]],
    is_tail: NDArray[np.bool_],
    samples: NDArray[np.int32],
) -> Quality:
    every = [each for picked in lists for each in picked]
    return Quality(
        _estimate(gains[0], samples),
        _estimate(gains[1], samples),
        coverage=len(set(every)) / len(is_tail),
        tail_share=float(np.mean(is_tail[every])) if every else 0.0,
    )
