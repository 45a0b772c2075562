"""Small builders for import tests: files, and what is in the database afterwards."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from pushpull.catalogue.tables import item, item_tag, section
from pushpull.importers.tables import quarantine, voided_statement
from pushpull.learners.tables import activity, learner, learner_identity, learner_tag, progress

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
LATER = datetime(2026, 1, 6, 9, tzinfo=UTC)

_TABLES = (
    learner,
    learner_identity,
    learner_tag,
    item,
    item_tag,
    section,
    progress,
    activity,
    voided_statement,
)


def a_file(path: Path, content: str | bytes, *, encoding: str = "utf-8") -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def a_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], *, encoding: str = "utf-8") -> Path:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return a_file(path, text.getvalue(), encoding=encoding)


def everything_in(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables that imports fill, their bookkeeping aside."""
    with engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr) for table in _TABLES
        }


def rows_of(engine: Engine, table: Any, *columns: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        chosen = [table.c[name] for name in columns]
        return [tuple(row) for row in connection.execute(select(*chosen).order_by(*chosen))]


def quarantined(engine: Engine) -> list[tuple[int, str | None, str]]:
    with engine.connect() as connection:
        found = select(quarantine.c.row_number, quarantine.c.field, quarantine.c.reason).order_by(
            quarantine.c.import_run_id, quarantine.c.row_number
        )
        return [tuple(row) for row in connection.execute(found)]
