"""What learners say about themselves: facts of their profile that nobody else overrules (mission R1, R9).

What is declared beats what HR says, and that beats what was learned from behaviour. Three declared facts also stand in
the learner's row, where planning reads them: the language, the hour and the channel. What stood there before is kept,
and comes back when the learner withdraws their word: what came with the person as HR's, what was learned as learned.
What learners decide (pauses, daily nudges) lives in `choices`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, FromClause, and_, case, delete, exists, literal, select, update

from pushpull.db import UtcDateTime, insert_into
from pushpull.learners.consent import lock_learner
from pushpull.learners.tables import learner, profile_fact
from pushpull.learners.vocabulary import Barrier, Channel, FactKind, FactSource

#: Longest value, in characters, of what learners write in their own words.
LONGEST: Final[Mapping[FactKind, int]] = {FactKind.GOAL: 200, FactKind.WHY: 400}
#: What has a closed set of values.
_CLOSED: Final[Mapping[FactKind, frozenset[str]]] = {
    FactKind.CHANNEL: frozenset(Channel),
    FactKind.BARRIER: frozenset(Barrier),
}
#: Where the first word of a kind stands in the learner's row.
_COLUMNS: Final = {
    FactKind.LANGUAGE: learner.c.preferred_language,
    FactKind.HOUR: learner.c.preferred_hour,
    FactKind.CHANNEL: learner.c.preferred_channel,
}
#: How many goals somebody may have at once.
MOST_GOALS: Final = 5


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of a profile.

    Args:
        confidence: 0 to 1; 1 where somebody said so.
        recorded_at: since when it is known, UTC.
    """

    kind: FactKind
    value: str
    source: FactSource
    confidence: float
    recorded_at: datetime


def as_typed(text: str) -> str:
    """Words as they were typed, but for line ends, which become ``\\n``, and control characters, which no page shows.

    Nothing is trimmed: whoever wrote two spaces gets two spaces back.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(each for each in lines if each in "\n\t" or unicodedata.category(each) not in {"Cc", "Cs"})


def facts_of(connection: Connection, learner_id: int) -> tuple[Fact, ...]:
    """Every fact of a profile, in the order of kind, time and value."""
    rows = connection.execute(
        select(profile_fact)
        .where(profile_fact.c.learner_id == learner_id)
        .order_by(profile_fact.c.kind, profile_fact.c.recorded_at, profile_fact.c.value)
    )
    return tuple(
        Fact(FactKind(row.kind), row.value, FactSource(row.source), row.confidence, row.recorded_at) for row in rows
    )


def declared(connection: Connection, learner_id: int, kind: FactKind) -> tuple[str, ...]:
    """What the learner said of this kind themselves, the oldest first."""
    return tuple(
        connection.execute(
            select(profile_fact.c.value)
            .where(_said(learner_id, kind))
            .order_by(profile_fact.c.recorded_at, profile_fact.c.value)
        ).scalars()
    )


def why_of(connection: Connection, learner_id: int) -> str | None:
    """Why and what for the learner learns, exactly as they wrote it; None where they did not say (mission R9)."""
    return next(iter(declared(connection, learner_id, FactKind.WHY)), None)


def declare(connection: Connection, learner_id: int, kind: FactKind, values: Sequence[str], *, at: datetime) -> None:
    """Let these be all that the learner says of a kind; none of them: the learner takes their word back.

    Args:
        values: the words; for :attr:`FactKind.LANGUAGE` one language tag, for :attr:`FactKind.HOUR` one local hour,
            for :attr:`FactKind.CHANNEL` and :attr:`FactKind.BARRIER` one of theirs.
        at: now, UTC.

    Raises:
        UnknownLearner: there is no such learner.
        ValueError: a value is too long, or there are too many.
    """
    wanted = tuple(dict.fromkeys(values))
    _check(kind, wanted)
    lock_learner(connection, learner_id)
    before = declared(connection, learner_id, kind)
    if not before and wanted:
        _keep_former(connection, learner_id, kind, wanted[0], at=at)
    connection.execute(delete(profile_fact).where(_said(learner_id, kind), profile_fact.c.value.not_in(wanted)))
    for value in wanted:
        _say(connection, learner_id, kind, value, FactSource.DECLARED, at=at)
    if wanted:
        _show_in_row(connection, learner_id, kind, wanted[0], at=at)
    elif before:
        _bring_back(connection, learner_id, kind, at=at)


def withdraw(connection: Connection, learner_id: int, kind: FactKind, *, at: datetime) -> None:
    """The learner takes back what they said of a kind; arguments and errors as for :func:`declare`."""
    declare(connection, learner_id, kind, (), at=at)


def chose_language(learner_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether the learner of a row chose their language themselves, so that nobody else sets it."""
    return exists(
        select(literal(1))
        .where(_said(learner_id, FactKind.LANGUAGE))
        .correlate_except(profile_fact)  # whatever table the id is of
    )


