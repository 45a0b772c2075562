"""Writes what was learned into the profiles, and into the learner's row, where planning reads it.

The row's hour and channel have an owner each, and learning never takes what is not its own (mission R1):

- *declared*: there is a declared fact. The row is left alone; what is learned waits in the profile for its withdrawal.
- *given*: the row has a value and no learned fact says the same. It came with the person, from HR or an import, and is
  left alone too. A learned fact of the same value is not kept then, so that it never passes for learned later.
- *learned*: the row is empty, or has what a learned fact says. It follows what is learned, to unknown too.

Running it again with the same ``as_of`` changes nothing. A value that stays keeps its age.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, and_, bindparam, delete, select, update

from pushpull.db import insert_new, reading, writing
from pushpull.learners.consent import lock_learners
from pushpull.learners.lists import in_ids
from pushpull.learners.signature.behaviour import infer_barriers
from pushpull.learners.signature.evidence import BATCH, Common, common, traces
from pushpull.learners.signature.fold import Learned, Signature, signature_of
from pushpull.learners.tables import learner, profile_fact
from pushpull.learners.vocabulary import FactKind, FactSource

#: What is learned from behaviour.
KINDS: Final = (
    FactKind.HOUR,
    FactKind.DAYS,
    FactKind.CHANNEL,
    FactKind.FORMAT,
    FactKind.SESSION_MINUTES,
    FactKind.TOPIC,
    FactKind.BARRIER,
)
_ROW: Final = {FactKind.HOUR: "preferred_hour", FactKind.CHANNEL: "preferred_channel"}


@dataclass(frozen=True, slots=True)
class WhatWasLearned:
    """What a run of learning came to.

    Args:
        learners: who were looked at.
        known: of whom anything is known now.
        facts: that are known of them.
        written: facts that are new or have another confidence.
        removed: facts that are unknown now.
        rows: learners whose hour or channel changed in their row.
    """

    learners: int = 0
    known: int = 0
    facts: int = 0
    written: int = 0
    removed: int = 0
    rows: int = 0

    def __add__(self, other: WhatWasLearned) -> WhatWasLearned:
        return WhatWasLearned(
            self.learners + other.learners,
            self.known + other.known,
            self.facts + other.facts,
            self.written + other.written,
            self.removed + other.removed,
            self.rows + other.rows,
        )


def learn_signatures(
    connection: Connection, *, as_of: datetime, learner_ids: Sequence[int] | None = None
) -> WhatWasLearned:
    """Learn from what people did, and keep it as learned facts, in one transaction.

    :func:`learn_everybody` does the same in many short ones, which lets others write in between.

    Args:
        as_of: aware; what is later does not count.
        learner_ids: whose; None is everybody's. Who is inactive or erased is left out.
    """
    known, done = common(connection, as_of=as_of), WhatWasLearned()
    for batch in _batches(connection, learner_ids):
        done += _learn(connection, batch, known, as_of=as_of)
    return done


def learn_everybody(engine: Engine, *, as_of: datetime) -> WhatWasLearned:
    """:func:`learn_signatures` of everybody, a transaction for each batch: nobody waits for longer than one takes.

    Cut off in between, it has learned about some; running it again does the rest.
    """
    with reading(engine) as connection:
        known, batches = common(connection, as_of=as_of), list(_batches(connection, None))
    done = WhatWasLearned()
    for batch in batches:
        with writing(engine) as connection:
            done += _learn(connection, batch, known, as_of=as_of)
    return done


def _batches(connection: Connection, learner_ids: Sequence[int] | None) -> Iterator[list[int]]:
    if learner_ids is not None:
        ids = sorted(set(learner_ids))
        yield from (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
        return
    last = 0
    while True:
        some = select(learner.c.id).where(learner.c.id > last, learner.c.active).order_by(learner.c.id).limit(BATCH)
        batch = list(connection.execute(some).scalars())
        if not batch:
            return
        yield batch
        last = batch[-1]


def _learn(connection: Connection, learner_ids: Sequence[int], known: Common, *, as_of: datetime) -> WhatWasLearned:
    lock_learners(connection, learner_ids)  # whoever declares something waits, and so do we
    facts: dict[int, dict[tuple[FactKind, str], Learned]] = {}
    people = list(traces(connection, learner_ids, known, as_of=as_of))
    for one in people:
        found = signature_of(one.doings, one.sent, zone=one.zone, as_of=as_of, expected=known.expected)
        facts[one.learner_id] = _as_facts(found)
    for learner_id, (barrier, confidence) in infer_barriers(connection, people, as_of=as_of).items():
        facts[learner_id][FactKind.BARRIER, barrier.value] = Learned(barrier.value, confidence, 0.0)
    return _keep(connection, facts, as_of=as_of)


def _as_facts(found: Signature) -> dict[tuple[FactKind, str], Learned]:
    single = {
        FactKind.HOUR: found.hour,
        FactKind.DAYS: found.days,
        FactKind.CHANNEL: found.channel,
        FactKind.FORMAT: found.format,
        FactKind.SESSION_MINUTES: found.session_minutes,
    }
    facts = {(kind, each.value): each for kind, each in single.items() if each is not None}
    return facts | {(FactKind.TOPIC, each.value): each for each in found.topics}


def _keep(
    connection: Connection, facts: Mapping[int, dict[tuple[FactKind, str], Learned]], *, as_of: datetime
) -> WhatWasLearned:
    before = _facts_before(connection, list(facts))
    rows = connection.execute(
        select(learner.c.id, learner.c.preferred_hour, learner.c.preferred_channel).where(
            in_ids(learner.c.id, list(facts))
        )
    ).all()
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    gone: list[dict[str, Any]] = []
    moved: dict[str, list[dict[str, Any]]] = {column: [] for column in _ROW.values()}
    touched: set[int] = set()
    for row in rows:
        had, wanted = before.get(row.id, {}), dict(facts[row.id])
        for kind, column in _ROW.items():
            now = getattr(row, column)
            if _is_learned(had, kind, now):
                value = next((each.value for (of, _), each in wanted.items() if of is kind), None)
                if value != (None if now is None else str(now)):
                    as_kept: int | str | None = int(value) if value is not None and kind is FactKind.HOUR else value
                    moved[column].append({"whose": row.id, "value": as_kept, "at": as_of})
                    touched.add(row.id)
            elif now is not None:
                # Theirs already. As a learned fact beside it, the row would look learned the next time.
                given = (kind, str(now))
                if given in wanted and had.get(given, (None,))[0] is not FactSource.LEARNED:
                    del wanted[given]
        for (kind, value), each in wanted.items():
            key = {"whose": row.id, "what": kind.value, "said": value}
            source, confidence = had.get((kind, value), (None, 0.0))
            if source is None:
                new.append(
                    {
                        "learner_id": row.id,
                        "kind": kind.value,
                        "value": value,
                        "source": FactSource.LEARNED.value,
                        "confidence": each.confidence,
                        "recorded_at": as_of,
                    }
                )
            elif source is FactSource.LEARNED and confidence != each.confidence:
                changed.append({**key, "sure": each.confidence})
        gone += [
            {"whose": row.id, "what": kind.value, "said": value}
            for (kind, value), (source, _) in had.items()
            if source is FactSource.LEARNED and (kind, value) not in wanted
        ]
    _write(connection, new, changed, gone, moved)
    return WhatWasLearned(
        learners=len(rows),
        known=sum(bool(each) for each in facts.values()),
        facts=sum(len(each) for each in facts.values()),
        written=len(new) + len(changed),
        removed=len(gone),
        rows=len(touched),
    )


def _is_learned(had: Mapping[tuple[FactKind, str], tuple[FactSource, float]], kind: FactKind, now: object) -> bool:
    """Whether the learner's row has what was learned, or nothing, and so follows what is learned now."""
    if any(of is kind and source is not FactSource.LEARNED for (of, _), (source, _) in had.items()):
        return False
    return now is None or (kind, str(now)) in had


