"""What to offer to whom, and why (mission R2): eligible → goal, need, trend → language → prior → diversity.

An item is eligible for a learner when it is active and available, is no part of another item, is in the learner's
language or in no stated one, and the learner has neither completed nor left it (nor one that says the same). Among
these the score adds up how near the item is to the learner's goals and needs and to the trend, whether colleagues
completed it, whether it has a format the learner chose, and a prior: popularity, rating, shortness. Two items that
say nearly the same are never picked together. A pick always has a reason that is true of it; without one there is no
pick.

Everything is deterministic: equal scores fall to the older item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, or_, select

from pushpull.catalogue.nearness import IS_ABOUT, Nearness, read_facts, read_formats
from pushpull.catalogue.similarity import ContentModel, Matrix
from pushpull.catalogue.tables import item, item_tag
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import learner, progress
from pushpull.learners.vocabulary import ProgressStatus

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

_GOAL, _NEED, _TREND, _COLLEAGUES, _POPULAR, _RATED, _IS_SHORT, _OF_CAMPAIGN = 1.0, 0.8, 1.0, 0.3, 0.3, 0.1, 0.1, 0.05
#: A chosen format decides between items that fit alike; it makes none fit.
_OF_FORMAT = 0.3


@dataclass(frozen=True, slots=True)
class Pick:
    """One recommended item.

    Args:
        reason_kind: ``goal``, ``need``, ``trend``, ``colleagues``, ``popular`` or ``short``: the first that is true.
        reason_value: the goal's or need's words, the trend's tag, the department, the number of people, the minutes.
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


