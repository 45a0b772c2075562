"""What statements become in ``activity``: whose, on which item and section, voided or not.

Statements are told apart by their id alone, wherever they come from, so a file and an LRS that hold the same ones add
up to one set. What ``completed`` and its like mean for progress depends on the object: about the item itself the record
has no section; about a part of it, it has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, or_, select

from pushpull.catalogue.tables import item, section
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.runs import Change, ImportRun
from pushpull.importers.staging import chunks, natural_key
from pushpull.importers.tables import voided_statement
from pushpull.importers.xapi.facts import SOURCE, Fact, Identity
from pushpull.importers.xapi.voiding import void, voided_at
from pushpull.learners.tables import activity, learner_identity


def activity_of(run: ImportRun, facts: Sequence[tuple[int, Fact]]) -> list[dict[str, Any]]:
    """The rows of ``activity`` that one batch adds, its voiding done and each of its statements accounted for.

    A statement that is there already, earlier in the batch included, is a duplicate.
    """
    connection = run.connection
    learners = _learners(connection, facts)
    places = _places(connection, facts)
    there = _known_ids(connection, facts)
    about = _items_of_statements(connection, facts)
    void(run, [(number, fact) for number, fact in facts if fact.voids], there)
    voided = voided_at(connection, facts)
    rows: list[dict[str, Any]] = []
    for number, fact in facts:
        if fact.voids:
            continue
        if fact.statement_id in there:
            run.count(duplicate=1)
            continue
        known = [(at, learners[who]) for at, who in enumerate(fact.actors) if who in learners]
        if not known:
            run.refuse(number, Refused(Refusal.UNKNOWN_PERSON, field="actor"))
            continue
        there.add(fact.statement_id)
        item_id, section_key = _place_of(fact, places, about)
        for at, learner_id in known:
            rows.append(
                {
                    "row_number": number,
                    "occurrence": 1,
                    "learner_id": learner_id,
                    "source": SOURCE,
                    "source_id": f"{fact.statement_id}/{at}" if fact.is_group else fact.statement_id,
                    "verb": fact.verb,
                    "item_id": item_id,
                    "object_iri": fact.object_iri or f"urn:uuid:{fact.about_statement}",
                    "section_key": section_key,
                    "occurred_at": fact.occurred_at,
                    "stored_at": fact.stored_at,
                    "minutes": fact.minutes,
                    "score": fact.score,
                    "success": fact.success,
                    "voided_at": voided.get(fact.statement_id),
                }
            )
        run.count(new=1)
        if run.examples_wanted:
            run.show([Change(fact.statement_id, True, {"verb": (None, fact.verb)})])
    return rows


def _learners(connection: Connection, facts: Sequence[tuple[int, Fact]]) -> Mapping[Identity, int]:
    found: dict[Identity, int] = {}
    wanted = {identity for _, fact in facts for identity in fact.actors}
    for kind in sorted({kind for kind, _ in wanted}):  # by kind: the table's key begins with it
        for values in chunks(value for of_kind, value in wanted if of_kind == kind):
            named = select(learner_identity.c.value, learner_identity.c.learner_id).where(
                learner_identity.c.kind == kind, learner_identity.c.value.in_(values)
            )
            found.update(((kind, value), learner_id) for value, learner_id in connection.execute(named))
    return found


def _known_ids(connection: Connection, facts: Sequence[tuple[int, Fact]]) -> set[str]:
    """The statements of the batch that are there already, the voiding ones included."""
    ids = [fact.statement_id for _, fact in facts]
    in_groups = {f"{fact.statement_id}/{at}" for _, fact in facts if fact.is_group for at in range(len(fact.actors))}
    found: set[str] = set()
    for wanted in chunks([*ids, *in_groups]):
        stored = select(activity.c.source_id).where(activity.c.source == SOURCE, activity.c.source_id.in_(wanted))
        found |= {source_id[:36] for source_id in connection.scalars(stored)}
    voiding = select(voided_statement.c.voided_by).where(voided_statement.c.voided_by.in_(ids))
    return found | set(connection.scalars(voiding))


def _places(connection: Connection, facts: Sequence[tuple[int, Fact]]) -> Mapping[str, tuple[int, str | None]]:
    """Item and section behind each IRI of the batch that the catalogue knows."""
    iris = {iri for _, fact in facts for iri in (fact.object_iri, *fact.around) if iri is not None}
    places: dict[str, tuple[int, str | None]] = {}
    of_items: dict[str, tuple[int, str | None]] = {}
    for some in chunks(iris, 5000):
        named = or_(section.c.key.in_(some), section.c.url.in_(some))
        for item_id, key, url in connection.execute(
            select(section.c.item_id, section.c.key, section.c.url).where(named)
        ):
            places.update({iri: (item_id, key) for iri in (url, key) if iri in iris})
        known = or_(item.c.iri.in_(some), item.c.key.in_(some))
        for item_id, iri, key in connection.execute(select(item.c.id, item.c.iri, item.c.key).where(known)):
            of_items.update({name: (item_id, None) for name in (key, iri) if name in iris})
    return places | of_items


def _items_of_statements(connection: Connection, facts: Sequence[tuple[int, Fact]]) -> Mapping[str, int]:
    ids = {fact.about_statement for _, fact in facts if fact.about_statement and not fact.voids}
    if not ids:
        return {}
    found = connection.execute(
        select(activity.c.source_id, activity.c.item_id).where(
            activity.c.source == SOURCE, activity.c.source_id.in_(ids), activity.c.item_id.is_not(None)
        )
    )
    return {row.source_id: row.item_id for row in found}


def _place_of(
    fact: Fact, places: Mapping[str, tuple[int, str | None]], about: Mapping[str, int]
) -> tuple[int | None, str | None]:
    """The item that a fact is about, and the section of it unless it is about the item as a whole."""
    if fact.object_iri is None:
        statement = fact.about_statement or ""
        return about.get(statement), f"urn:uuid:{statement}" if statement in about else None
    if fact.object_iri in places:
        return places[fact.object_iri]
    for iri in fact.around:
        if iri in places:
            return places[iri][0], natural_key(fact.object_iri)
    return None, None
