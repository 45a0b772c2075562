"""How near items are to what single learners said about their goals and needs, in which words, and in which formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, select

from pushpull.catalogue.similarity import IS_ABOUT, Matrix
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import profile_fact
from pushpull.learners.vocabulary import FactKind, FactSource

_KINDS = {"goal": "goal", "aspiration": "goal", "need": "need"}
#: How much a fact weighs by where it comes from: what the learner declared beats what was learned from behaviour.
SOURCES = {"declared": 1.0, "hr": 0.9, "learned": 0.8}


class Fact(NamedTuple):
    """What a learner said: the learner's row in the batch, the words, and how much they weigh, 0 to 1."""

    row: int
    text: str
    weight: float


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
            self.of[rows] = np.maximum.reduceat(near, starts, axis=0)
            first = starts.tolist()
            spans = zip(first, [*first[1:], len(facts)], strict=True)
            self._span = dict(zip(rows.tolist(), spans, strict=True))

    def words(self, row: int, column: int) -> str | None:
        """The learner's fact that is a reason for the item, if there is one."""
        if row not in self._span or self.of[row, column] < IS_ABOUT:
            return None
        first, end = self._span[row]
        return self._facts[first + int(self._near[first:end, column].argmax())].text


def read_facts(conn: Connection, batch: Sequence[int], row_of: Mapping[int, int]) -> dict[str, list[Fact]]:
    """The learners' goals and needs, each ordered by row and text."""
    facts: dict[str, list[Fact]] = {"goal": [], "need": []}
    for learner_id, kind, value, source, confidence in conn.execute(
        select(
            profile_fact.c.learner_id,
            profile_fact.c.kind,
            profile_fact.c.value,
            profile_fact.c.source,
            profile_fact.c.confidence,
        ).where(in_ids(profile_fact.c.learner_id, batch), profile_fact.c.kind.in_(list(_KINDS)))
    ):
        weight = float(confidence) * SOURCES.get(source, 0.8)
        facts[_KINDS[kind]].append(Fact(row_of[learner_id], value, weight))
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
    ):
        chosen.setdefault(row_of[learner_id], []).append(value)
    return chosen