def _facts_before(
    connection: Connection, learner_ids: Sequence[int]
) -> dict[int, dict[tuple[FactKind, str], tuple[FactSource, float]]]:
    rows = connection.execute(
        select(
            profile_fact.c.learner_id,
            profile_fact.c.kind,
            profile_fact.c.value,
            profile_fact.c.source,
            profile_fact.c.confidence,
        ).where(in_ids(profile_fact.c.learner_id, learner_ids), profile_fact.c.kind.in_([each.value for each in KINDS]))
    )
    before: dict[int, dict[tuple[FactKind, str], tuple[FactSource, float]]] = {}
    for learner_id, kind, value, source, confidence in rows:
        before.setdefault(learner_id, {})[FactKind(kind), value] = FactSource(source), confidence
    return before


def _write(
    connection: Connection,
    new: Sequence[dict[str, Any]],
    changed: Sequence[dict[str, Any]],
    gone: Sequence[dict[str, Any]],
    moved: Mapping[str, Sequence[dict[str, Any]]],
) -> None:
    mine = and_(
        profile_fact.c.learner_id == bindparam("whose"),
        profile_fact.c.kind == bindparam("what"),
        profile_fact.c.value == bindparam("said"),
    )
    if gone:
        connection.execute(delete(profile_fact).where(mine), gone)
    if changed:
        connection.execute(update(profile_fact).where(mine).values(confidence=bindparam("sure")), changed)
    insert_new(connection, profile_fact, new)
    for column, rows in moved.items():
        if rows:
            one = update(learner).where(learner.c.id == bindparam("whose"))
            connection.execute(one.values({column: bindparam("value"), "updated_at": bindparam("at")}), rows)