class Recommender:
    """The catalogue at one instant, ready to be asked for many learners."""

    def __init__(
        self,
        *,
        ids: Sequence[int],
        content: ContentModel,
        tags: Sequence[frozenset[str]],
        languages: Sequence[str | None],
        formats: Sequence[str | None],
        minutes: Sequence[float | None],
        ratings: Sequence[float | None],
        completions: Mapping[tuple[int, str | None], int],
    ) -> None:
        self._ids = list(ids)
        self._column = {item_id: column for column, item_id in enumerate(ids)}
        self._content = content
        self._tags = tags
        self._bases = [None if language is None else _base(language) for language in languages]
        self._formats = np.array([each or "" for each in formats], dtype=object)
        self._minutes = minutes
        self._twins = content.twins(threshold=_IS_THE_SAME)
        self._twins_of: dict[int, list[int]] = {}
        for column, group in enumerate(self._twins.tolist()):
            self._twins_of.setdefault(group, []).append(column)
        self._has_twins = np.bincount(self._twins)[self._twins] > 1
        self._people = np.zeros(len(ids), dtype=np.int64)
        departments = sorted({department for _, department in completions if department is not None})
        self._department = {name: row for row, name in enumerate(departments)}
        self._colleagues = np.zeros((len(departments) + 1, len(ids)), dtype=np.int64)  # the last row is "unknown"
        for (item_id, department), people in completions.items():
            self._people[self._column[item_id]] += people
            if department is not None:
                self._colleagues[self._department[department], self._column[item_id]] = people
        self._is_popular = self._people >= _PEOPLE_AT_LEAST
        self._is_short = np.array([each is not None and each <= _SHORT for each in minutes], dtype=bool)
        rated = np.array([0.0 if each is None else (each - 3) / 2 for each in ratings], dtype=np.float32)
        most = max(1, int(self._people.max(initial=0)))
        popularity = np.log1p(self._people) / np.log1p(most)
        self._prior = (_POPULAR * popularity + _RATED * rated + _IS_SHORT * self._is_short).astype(np.float32)
        self._speaks: dict[str | None, NDArray[np.bool_]] = {}

    @classmethod
    def load(cls, conn: Connection, *, as_of: datetime) -> Recommender:
        """Read what may be offered at ``as_of`` (aware), and how many completed it until then."""
        offered = (
            select(item)
            .where(
                item.c.active.is_(True),
                item.c.part_of.is_(None),
                or_(item.c.available_from.is_(None), item.c.available_from <= as_of),
                or_(item.c.available_until.is_(None), item.c.available_until > as_of),
            )
            .order_by(item.c.id)
        )
        rows = conn.execute(offered).mappings().all()
        ids = [row["id"] for row in rows]
        known = set(ids)
        tags: dict[int, set[str]] = {item_id: set() for item_id in ids}
        for item_id, tag in conn.execute(select(item_tag.c.item_id, item_tag.c.tag)):
            if item_id in known:
                tags[item_id].add(tag)
        counted = conn.execute(
            select(progress.c.item_id, learner.c.department, func.count())
            .select_from(progress.join(learner, learner.c.id == progress.c.learner_id))
            .where(
                progress.c.status == ProgressStatus.COMPLETED,
                or_(progress.c.completed_at.is_(None), progress.c.completed_at <= as_of),
            )
            .group_by(progress.c.item_id, learner.c.department)
        )
        return cls(
            ids=ids,
            content=ContentModel([_text(row, tags[row["id"]]) for row in rows]),
            tags=[frozenset(tag.casefold() for tag in tags[item_id]) for item_id in ids],
            languages=[row["language"] for row in rows],
            formats=[row["format"] for row in rows],
            minutes=[row["minutes"] for row in rows],
            ratings=[row["rating"] for row in rows],
            completions={(each, department): people for each, department, people in counted if each in known},
        )

    def recommend(
        self,
        conn: Connection,
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
            Every learner id that was given, with no picks where nothing eligible has a reason.
        """
        if not self._ids or count <= 0:
            return dict.fromkeys(learner_ids, ())
        trend = self._trend(trend_tags)
        prior = self._prior + np.float32(_TREND) * trend.nearness
        for item_id in campaign_item_ids:
            if item_id in self._column:
                prior[self._column[item_id]] += np.float32(_OF_CAMPAIGN)
        step = max(1, min(_MOST_LEARNERS, _CELLS // len(self._ids)))
        picks: dict[int, tuple[Pick, ...]] = {}
        for start in range(0, len(learner_ids), step):
            batch = learner_ids[start : start + step]
            picks.update(self._for_batch(conn, batch, count, prior, trend, languages_of))
        return picks

    def _for_batch(
        self,
        conn: Connection,
        batch: Sequence[int],
        count: int,
        prior: Matrix,
        trend: _Trend,
        languages_of: Mapping[int, str],
    ) -> dict[int, tuple[Pick, ...]]:
        row_of = {learner_id: row for row, learner_id in enumerate(batch)}
        departments: list[str | None] = [None] * len(batch)
        languages: list[str | None] = [languages_of.get(learner_id) for learner_id in batch]
        for learner_id, department, language in conn.execute(
            select(learner.c.id, learner.c.department, learner.c.preferred_language).where(in_ids(learner.c.id, batch))
        ):
            departments[row_of[learner_id]] = department
            languages[row_of[learner_id]] = languages[row_of[learner_id]] or language
        of_department = np.array([self._department.get(each or "", -1) for each in departments])

        facts = read_facts(conn, batch, row_of)
        goal, need = (
            Nearness(facts[kind], self._content.similarity([fact.text for fact in facts[kind]]), len(batch))
            for kind in ("goal", "need")
        )
        by_colleagues = (self._colleagues >= _PEOPLE_AT_LEAST)[of_department]
        score = prior + np.float32(_GOAL) * goal.of + np.float32(_NEED) * need.of
        score += np.float32(_COLLEAGUES) * by_colleagues
        for row, chosen_formats in read_formats(conn, batch, row_of).items():
            score[row] += np.float32(_OF_FORMAT) * np.isin(self._formats, chosen_formats)
        has_reason = (trend.nearness >= IS_ABOUT) | self._is_popular | self._is_short
        eligible = np.stack([self._speaks_to(language) for language in languages])
        eligible &= has_reason | (goal.of >= IS_ABOUT) | (need.of >= IS_ABOUT) | by_colleagues
        self._rule_out_what_is_done(conn, batch, row_of, eligible)
        score[~eligible] = -np.inf

        chosen: list[list[Pick]] = [[] for _ in batch]
        rows = np.arange(len(batch))
        for _ in range(count):
            best = score.argmax(axis=1)
            values = score[rows, best]
            for row in np.flatnonzero(values > -np.inf).tolist():
                column = int(best[row])
                colleagues_in = departments[row] if by_colleagues[row, column] else None
                kind, value = self._reason(row, column, goal, need, trend, colleagues_in)
                chosen[row].append(Pick(self._ids[column], kind, value, round(float(values[row]), 6)))
            score[rows, best] = -np.inf
            with_twins = np.flatnonzero(self._has_twins[best])
            same = self._twins[np.newaxis, :] == self._twins[best[with_twins]][:, np.newaxis]
            score[with_twins] = np.where(same, -np.inf, score[with_twins])
        return {learner_id: tuple(chosen[row]) for learner_id, row in row_of.items()}

    def _trend(self, trend_tags: Sequence[str]) -> _Trend:
        if not trend_tags:
            return _Trend(np.zeros(len(self._ids), dtype=np.float32), [None] * len(self._ids))
        near = self._content.similarity(trend_tags)
        for row, tag in enumerate(trend_tags):
            near[row, [tag.casefold() in tags for tags in self._tags]] = 1.0
        return _Trend(near.max(axis=0), [trend_tags[row] for row in near.argmax(axis=0).tolist()])

    def _speaks_to(self, language: str | None) -> NDArray[np.bool_]:
        """Which items a reader of the language understands; a region makes no difference."""
        if language not in self._speaks:
            base = None if language is None else _base(language)
            self._speaks[language] = np.array([base is None or each is None or each == base for each in self._bases])
        return self._speaks[language]

    def _rule_out_what_is_done(
        self, conn: Connection, batch: Sequence[int], row_of: Mapping[int, int], eligible: NDArray[np.bool_]
    ) -> None:
        done = conn.execute(
            select(progress.c.learner_id, progress.c.item_id).where(
                in_ids(progress.c.learner_id, batch),
                progress.c.status.in_([ProgressStatus.COMPLETED, ProgressStatus.WITHDRAWN]),
            )
        )
        for learner_id, item_id in done:
            column = self._column.get(item_id)
            if column is not None:
                eligible[row_of[learner_id], self._twins_of[int(self._twins[column])]] = False

    def _reason(
        self, row: int, column: int, goal: Nearness, need: Nearness, trend: _Trend, colleagues_in: str | None
    ) -> tuple[str, str]:
        """The first reason that is true: goal, need, trend, colleagues, popular, short."""
        for kind, nearness in (("goal", goal), ("need", need)):
            words = nearness.words(row, column)
            if words is not None:
                return kind, words
        tag = trend.tag[column]
        if tag is not None and trend.nearness[column] >= IS_ABOUT:
            return "trend", tag
        if colleagues_in is not None:
            return "colleagues", colleagues_in
        if self._is_popular[column]:
            return "popular", str(self._people[column])
        return "short", f"{self._minutes[column]:g}"


def _text(row: Any, tags: set[str]) -> str:
    """What an item says about itself; its tags count twice."""
    listed = " ".join(sorted(tags))
    return f"{row['title']}. {row['summary'] or ''}. {listed}. {listed}"


def _base(language: str) -> str:
    return language.replace("_", "-").split("-")[0].casefold()
