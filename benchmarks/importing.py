"""Importing: CSV files of people, progress and activity through the importers, as `pushpull import` does."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figures import Measured, peak_memory
from pushpull.db import open_database
from pushpull.importers.runs import ImportReport
from pushpull.importers.tabular import import_people, import_records

_NOW = datetime(2026, 1, 12, 6, tzinfo=UTC)
_START = datetime(2025, 11, 3, 8, tzinfo=UTC)
_PEOPLE_OF_RECORDS = 20_000


def measure_people(url: str, size: int, runs: int) -> Measured:
    """Import people who are new."""
    header = ("external_id", "given_name", "family_name", "email", "preferred_language", "timezone", "department")
    measured = Measured(memory_before=peak_memory())
    for run in range(runs):
        rows = (
            (
                f"n{run}-{n}",
                f"Given{n % 1000}",
                f"Family{n % 7919}",
                f"n{run}-{n}@learners.invalid",
                ("en", "de", "fr", "es")[n % 4],
                ("Europe/Berlin", "Asia/Kolkata")[n % 2],
                f"department {n % 40}",
            )
            for n in range(size)
        )
        _import(measured, import_people, url, header, rows, size)
    return measured


def measure_progress(url: str, size: int, runs: int) -> Measured:
    """Import progress on the campaign's items."""
    header = ("learner", "item_key", "status", "assigned_at", "started_at", "completed_at", "score")
    measured = Measured(memory_before=peak_memory())
    items = ("feedback-101", "focus-time", "clear-writing")
    for run in range(runs):
        first = run * (size // len(items))
        rows = (
            (
                f"p{first + n // len(items)}",
                items[n % len(items)],
                "completed" if n % 5 == 0 else "started",
                _START.isoformat(),
                (_START + timedelta(days=n % 30)).isoformat(),
                (_START + timedelta(days=n % 30 + 7)).isoformat() if n % 5 == 0 else "",
                str(n % 101) if n % 5 == 0 else "",
            )
            for n in range(size)
        )
        _import(measured, import_records, url, header, rows, size)
    return measured


def measure_activity(url: str, size: int, runs: int) -> Measured:
    """Import activity, record by record."""
    header = ("learner", "verb", "occurred_at", "source_id", "item_key", "section_key", "minutes")
    measured = Measured(memory_before=peak_memory())
    for run in range(runs):
        rows = (
            (
                f"p{n * 7919 % _PEOPLE_OF_RECORDS}",
                "progressed",
                (_START + timedelta(minutes=n)).isoformat(),
                f"{run}-{n}",
                "feedback-101",
                f"s{n % 40}",
                str(n % 12 + 1),
            )
            for n in range(size)
        )
        _import(measured, import_records, url, header, rows, size)
    return measured


def _import(
    measured: Measured, importer: Any, url: str, header: Sequence[str], rows: Iterable[Sequence[str]], size: int
) -> None:
    engine = open_database(url)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "records.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)
        start = time.perf_counter()
        report: ImportReport = importer(engine, path, now=_NOW)
        measured.seconds.append(time.perf_counter() - start)
    assert report.rows_in == size, f"{report.rows_in} of {size} rows came in"
    assert not report.rejected, dict(report.reasons)
    measured.counts["accepted"] = report.accepted
    measured.counts["duplicate"] = report.duplicate
    measured.peak_memory = peak_memory()
    engine.dispose()
