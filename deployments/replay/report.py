"""What a replay found out, as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pushpull.importers.runs import ImportReport


@dataclass(frozen=True)
class Check:
    """One promise held against the evidence.

    Args:
        promise: what shall hold; ``found`` counts what breaks it.
        how: what was compared with what.
    """

    promise: str
    found: int
    how: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing breaks it."""
        return self.found == 0


@dataclass
class FileAccount:
    """What became of one file's rows, over all imports that read from it.

    Args:
        rows: below the header of the raw file, counted without the importers.
        rows_in: rows let in, over all imports; a row in which things happen on two days comes in twice.
        again: the whole file imported once more after the play.
    """

    name: str
    rows: int
    rows_in: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicate: int = 0
    imports: int = 0
    again: ImportReport | None = None

    def add(self, report: ImportReport) -> None:
        """Count one import."""
        self.imports += 1
        self.rows_in += report.rows_in
        self.accepted += report.accepted
        self.rejected += report.rejected
        self.duplicate += report.duplicate

    @property
    def unaccounted(self) -> int:
        """Rows that came in and are nowhere, or that the file has and no import saw."""
        lost = abs(self.rows_in - self.accepted - self.rejected - self.duplicate)
        if self.again is not None:
            lost += abs(self.rows - self.again.rows_in - self.again.filtered)
            lost += abs(self.again.rows_in - self.again.accepted - self.again.rejected - self.again.duplicate)
        return lost


@dataclass(frozen=True)
class Rerun:
    """One day's flows run a second time, imports and dispatches included.

    Args:
        messages: in the outbox before.
        new_messages: added by the re-run.
        changed_rows: deliveries whose state or number changed.
        new_records: rows that the imports took in again.
    """

    what: str
    messages: int
    new_messages: int
    changed_rows: int
    new_records: int


@dataclass(frozen=True)
class Kill:
    """One ``kill -9`` in the middle of a wave.

    Args:
        handed_over: messages in the outbox when the worker died.
        unrecorded: of these, messages whose acceptance the ledger did not know.
        settled: uncertain deliveries that the look-up settled as accepted.
        waited_seconds: for the end of the dead worker's lease, in real time.
    """

    wave: str
    exit_code: int
    planned: int
    handed_over: int
    unrecorded: int
    settled: int
    waited_seconds: float


@dataclass
class Series:
    """All waves of one series together."""

    name: str
    waves: int = 0
    audience: int = 0
    accepted: int = 0
    open: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class ReplayReport:
    """The outcome of a replay.

    Args:
        days: of the presentation that were played.
        peak_memory: of this process and the largest one it started, in bytes.
        seconds: wall time.
    """

    database: str
    learners: int
    days: int
    dispatches: int
    messages: int
    files: Sequence[FileAccount]
    series: Sequence[Series]
    kill: Kill
    reruns: Sequence[Rerun]
    checks: Sequence[Check]
    seconds: float
    peak_memory: int

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return all(check.holds for check in self.checks)
