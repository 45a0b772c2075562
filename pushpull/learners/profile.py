"""The profile of a learner, field by field: who says so, since when, how sure, and how much is known (mission R1).

What somebody declared beats what HR says, and that beats what was learned. A field may have several values, such as
goals; then all of the best source are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from pushpull.learners.consent import UnknownLearner
from pushpull.learners.declared import Fact, facts_of
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import FactKind, FactSource

#: What each field counts for in the coverage. What learning is for weighs most, then what a message needs to arrive
#: well; a house rule, and it adds up to 1.
WEIGHTS: Final[Mapping[FactKind, float]] = {
    FactKind.GOAL: 0.20,
    FactKind.NEED: 0.15,
    FactKind.ASPIRATION: 0.10,
    FactKind.LANGUAGE: 0.15,
    FactKind.HOUR: 0.10,
    FactKind.CHANNEL: 0.10,
    FactKind.FORMAT: 0.05,
    FactKind.DAYS: 0.05,
    FactKind.SESSION_MINUTES: 0.05,
    FactKind.TOPIC: 0.05,
}
#: Fields that are shown and count for nothing: that nothing is in the way is no gap, and the why is theirs to keep.
_BESIDE: Final = (FactKind.BARRIER, FactKind.WHY)
_ORDER: Final = tuple(FactSource)
#: How sure it is what stands in the learner's row and nobody declared: HR keeps it, and may be late.
_GIVEN: Final = 0.9


@dataclass(frozen=True, slots=True)
class Field:
    """One field that is known.

    Args:
        values: of the best source, in the order in which they became known.
        confidence: 0 to 1; the least of them.
        age_days: days since the latest of them became known.
    """

    kind: FactKind
    values: tuple[str, ...]
    source: FactSource
    confidence: float
    age_days: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a learner.

    Args:
        fields: known fields, in the order of :data:`WEIGHTS`, then the others.
    """

    learner_id: int
    fields: tuple[Field, ...]

    def __getitem__(self, kind: FactKind) -> Field | None:
        """A field, or None where it is unknown."""
        return next((each for each in self.fields if each.kind is kind), None)

    @property
    def coverage(self) -> float:
        """How much of the profile is known, 0 to 1: the :data:`WEIGHTS` of the fields that are."""
        return round(sum(WEIGHTS.get(each.kind, 0.0) for each in self.fields), 6)

    @property
    def missing(self) -> tuple[FactKind, ...]:
        """The fields that count and are unknown, what counts most first."""
        known = {each.kind for each in self.fields}
        return tuple(kind for kind in sorted(WEIGHTS, key=lambda each: -WEIGHTS[each]) if kind not in known)


def profile_of(connection: Connection, learner_id: int, *, as_of: datetime) -> Profile:
    """The profile of a learner.

    Args:
        as_of: aware; ages are counted up to it.

    Raises:
        UnknownLearner: there is no such learner.
    """
    row = connection.execute(
        select(
            learner.c.preferred_language, learner.c.preferred_hour, learner.c.preferred_channel, learner.c.updated_at
        ).where(learner.c.id == learner_id)
    ).one_or_none()
    if row is None:
        raise UnknownLearner(learner_id)
    facts = list(facts_of(connection, learner_id))
    in_row = {
        FactKind.LANGUAGE: row.preferred_language,
        FactKind.HOUR: row.preferred_hour,
        FactKind.CHANNEL: row.preferred_channel,
    }
    facts += given(facts, in_row, since=row.updated_at)
    fields = []
    for kind in (*WEIGHTS, *_BESIDE):
        mine = [each for each in facts if each.kind is kind]
        if mine:
            fields.append(_field(kind, mine, as_of))
    return Profile(learner_id, tuple(fields))


def given(facts: Sequence[Fact], in_row: Mapping[FactKind, object], *, since: datetime) -> list[Fact]:
    """What stands in the learner's row and in no fact: it came with the person, from HR or an import.

    Args:
        facts: of the profile.
        in_row: what the row says.
        since: when the row was last changed.
    """
    said = {(each.kind, each.value) for each in facts}
    return [
        Fact(kind, str(value), FactSource.HR, _GIVEN, since)
        for kind, value in in_row.items()
        if value is not None and value != "" and (kind, str(value)) not in said
    ]


def _field(kind: FactKind, facts: Sequence[Fact], as_of: datetime) -> Field:
    source = min((each.source for each in facts), key=_ORDER.index)
    best = sorted(
        (each for each in facts if each.source is source),
        key=lambda each: (each.recorded_at, -each.confidence, each.value),
    )
    latest = max(each.recorded_at for each in best)
    return Field(
        kind,
        tuple(each.value for each in best),
        source,
        min(each.confidence for each in best),
        max(0, (as_of - latest).days),
    )
