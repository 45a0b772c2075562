"""What is known of the learners who are asked for together: read at once, so that choosing needs no database."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from pushpull.catalogue.nearness import SOURCES, Fact, read_facts, read_formats
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import learner, profile_fact, progress
from pushpull.learners.vocabulary import FactKind, ProgressStatus

#: Sessions that are longer than this, in minutes, are taken for a mistake.
_LONGEST = 8 * 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """How long a learner usually stays.

    Args:
        minutes: above 0.
        weight: how much it is to be believed, 0 to 1.
    """

    minutes: float
    weight: float


@dataclass(frozen=True, slots=True)
class Askers:
    """Learners by row.

    Args:
        departments, languages: None is unknown.
        facts: ``goal`` and ``need``, each ordered by row.
        formats: chosen ones, by row.
        sessions: by row; who is not in it has none that is known.
        topics: by row: tags a learner comes back to, without regard to capitals, with how much each is to be believed.
        over: pairs of row and item id: completed or given up.
        completed: of those pairs, which were completed.
    """

    learner_ids: tuple[int, ...]
    departments: tuple[str | None, ...]
    languages: tuple[str | None, ...]
    facts: Mapping[str, Sequence[Fact]]
    formats: Mapping[int, Sequence[str]]
    sessions: Mapping[int, Session]
    topics: Mapping[int, Sequence[tuple[str, float]]]
    over: NDArray[np.int64]
    completed: NDArray[np.bool_]


def read_askers(connection: Connection, learner_ids: Sequence[int], *, languages_of: Mapping[int, str]) -> Askers:
    """The learners with these ids.

    Args:
        languages_of: the language a learner reads, by id; their own preferred one where it is not in there.
    """
    row_of = {learner_id: row for row, learner_id in enumerate(learner_ids)}
    departments: list[str | None] = [None] * len(learner_ids)
    languages = [languages_of.get(learner_id) for learner_id in learner_ids]
    for learner_id, department, language in connection.execute(
        select(learner.c.id, learner.c.department, learner.c.preferred_language).where(
            in_ids(learner.c.id, learner_ids)
        )
    ).all():
        row = row_of[learner_id]
        departments[row] = department
        languages[row] = languages[row] or language
    done = connection.execute(
        select(progress.c.learner_id, progress.c.item_id, progress.c.status).where(
            in_ids(progress.c.learner_id, learner_ids),
            progress.c.status.in_([ProgressStatus.COMPLETED, ProgressStatus.WITHDRAWN]),
        )
    ).all()
    return Askers(
        tuple(learner_ids),
        tuple(departments),
        tuple(languages),
        read_facts(connection, learner_ids, row_of),
        read_formats(connection, learner_ids, row_of),
        _read_sessions(connection, learner_ids, row_of),
        _read_topics(connection, learner_ids, row_of),
        np.array([(row_of[who], what) for who, what, _ in done], dtype=np.int64).reshape(-1, 2),
        np.array([status == ProgressStatus.COMPLETED for _, _, status in done], dtype=bool),
    )


def _read_sessions(connection: Connection, learner_ids: Sequence[int], row_of: Mapping[int, int]) -> dict[int, Session]:
    """How long the learners usually stay; of several facts the one to be believed most."""
    found: dict[int, Session] = {}
    for learner_id, value, weight in _facts(connection, learner_ids, FactKind.SESSION_MINUTES):
        minutes = _number(value)
        if minutes is None or not 0 < minutes <= _LONGEST:
            continue
        told = Session(minutes, weight)
        known = found.get(row_of[learner_id])
        if known is None or (told.weight, -told.minutes) > (known.weight, -known.minutes):
            found[row_of[learner_id]] = told
    return found


def _read_topics(
    connection: Connection, learner_ids: Sequence[int], row_of: Mapping[int, int]
) -> dict[int, list[tuple[str, float]]]:
    found: dict[int, list[tuple[str, float]]] = {}
    for learner_id, value, weight in _facts(connection, learner_ids, FactKind.TOPIC):
        if weight:
            found.setdefault(row_of[learner_id], []).append((value.casefold(), weight))
    return found


def _facts(connection: Connection, learner_ids: Sequence[int], kind: FactKind) -> Iterator[tuple[int, str, float]]:
    """The learner, the value and how much it is to be believed (0 to 1) of every fact of a kind."""
    fact = profile_fact.c
    for learner_id, value, source, confidence in connection.execute(
        select(fact.learner_id, fact.value, fact.source, fact.confidence).where(
            in_ids(fact.learner_id, learner_ids), fact.kind == kind
        )
    ):
        yield learner_id, value, min(1.0, max(0.0, float(confidence))) * SOURCES.get(source, 0.8)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