def keep_what_hr_says(connection: Connection, said: FromClause, *, at: datetime) -> None:
    """Keep HR's languages of those who chose another one, for when they take their word back.

    Args:
        said: rows of ``external_id`` and ``preferred_language``; each person once.
        at: now, UTC.
    """
    has_chosen = and_(
        profile_fact.c.kind == FactKind.LANGUAGE.value, profile_fact.c.source == FactSource.DECLARED.value
    )
    whom = connection.execute(
        select(learner.c.id, said.c.preferred_language)
        .join(said, said.c.external_id == learner.c.external_id)
        .join(profile_fact, profile_fact.c.learner_id == learner.c.id)
        .where(has_chosen)
    ).all()
    for learner_id, language in whom:  # so many as chose: few, and seldom
        connection.execute(delete(profile_fact).where(_of(learner_id, FactKind.HR_LANGUAGE)))
        if language:
            _say(connection, learner_id, FactKind.HR_LANGUAGE, language, FactSource.HR, at=at)


def _check(kind: FactKind, values: Sequence[str]) -> None:
    longest = LONGEST.get(kind, 100)
    if any(not value or len(value) > longest for value in values):
        raise ValueError(f"a {kind.value} has 1 to {longest} characters")
    most = {FactKind.GOAL: MOST_GOALS, FactKind.FORMAT: 20}.get(kind, 1)
    if len(values) > most:
        raise ValueError(f"at most {most} of {kind.value}")
    if kind is FactKind.HOUR and any(not value.isdecimal() or int(value) > 23 for value in values):
        raise ValueError("an hour is 0 to 23")
    if kind in _CLOSED and not _CLOSED[kind].issuperset(values):
        raise ValueError(f"a {kind.value} is one of {', '.join(sorted(_CLOSED[kind]))}")


def _of(learner_id: int | ColumnElement[int], kind: FactKind) -> ColumnElement[bool]:
    return and_(profile_fact.c.learner_id == learner_id, profile_fact.c.kind == kind.value)


def _said(learner_id: int | ColumnElement[int], kind: FactKind) -> ColumnElement[bool]:
    return and_(_of(learner_id, kind), profile_fact.c.source == FactSource.DECLARED.value)


def _say(
    connection: Connection, learner_id: int, kind: FactKind, value: str, source: FactSource, *, at: datetime
) -> None:
    """Record a fact; one that the same source said before keeps its age."""
    statement = insert_into(connection, profile_fact).values(
        learner_id=learner_id, kind=kind.value, value=value, source=source.value, confidence=1.0, recorded_at=at
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(profile_fact.primary_key),
            set_={"source": source.value, "confidence": 1.0, "recorded_at": literal(at, UtcDateTime)},
            where=profile_fact.c.source != source.value,
        )
    )


def _keep_former(connection: Connection, learner_id: int, kind: FactKind, new: str, *, at: datetime) -> None:
    """Keep what the learner's row says before the learner's first word takes its place.

    What was learned is a fact of its own already. The rest came with the person, and is kept as HR's word.
    """
    if kind not in _COLUMNS:
        return
    former = connection.execute(select(_COLUMNS[kind]).where(learner.c.id == learner_id)).scalar()
    if former is None or former == "":
        return
    if kind is FactKind.LANGUAGE:
        _say(connection, learner_id, FactKind.HR_LANGUAGE, str(former), FactSource.HR, at=at)
        return
    is_learned = exists(select(literal(1)).where(_of(learner_id, kind), profile_fact.c.value == str(former)))
    if str(former) != new and not connection.scalar(select(is_learned)):
        _say(connection, learner_id, kind, str(former), FactSource.HR, at=at)


def _show_in_row(connection: Connection, learner_id: int, kind: FactKind, value: str | None, *, at: datetime) -> None:
    if kind in _COLUMNS:
        shown = int(value) if value is not None and kind is FactKind.HOUR else value
        mine = update(learner).where(learner.c.id == learner_id)
        connection.execute(mine.values({_COLUMNS[kind]: shown, learner.c.updated_at: at}))


def _bring_back(connection: Connection, learner_id: int, kind: FactKind, *, at: datetime) -> None:
    """Set the learner's row to what was kept, HR's word first, or to unknown."""
    if kind not in _COLUMNS:
        return
    kept = FactKind.HR_LANGUAGE if kind is FactKind.LANGUAGE else kind
    by_rank = case((profile_fact.c.source == FactSource.HR.value, 0), else_=1)
    former = connection.execute(
        select(profile_fact.c.value, profile_fact.c.source)
        .where(_of(learner_id, kept))
        .order_by(by_rank, profile_fact.c.value)
        .limit(1)
    ).one_or_none()
    if former is not None and former.source == FactSource.HR.value:
        # In the row and in no fact again, as it came; a learned one stays a fact, by which learning knows its own.
        connection.execute(delete(profile_fact).where(_of(learner_id, kept), profile_fact.c.value == former.value))
    _show_in_row(connection, learner_id, kind, None if former is None else former.value, at=at)
