"""One import: its transaction, its counts, its quarantine, and the report at the end.

An import happens whole or not at all: everything it writes, its own ``import_run`` row and the quarantine included, is
one transaction. A dry run is the same thing rolled back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, update

from pushpull.db import writing
from pushpull.importers.refusals import Refused
from pushpull.importers.tables import import_run, quarantine

#: So many row numbers are shown for each reason; the quarantine has them all.
_ROWS_SHOWN = 5

#: Called now and then with the rows done and about how many there are (None: unknown).
OnProgress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Change:
    """One row that an import creates or changes, for the eyes of the person who asked for a dry run.

    Args:
        key: what identifies it: an external id, an item key.
        is_new: it does not exist yet.
        fields: field → (value now, value after). Personal data: show it on a terminal, never log it.
    """

    key: str
    is_new: bool
    fields: Mapping[str, tuple[Any, Any]]


@dataclass
class ImportReport:
    """What became of the rows of one import: ``rows_in == accepted + rejected + duplicate``.

    Args:
        kind: people, catalogue, records or xapi.
        file_name: what was read.
        rows_in: rows that were let in by the preset's filter and the window.
        accepted: rows that created or changed something.
        rejected: rows in quarantine.
        duplicate: rows that said nothing new.
        filtered: rows left out by a declared filter or window; not part of ``rows_in``.
        new: of the accepted, those that created something.
        reasons: rejected rows by reason.
        first_rows: the numbers of the first few rejected rows, by reason.
        examples: a few of the changes; filled in a dry run.
        leavers: people only: those who turn inactive.
        needs_confirmation: people only: so many leave that a person must confirm it.
        run_id: the ``import_run`` row; None after a dry run.
    """

    kind: str
    file_name: str
    dry_run: bool
    rows_in: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicate: int = 0
    filtered: int = 0
    new: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first_rows: dict[str, list[int]] = field(default_factory=dict)
    examples: list[Change] = field(default_factory=list)
    leavers: int = 0
    needs_confirmation: bool = False
    run_id: int | None = None

    @property
    def changed(self) -> int:
        """Of the accepted, those that changed what was there."""
        return self.accepted - self.new

    @property
    def unchanged(self) -> int:
        """Another name for the duplicates: rows that leave everything as it is."""
        return self.duplicate

    @property
    def adds_up(self) -> bool:
        """Whether every row is accounted for once."""
        return self.rows_in == self.accepted + self.rejected + self.duplicate


class AccountingError(AssertionError):
    """An importer lost or invented a row; nothing was kept. This is a mistake in the importer, not in the file."""


class _RolledBackOnPurpose(Exception):
    pass


class ImportRun:
    """An import in progress.

    Args:
        connection: its transaction.
        report: its counts.
        run_id: its row.
        now: the instant of the import, UTC.
        examples: how many changes to keep for the report.
    """

    def __init__(
        self, connection: Connection, report: ImportReport, run_id: int, *, now: datetime, examples: int
    ) -> None:
        self.connection = connection
        self.report = report
        self.now = now
        self._run_id = run_id
        self._wanted_examples = examples
        self._quarantined: list[dict[str, Any]] = []

    def refuse(self, row_number: int, refused: Refused) -> None:
        """Put a row into quarantine. Only its number, the field, the reason and a code are kept, never a value."""
        self.report.rejected += 1
        self.report.reasons[refused.reason.value] += 1
        rows = self.report.first_rows.setdefault(refused.reason.value, [])
        if len(rows) < _ROWS_SHOWN:
            rows.append(row_number)
        self._quarantined.append(
            {
                "import_run_id": self._run_id,
                "row_number": row_number,
                "field": refused.field[:64] if refused.field else None,
                "reason": refused.reason.value,
                "detail": refused.detail,
            }
        )
        if len(self._quarantined) >= 5000:
            self.flush()

    def count(self, *, new: int = 0, changed: int = 0, duplicate: int = 0) -> None:
        """Account for rows that were taken in or said nothing new."""
        self.report.new += new
        self.report.accepted += new + changed
        self.report.duplicate += duplicate

    @property
    def examples_wanted(self) -> int:
        """How many more changes the report should show."""
        return max(0, self._wanted_examples - len(self.report.examples))

    def show(self, changes: Sequence[Change]) -> None:
        """Keep changes for the report, up to as many as were asked for."""
        self.report.examples += changes[: self.examples_wanted]

    @property
    def run_id(self) -> int:
        """Its row."""
        return self._run_id

    def flush(self, *, after: int = 0, at_most: int | None = None) -> None:
        """Write the quarantine so far.

        Args:
            after: so many rows were there before this run's first one.
            at_most: no more lines than these; None: all.
        """
        lines = [{**line, "row_number": line["row_number"] + after} for line in self._quarantined[:at_most]]
        if lines:
            self.connection.execute(insert(quarantine), lines)
        self._quarantined = []

    def forget_refused(self) -> None:
        """Leave what was refused out of the quarantine: it is there from an earlier look at the same rows."""
        self._quarantined = []


@contextmanager
def importing(
    engine: Engine,
    *,
    kind: str,
    source: str,
    file_name: str,
    preset: str | None,
    now: datetime,
    dry_run: bool,
    examples: int = 5,
) -> Iterator[ImportRun]:
    """The transaction of one import. It commits at the end of the block, unless this is a dry run.

    Raises:
        AccountingError: the counts do not add up at the end.
    """
    report = ImportReport(kind=kind, file_name=file_name, dry_run=dry_run)
    try:
        with writing(engine) as connection:
            row = {"kind": kind, "source": source, "file_name": file_name, "preset": preset, "started_at": now}
            made = connection.execute(insert(import_run).values(**row)).inserted_primary_key
            assert made is not None
            run = ImportRun(connection, report, int(made[0]), now=now, examples=examples if dry_run else 0)
            yield run
            run.flush()
            if not report.adds_up:
                raise AccountingError(f"{file_name}: {report.rows_in} rows in do not equal what became of them")
            counts = {n: getattr(report, n) for n in ("rows_in", "accepted", "rejected", "duplicate", "filtered")}
            connection.execute(update(import_run).where(import_run.c.id == made[0]).values(**counts))
            if dry_run:
                raise _RolledBackOnPurpose
            report.run_id = int(made[0])
    except _RolledBackOnPurpose:
        pass
