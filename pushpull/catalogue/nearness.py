"""How near items are to what single learners said about their goals and needs, in which words, and in which formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from pushpull.catalogue.similarity import IS_ABOUT, Matrix
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import profile_fact
from pushpull.learners.vocabulary import FactKind, FactSource

_KINDS = {"goal": "goal", "aspiration": "goal", "need": "need"}
#: How much a fact weighs by where it comes from: what the learner declared beats what was learned from behaviour.
SOURCES = {"declared": 1.0, "hr": 0.9, "learned": 0.8}


class Fact(NamedTuple):
    """What a learner said.

    Args:
        row: the learner's, in the batch.
        weight: of the words, 0 to 1.
        is_told: whether somebody said so, rather than that it was learned from behaviour.
        recorded_at: aware.
    """

    row: int
    text: str
    weight: float
    is_told: bool
    recorded_at: datetime


class Nearness:
    """How near each item is to the nearest of each learner's facts of one kind.

    Args:
        facts: ordered by the learner's row.
        near: similarity of each fact (row) to each item (column).
        learners: how many rows there are.
    """

    def __init__(self, facts: Sequence[Fact], near: Matrix, learners: int) -> None:
        self._facts = facts
        self._near = near
        self._span: dict[int, tuple[int, int]] = {}
        self.of = np.zeros((learners, near.shape[1]), dtype=np.float32)
        if facts:
            near *= np.array([fact.weight for fact in facts], dtype=np.float32)[:, np.newaxis]
            rows, starts = np.unique([fact.row for fact in facts], return_index=True)
            self.of[rows] = near if len(rows) == len(facts) else np.maximum.reduceat(near, starts, axis=0)
            first = starts.tolist()
            spans = zip(first, [*first[1:], len(facts)], strict=True)
            self._span = dict(zip(rows.tolist(), spans, strict=True))

    def is_about(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a fact of each learner is a reason for the item beside."""
        return self.of[rows, columns] >= np.float32(IS_ABOUT)

    def words(self, row: int, column: int) -> str:
        """The learner's fact that is nearest to the item; they must have one."""
        first, end = self._span[row]
        nearest = 0 if end - first == 1 else int(self._near[first:end, column].argmax())
        return self._facts[first + nearest].text


def read_facts(conn: Connection, batch: Sequence[int], row_of: Mapping[int, int]) -> dict[str, list[Fact]]:
    """The learners' goals and needs, each ordered by row and text."""
    facts: dict[str, list[Fact]] = {"goal": [], "need": []}
    for learner_id, kind, value, source, confidence, recorded_at in conn.execute(
        select(
            profile_fact.c.learner_id,
            profile_fact.c.kind,
            profile_fact.c.value,
            profile_fact.c.source,
            profile_fact.c.confidence,
            profile_fact.c.recorded_at,
        ).where(in_ids(profile_fact.c.learner_id, batch), profile_fact.c.kind.in_(list(_KINDS)))
    ).all():
        weight = float(confidence) * SOURCES.get(source, 0.8)
        facts[_KINDS[kind]].append(Fact(row_of[learner_id], value, weight, source != FactSource.LEARNED, recorded_at))
    return {kind: sorted(listed) for kind, listed in facts.items()}


def read_formats(conn: Connection, batch: Sequence[int], row_of: Mapping[int, int]) -> dict[int, list[str]]:
    """The formats that learners chose, by the learner's row; those who chose none are left out."""
    chosen: dict[int, list[str]] = {}
    for learner_id, value in conn.execute(
        select(profile_fact.c.learner_id, profile_fact.c.value).where(
            in_ids(profile_fact.c.learner_id, batch),
            profile_fact.c.kind == FactKind.FORMAT,
            profile_fact.c.source == FactSource.DECLARED,
        )
    ).all():
        chosen.setdefault(row_of[learner_id], []).append(value)
    return chosen
