"""What to offer to whom, and why (mission R2, R7, R8): eligible → goal, need, trend → fit → value → diversity.

An item is eligible for a learner when it is active and available, is no part of another item, is in the learner's
language or in no stated one, the learner has completed what it requires, and has neither completed nor left it (nor
one that says the same). Among these the relevance adds up how near the item is to the learner's goals and needs and to
the trend, whether colleagues completed it, how popular it is (among people who finished the same things, where that is
known: :mod:`pushpull.catalogue.together`), and how it fits what they are used to (:mod:`pushpull.catalogue.fitting`).
Relevance times quality must be worth the minutes (:mod:`pushpull.catalogue.worth`). A pick always has a reason that is
true of it; without one there is no pick.

Picks are chosen one by one, each for its value less its likeness to those chosen before: maximal marginal relevance
(Carbonell, Goldstein, SIGIR 1998), here value - 0.2 x likeness. Two items that say nearly the same are never picked
together at all.

Everything is deterministic: equal scores fall to the older item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from pushpull.catalogue.asking import Askers, read_askers
from pushpull.catalogue.fitting import Fit
from pushpull.catalogue.nearness import Nearness
from pushpull.catalogue.offering import Offering, read_finishers, read_offering
from pushpull.catalogue.requirements import Requirements, read_requirements
from pushpull.catalogue.similarity import IS_ABOUT, ContentModel, Matrix
from pushpull.catalogue.together import Together, read_completions
from pushpull.catalogue.worth import costs, qualities

#: Learners × items looked at together; bounds the memory to some tens of megabytes.
_CELLS = 1_000_000
#: Ids in one IN list.
_MOST_LEARNERS = 4_000

#: Similarity from which two items say the same.
_IS_THE_SAME = 0.85
#: "Colleagues" and "popular" speak of at least so many people (security: k = 5).
_PEOPLE_AT_LEAST = 5
#: Minutes up to which being short is a reason.
_SHORT = 10.0

#: What each kind of reason adds to the relevance where it holds fully.
_GOAL, _NEED, _TREND, _COLLEAGUES, _POPULAR, _IS_SHORT, _OF_CAMPAIGN = 1.0, 0.8, 1.0, 0.3, 0.3, 0.1, 0.05
#: How much likeness to what was picked before takes away.
_LIKENESS: Final = 0.2

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pick:
    """One recommended item.

    Args:
        reason_kind: ``goal``, ``need``, ``trend``, ``together``, ``colleagues``, ``popular`` or ``short``: the first
            that is true.
        reason_value: the goal's or need's words, the trend's tag, the title of what the learner finished, the
            department, the number of people, the minutes.
        score: for ordering only.
    """

    item_id: int
    reason_kind: str
    reason_value: str
    score: float


class _Trend(NamedTuple):
    """The trend's nearness per item, and which of its tags is nearest."""

    nearness: Matrix
    tag: list[str | None]


class _Reasons(NamedTuple):
    """What may speak for items, for a batch of learners."""

    goal: Nearness
    need: Nearness
    trend: _Trend
    by_colleagues: Mask
    own: Mapping[int, Sequence[int]]


