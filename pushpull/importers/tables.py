"""Tables about imports themselves: what was read, what was refused and why, where to continue."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from pushpull.db import BigKey, UtcDateTime, metadata

import_run = Table(
    "import_run",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("kind", String(16), nullable=False),  # people | catalogue | records | xapi
    Column("source", String(64), nullable=False),
    Column("file_name", Text),
    Column("preset", String(64)),
    Column("started_at", UtcDateTime, nullable=False),
    Column("rows_in", Integer, nullable=False, default=0),
    Column("accepted", Integer, nullable=False, default=0),
    Column("rejected", Integer, nullable=False, default=0),
    Column("duplicate", Integer, nullable=False, default=0),
    Column("filtered", Integer, nullable=False, default=0),  # left out by a declared filter or window; not in rows_in
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("import_run_id", ForeignKey("import_run.id", ondelete="CASCADE"), nullable=False),
    Column("row_number", Integer, nullable=False),  # as a person counts in the file: the header is row 1
    Column("field", String(64)),
    Column("reason", String(64), nullable=False),
    Column("detail", Text),
    Index("ix_quarantine_import_run_id", "import_run_id"),
)

import_cursor = Table(
    "import_cursor",
    metadata,
    Column("source", String(255), primary_key=True),
    Column("stored_until", UtcDateTime, nullable=False),
)

voided_statement = Table(
    "voided_statement",
    metadata,
    # A voiding statement may arrive before the statement it voids, so what it says is kept by itself.
    Column("source", String(64), primary_key=True),
    Column("statement_id", String(36), primary_key=True),
    Column("voided_by", String(36), nullable=False),  # the id of the voiding statement
    Column("voided_at", UtcDateTime, nullable=False),
)
