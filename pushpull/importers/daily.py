"""Imports that go on all day: what a source sends request by request is accounted for in one run per source and day.

A run per request would be more rows than the requests bring. Each request is a transaction of its own, and the run's
counts are the last thing it writes, so that requests wait for each other no longer than that.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update

from pushpull.importers.runs import AccountingError, ImportReport, ImportRun
from pushpull.importers.tables import import_run, ingest_source

#: So many lines of quarantine are kept of a source and day; the counts have them all.
MOST_LINES = 1000


def run_of_day(
    connection: Connection, kind: str, source: str, *, preset: str | None = None, now: datetime
) -> ImportRun:
    """What one request of a source brings, to be ended with :func:`account`.

    Args:
        kind: people, records or xapi.
        source: the name of the source.
        now: the instant of the request, aware.
    """
    day = now.astimezone(UTC).date().isoformat()
    which = (import_run.c.kind == kind, import_run.c.source == source, import_run.c.file_name == day)
    found = select(import_run.c.id).where(*which).order_by(import_run.c.id).limit(1)
    run_id = connection.scalar(found)
    if run_id is None:
        # The first request of the day; another one at the same moment waits here and finds its run.
        connection.execute(select(ingest_source.c.name).where(ingest_source.c.name == source).with_for_update())
        run_id = connection.scalar(found)
    if run_id is None:
        row = {"kind": kind, "source": source, "file_name": day, "preset": preset, "started_at": now}
        made = connection.execute(insert(import_run).values(**row)).inserted_primary_key
        assert made is not None
        run_id = made[0]
    return ImportRun(
        connection, ImportReport(kind=kind, file_name=day, dry_run=False), int(run_id), now=now, examples=0
    )


def account(run: ImportRun) -> ImportReport:
    """Add a request's counts to its day, and its refused rows to the quarantine, numbered through the day.

    Raises:
        AccountingError: the counts do not add up.
    """
    report = run.report
    if not report.adds_up:
        raise AccountingError(f"{report.rows_in} rows in do not equal what became of them")
    names = ("rows_in", "accepted", "rejected", "duplicate", "filtered")
    total = run.connection.execute(
        update(import_run)
        .where(import_run.c.id == run.run_id)
        .values({name: import_run.c[name] + getattr(report, name) for name in names})
        .returning(import_run.c.rows_in, import_run.c.rejected)
    ).one()
    run.flush(after=total.rows_in - report.rows_in, at_most=max(0, MOST_LINES - (total.rejected - report.rejected)))
    report.run_id = run.run_id
    return report
