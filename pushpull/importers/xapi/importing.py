"""Writing statements as activity: who of the learners, which item and section, voided or not.

Statements are told apart by their id alone, wherever they come from, so a file and an LRS that hold the same ones add
up to one set. What ``completed`` and its like mean for progress depends on the object: about the item itself the record
has no section; about a part of it, it has one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Column, Connection, Engine, or_, select

from pushpull.catalogue.tables import item, section
from pushpull.db import insert_into, reading
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.runs import Change, ImportReport, ImportRun, OnProgress, importing
from pushpull.importers.staging import Stage, chunks, natural_key
from pushpull.importers.tables import import_cursor, voided_statement
from pushpull.importers.xapi.facts import SOURCE, Fact, Identity, fact_of
from pushpull.importers.xapi.files import NumberedStatement, read_statements
from pushpull.importers.xapi.lrs import cursor_name, fetch, is_address
from pushpull.importers.xapi.statements import check_statement
from pushpull.importers.xapi.voiding import void, voided_at
from pushpull.learners.tables import activity, learner_identity

#: How far before the last stored time an LRS is read again: what is stored at the same moment may show up later.
OVERLAP = timedelta(minutes=10)
_BATCH = 5000
_COLUMNS = tuple(column.name for column in activity.columns if column.name != "id")


def import_xapi(
    engine: Engine,
    source: str | Path,
    *,
    now: datetime,
    since: datetime | None = None,
    auth: tuple[str, str] | None = None,
    overlap: timedelta = OVERLAP,
    dry_run: bool = False,
    on_progress: OnProgress | None = None,
) -> ImportReport:
    """Import statements from a file or from an LRS.

    An LRS is read from where the last import ended, less an overlap. It is read to its end first and then imported in
    one transaction, so no lock is held while waiting for the network.

    Args:
        engine: the database.
        source: a path, or an ``http(s)://`` address.
        now: the instant of the import, aware.
        since: read an LRS from this stored time instead, aware.
        auth: user and password for the LRS.
        overlap: how far to go back behind the last import.
        dry_run: do everything, report it with examples, and roll back.
        on_progress: called after each batch with the statements done; how many there are is unknown.

    Raises:
        SourceError: the file cannot be read as a whole.
        LrsError: the LRS could not be read.
    """
    if not is_address(str(source)):
        path = Path(source)
        return _import(engine, read_statements(path), path.name, now=now, dry_run=dry_run, on_progress=on_progress)
    url = str(source)
    cursor = cursor_name(url)
    if since is None:
        with reading(engine) as connection:
            last = connection.scalar(select(import_cursor.c.stored_until).where(import_cursor.c.source == cursor))
        since = last - overlap if last is not None else None
    with tempfile.NamedTemporaryFile(suffix=".ndjson") as spool:
        for page in fetch(url, since=since, auth=auth):
            for statement in page:
                spool.write(orjson.dumps(statement) + b"\n")
        spool.flush()
        statements = read_statements(Path(spool.name)) if spool.tell() else iter(())
        return _import(engine, statements, cursor, now=now, dry_run=dry_run, on_progress=on_progress, cursor=cursor)


def _import(
    engine: Engine,
    statements: Iterator[NumberedStatement],
    name: str,
    *,
    now: datetime,
    dry_run: bool,
    on_progress: OnProgress | None,
    cursor: str | None = None,
) -> ImportReport:
    with importing(engine, kind="xapi", source=SOURCE, file_name=name, preset=None, now=now, dry_run=dry_run) as run:
        stage = Stage(run.connection, "statement", [Column(name, activity.c[name].type) for name in _COLUMNS])
        stored_until: datetime | None = None
        done = 0
        while batch := list(islice(statements, _BATCH)):
            facts = list(_facts(run, batch))
            _write(run, stage, facts)
            stored = [fact.stored_at for _, fact in facts]
            stored_until = max([*stored, stored_until] if stored_until else stored, default=stored_until)
            done += len(batch)
            if on_progress is not None:
                on_progress(done, None)
        stage.close()
        if cursor is not None and stored_until is not None:
            _remember(run.connection, cursor, stored_until)
    return run.report


def _facts(run: ImportRun, batch: Iterable[NumberedStatement]) -> Iterator[tuple[int, Fact]]:
    for number, statement in batch:
        run.report.rows_in += 1
        try:
            if isinstance(statement, Refused):
                raise statement
            check_statement(statement)
            yield number, fact_of(statement, now=run.now)
        except Refused as refused:
            run.refuse(number, refused)


def _write(run: ImportRun, stage: Stage, facts: Sequence[tuple[int, Fact]]) -> None:
    """Write one batch. A statement that is there already, earlier in the file included, is a duplicate."""
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
    _add(connection, stage, rows)


def _add(connection: Connection, stage: Stage, rows: Sequence[dict[str, Any]]) -> None:
    stage.load(rows)
    staged = select(*(stage.table.c[name] for name in _COLUMNS)).where(stage.table.c.row_number > 0)
    connection.execute(insert_into(connection, activity).from_select(list(_COLUMNS), staged).on_conflict_do_nothing())


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


def _remember(connection: Connection, cursor: str, stored_until: datetime) -> None:
    """Move the cursor on; never back."""
    statement = insert_into(connection, import_cursor).values(source=cursor, stored_until=stored_until)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[import_cursor.c.source],
            set_={"stored_until": statement.excluded.stored_until},
            where=statement.excluded.stored_until > import_cursor.c.stored_until,
        )
    )
