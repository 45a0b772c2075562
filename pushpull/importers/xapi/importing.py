"""Importing statements from a file or an LRS, in batches and one transaction. What a statement becomes is in
``becoming``; statements that course players send one by one have their own way in, ``receiving``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Column, Connection, Engine, select

from pushpull.db import insert_into, reading
from pushpull.importers.refusals import Refused
from pushpull.importers.runs import ImportReport, ImportRun, OnProgress, importing
from pushpull.importers.staging import Stage
from pushpull.importers.tables import import_cursor
from pushpull.importers.xapi.becoming import activity_of
from pushpull.importers.xapi.facts import SOURCE, Fact, fact_of
from pushpull.importers.xapi.files import NumberedStatement, read_statements
from pushpull.importers.xapi.lrs import cursor_name, fetch, is_address
from pushpull.importers.xapi.statements import check_statement
from pushpull.learners.tables import activity

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
            _add(run.connection, stage, activity_of(run, facts))
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


def _add(connection: Connection, stage: Stage, rows: Sequence[dict[str, Any]]) -> None:
    stage.load(rows)
    staged = select(*(stage.table.c[name] for name in _COLUMNS)).where(stage.table.c.row_number > 0)
    connection.execute(insert_into(connection, activity).from_select(list(_COLUMNS), staged).on_conflict_do_nothing())


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