class Recommender:
    """The catalogue at one instant, ready to be asked for many learners.

    Args:
        finishers: how many people of a department (None: unknown) completed an item, by item id and department.
        together: what is finished by the same people; None: too little is known.
    """

    def __init__(
        self,
        offering: Offering,
        *,
        content: ContentModel,
        finishers: Mapping[tuple[int, str | None], int],
        together: Together | None = None,
        requirements: Requirements | None = None,
    ) -> None:
        ids = offering.ids
        self.offering = offering
        self._column = {item_id: column for column, item_id in enumerate(ids)}
        self._content = content
        self._together = together
        self._bases = [None if language is None else _base(language) for language in offering.languages]
        self._twins = content.twins(threshold=_IS_THE_SAME)
        self._twins_of: dict[int, NDArray[np.int64]] = {}
        self._has_twins = np.bincount(self._twins)[self._twins] > 1 if ids else np.zeros(0, dtype=bool)
        for group in np.unique(self._twins[self._has_twins]).tolist():
            self._twins_of[group] = np.flatnonzero(self._twins == group)
        self._required: dict[int, list[int]] = {}
        for each in requirements.binding if requirements else ():
            if each.item_id in self._column:
                self._required.setdefault(each.requires_id, []).append(self._column[each.item_id])
        self._people = np.zeros(len(ids), dtype=np.int64)
        departments = sorted({department for _, department in finishers if department is not None})
        self._department = {name: row for row, name in enumerate(departments)}
        by_department = np.zeros((len(departments) + 1, len(ids)), dtype=np.int64)  # the last row is "unknown"
        for (item_id, department), people in finishers.items():
            if item_id not in self._column:
                continue
            self._people[self._column[item_id]] += people
            if department is not None:
                by_department[self._department[department], self._column[item_id]] = people
        self._colleagues = by_department >= _PEOPLE_AT_LEAST
        self._is_popular = self._people >= _PEOPLE_AT_LEAST
        self._is_short = np.array([each is not None and each <= _SHORT for each in offering.minutes], dtype=bool)
        most = max(1, int(self._people.max(initial=0)))
        popularity = np.log1p(self._people) / np.log1p(most)
        self._prior = (_POPULAR * popularity + _IS_SHORT * self._is_short).astype(np.float32)
        self._quality = qualities(offering.ratings)
        self._cost = costs(offering.minutes, offering.has_address)
        self._speaks: dict[str | None, Mask] = {}
        self._fit = Fit(offering)

    @classmethod
    def load(cls, connection: Connection, *, as_of: datetime) -> Recommender:
        """Read what may be offered at ``as_of`` (aware), and who completed what until then."""
        offering = read_offering(connection, as_of=as_of)
        completions = read_completions(connection, as_of=as_of)
        column_of = {item_id: column for column, item_id in enumerate(offering.ids)}
        return cls(
            offering,
            content=ContentModel.with_meaning(offering.texts, offering.languages),
            finishers=read_finishers(connection, as_of=as_of),
            together=Together.learn(completions, column_of),
            requirements=read_requirements(connection),
        )

    def recommend(
        self,
        connection: Connection,
        learner_ids: Sequence[int],
        *,
        count: int,
        trend_tags: Sequence[str] = (),
        languages_of: Mapping[int, str],
        campaign_item_ids: Sequence[int] = (),
    ) -> dict[int, tuple[Pick, ...]]:
        """Up to ``count`` picks for each learner, best first.

        Args:
            trend_tags: what the trend is about; an item with one of them as its tag is fully on the trend.
            languages_of: the language the learner reads, by learner id; without one, the learner's own preferred
                language counts, and where that is unknown too, any.
            campaign_item_ids: items of the campaign, preferred when all else is equal.

        Returns:
            Every learner id that was given, with no picks where nothing eligible has a reason and is worth its time.
        """
        if not self.offering.ids or count <= 0:
            return dict.fromkeys(learner_ids, ())
        step = max(1, min(_MOST_LEARNERS, _CELLS // len(self.offering.ids)))
        picks: dict[int, tuple[Pick, ...]] = {}
        for start in range(0, len(learner_ids), step):
            askers = read_askers(connection, learner_ids[start : start + step], languages_of=languages_of)
            chosen = self.choose(askers, count=count, trend_tags=trend_tags, campaign_item_ids=campaign_item_ids)
            picks.update(zip(askers.learner_ids, chosen, strict=True))
        return picks

    def choose(
        self,
        askers: Askers,
        *,
        count: int,
        trend_tags: Sequence[str] = (),
        campaign_item_ids: Sequence[int] = (),
    ) -> list[tuple[Pick, ...]]:
        """Up to ``count`` picks for each of some thousand learners, best first; without a database.

        Args:
            trend_tags, campaign_item_ids: as in :meth:`recommend`.
        """
        people = len(askers.learner_ids)
        if not self.offering.ids or not people:
            return [()] * people
        reasons, value, has_reason = self._value(askers, self._trend(trend_tags), campaign_item_ids)
        has_reason &= value >= 0
        has_reason &= self.eligible(askers)
        np.copyto(value, -np.inf, where=~has_reason)
        return self._pick(askers, reasons, value, count)

    def eligible(self, askers: Askers) -> Mask:
        """Which items (column) may be offered to whom (row) at all: language, requirements, what is over."""
        may = np.stack([self._speaks_to(language) for language in askers.languages])
        rows, columns, _ = self._over(askers)
        may[rows, columns] = False
        for row, column in zip(*(each[self._has_twins[columns]] for each in (rows, columns)), strict=True):
            may[row, self._twins_of[int(self._twins[column])]] = False
        for requires_id, waiting in self._required.items():
            lacks_it = np.ones(len(may), dtype=bool)
            lacks_it[askers.over[askers.completed & (askers.over[:, 1] == requires_id), 0]] = False
            may[np.flatnonzero(lacks_it)[:, np.newaxis], waiting] = False
        return may

    @property
    def finishers(self) -> NDArray[np.int64]:
        """How many people completed each item."""
        return self._people.copy()

    def _value(self, askers: Askers, trend: _Trend, campaign_item_ids: Sequence[int]) -> tuple[_Reasons, Matrix, Mask]:
        """What may speak for the items, their value, and whether there is a reason at all."""
        people = len(askers.learner_ids)
        goal, need = (
            Nearness(askers.facts[kind], self._content.similarity([fact.text for fact in askers.facts[kind]]), people)
            for kind in ("goal", "need")
        )
        of_department = np.array([self._department.get(each or "", -1) for each in askers.departments])
        by_colleagues = self._colleagues[of_department]
        prior = self._prior + np.float32(_TREND) * trend.nearness
        for item_id in campaign_item_ids:
            if item_id in self._column:
                prior[self._column[item_id]] += np.float32(_OF_CAMPAIGN)
        value: Matrix = goal.of + prior
        if askers.facts["need"]:
            value += np.float32(_NEED) * need.of
        value += np.float32(_COLLEAGUES) * by_colleagues
        has_reason = by_colleagues | ((trend.nearness >= IS_ABOUT) | self._is_popular | self._is_short)
        has_reason |= goal.of >= IS_ABOUT
        if askers.facts["need"]:
            has_reason |= need.of >= IS_ABOUT
        self._fit.add_to(value, askers)
        own: dict[int, list[int]] = {}
        if self._together is not None:
            rows, columns, completed = self._over(askers)
            for row, column in zip(rows[completed].tolist(), columns[completed].tolist(), strict=True):
                own.setdefault(row, []).append(column)
            self._together.add_popularity(value, rows[completed], columns[completed], _POPULAR)
            supported = self._together.supported(rows[completed], columns[completed], people)
            has_reason[supported.row, supported.col] = True
        value *= self._quality
        value -= self._cost
        return _Reasons(goal, need, trend, by_colleagues, own), value, has_reason

    def _pick(self, askers: Askers, reasons: _Reasons, value: Matrix, count: int) -> list[tuple[Pick, ...]]:
        """Choose one by one, for value less likeness to what was chosen."""
        chosen: list[list[Pick]] = [[] for _ in askers.learner_ids]
        rows = np.arange(len(value))
        likeness: Matrix = np.zeros_like(value) if count > 1 else value
        left = value
        for number in range(count):
            best = left.argmax(axis=1)
            scores = left[rows, best]
            found = np.flatnonzero(scores > -np.inf)
            if not len(found):
                break
            about = [nearness.is_about(rows, best).tolist() for nearness in (reasons.goal, reasons.need)]
            columns_of, scores_of = best.tolist(), np.round(scores.astype(np.float64), 6).tolist()
            for row in found.tolist():
                column = columns_of[row]
                if about[0][row]:
                    kind, told = "goal", reasons.goal.words(row, column)
                elif about[1][row]:
                    kind, told = "need", reasons.need.words(row, column)
                else:
                    kind, told = self._reason(row, column, askers.departments[row], reasons)
                chosen[row].append(Pick(self.offering.ids[column], kind, told, scores_of[row]))
            if number + 1 == count:
                break
            value[rows, best] = -np.inf
            for row in np.flatnonzero(self._has_twins[best]).tolist():
                value[row, self._twins_of[int(self._twins[best[row]])]] = -np.inf
            columns, place = np.unique(best, return_inverse=True)
            np.maximum(likeness, self._content.among(columns.tolist())[place], out=likeness)
            left = value - np.float32(_LIKENESS) * likeness
        return [tuple(each) for each in chosen]

    def _over(self, askers: Askers) -> tuple[NDArray[np.int64], NDArray[np.int64], Mask]:
        """Rows and columns of what is over, as far as it is on offer, and whether it was completed."""
        columns = np.array([self._column.get(each, -1) for each in askers.over[:, 1].tolist()], dtype=np.int64)
        known = columns >= 0
        return askers.over[known, 0], columns[known], askers.completed[known]

    def _trend(self, trend_tags: Sequence[str]) -> _Trend:
        size = len(self.offering.ids)
        if not trend_tags:
            return _Trend(np.zeros(size, dtype=np.float32), [None] * size)
        near = self._content.similarity(trend_tags)
        for row, tag in enumerate(trend_tags):
            near[row, [tag.casefold() in tags for tags in self.offering.tags]] = 1.0
        return _Trend(near.max(axis=0), [trend_tags[row] for row in near.argmax(axis=0).tolist()])

    def _speaks_to(self, language: str | None) -> Mask:
        """Which items a reader of the language understands; a region makes no difference."""
        if language not in self._speaks:
            base = None if language is None else _base(language)
            self._speaks[language] = np.array([base is None or each is None or each == base for each in self._bases])
        return self._speaks[language]

    def _reason(self, row: int, column: int, department: str | None, reasons: _Reasons) -> tuple[str, str]:
        """The first reason that is true beside goals and needs: trend, together, colleagues, popular, short."""
        tag = reasons.trend.tag[column]
        if tag is not None and reasons.trend.nearness[column] >= IS_ABOUT:
            return "trend", tag
        because = self._together.because(reasons.own.get(row, ()), column) if self._together else None
        if because is not None:
            return "together", self.offering.titles[because]
        if reasons.by_colleagues[row, column]:
            return "colleagues", department or ""
        if self._is_popular[column]:
            return "popular", str(self._people[column])
        return "short", f"{self.offering.minutes[column]:g}"


def _base(language: str) -> str:
    return language.replace("_", "-").split("-")[0].casefold()
