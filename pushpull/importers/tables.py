"""Tables about imports themselves: what was read, what was refused and why, where to continue."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from pushpull.db import BigKey, Json, UtcDateTime, metadata

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

ingest_source = Table(
    "ingest_source",
    metadata,
    # A system that may send us what it knows: course players, learning systems, identity providers.
    Column("name", String(64), primary_key=True),  # its user name
    Column("kind", String(16), nullable=False),  # SourceKind: xapi | webhook | scim
    Column("secret_digest", String(64), nullable=False),  # SHA-256 of 256 random bits
    Column("preset", String(64)),  # webhook: how its records are read
    Column("made_by", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
)

xapi_statement = Table(
    "xapi_statement",
    metadata,
    # Statements as a course player sent them, so that it can ask for them again.
    Column("statement_id", String(36), primary_key=True),
    Column("source", String(64), nullable=False),
    Column("stored_at", UtcDateTime, nullable=False),
    Column("body", Json, nullable=False),
    Index("ix_xapi_statement_stored_at", "stored_at"),
)

xapi_document = Table(
    "xapi_document",
    metadata,
    # What a course player keeps between sessions: bookmarks, profiles (xAPI part three, section 2.2).
    Column("source", String(64), primary_key=True),
    Column("resource", String(16), primary_key=True),  # state | activity | agent
    Column("place", String(64), primary_key=True),  # SHA-256 over activity, agent and registration
    Column("document_id", String(255), primary_key=True),
    Column("content_type", String(255), nullable=False),
    Column("etag", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), index=True),  # whose it is, where we know them
    Column("updated_at", UtcDateTime, nullable=False),
)
