"""Importing CSV: the entry points ``import_people``, ``import_catalogue`` and ``import_records``.

They read, map, filter and batch; what a batch becomes in the database is in ``people``, ``catalogue``, ``records`` and
``activity``. xAPI statements have their own way in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine

from pushpull.importers.activity import ActivityWriter
from pushpull.importers.catalogue import ItemWriter, SectionWriter
from pushpull.importers.fields import Target
from pushpull.importers.mapping import RowMapper
from pushpull.importers.people import PeopleWriter
from pushpull.importers.presets import Preset, filled, load_preset, shape_of
from pushpull.importers.reading import NumberedRow, Rows, read_csv, refuse_repeated
from pushpull.importers.records import ProgressWriter
from pushpull.importers.refusals import Refused
from pushpull.importers.runs import ImportReport, ImportRun, OnProgress, importing
from pushpull.importers.several import records_of
from pushpull.importers.shapes import Shape
from pushpull.importers.staging import BATCH
from pushpull.importers.whose import Whose
from pushpull.importers.window import Window, events_of, seen_through
from pushpull.ledger.erased import peppers_of
from pushpull.settings import settings

__all__ = ["Window", "import_catalogue", "import_people", "import_records", "split_by_day"]

#: So many rows are read at most until whoever waits hears of it.
_ROWS_UNHEARD = 5 * BATCH

_PEOPLE = (Target.PEOPLE,)
_CATALOGUE = (Target.SECTIONS, Target.ITEMS)
_RECORDS = (Target.ACTIVITY, Target.PROGRESS)


class _Writer(Protocol):
    def write(self, batch: Sequence[tuple[int, dict[str, Any]]]) -> None: ...

    def finish(self) -> None: ...


@dataclass(frozen=True)
class _Job:
    preset: Preset
    shape: Shape
    rows: Rows
    mapper: RowMapper
    source: str


def import_people(
    engine: Engine,
    source: Path | Rows,
    *,
    preset: str = "generic",
    params: Mapping[str, str] | None = None,
    now: datetime,
    dry_run: bool = False,
    confirmed: bool = False,
    on_progress: OnProgress | None = None,
    peppers: Sequence[bytes] | None = None,
) -> ImportReport:
    """Import people from a CSV file.

    Args:
        engine: the database.
        source: the file, or rows that were read already.
        preset: the name of the preset that says what the columns mean.
        params: values for the preset's parameters.
        now: the instant of the import, aware.
        dry_run: do everything, report it with examples, and roll back.
        confirmed: many people may leave.
        on_progress: called after each batch with the rows done and about how many there are.
        peppers: under which erased people are known; None: those of this process's settings.

    Raises:
        SourceError: the file cannot be read as a whole.
        PresetError: the preset or its parameters do not fit the file.
        TooManyLeaversError: more than 20 % of the active people would leave and nobody confirmed it.
    """
    job = _job(source, preset, params or {}, _PEOPLE)

    def writer(run: ImportRun) -> _Writer:
        keys = peppers_of(settings()) if peppers is None else peppers
        return PeopleWriter(run, job.mapper.names, confirmed=confirmed, peppers=keys)

    return _run(engine, "people", job, writer, now=now, dry_run=dry_run, window=None, on_progress=on_progress)


def import_catalogue(
    engine: Engine,
    source: Path | Rows,
    *,
    preset: str = "generic",
    params: Mapping[str, str] | None = None,
    now: datetime,
    dry_run: bool = False,
    on_progress: OnProgress | None = None,
) -> ImportReport:
    """Import items, or sections of items, from a CSV file; which of the two is seen from its columns.

    Arguments and errors as for :func:`import_people`.
    """
    job = _job(source, preset, params or {}, _CATALOGUE)

    def writer(run: ImportRun) -> _Writer:
        kind = ItemWriter if job.shape.writes is Target.ITEMS else SectionWriter
        return kind(run, job.mapper.names)

    return _run(engine, "catalogue", job, writer, now=now, dry_run=dry_run, window=None, on_progress=on_progress)


def import_records(
    engine: Engine,
    source: Path | Rows,
    *,
    preset: str = "generic",
    params: Mapping[str, str] | None = None,
    now: datetime,
    dry_run: bool = False,
    window: Window | None = None,
    on_progress: OnProgress | None = None,
    peppers: Sequence[bytes] | None = None,
) -> ImportReport:
    """Import learning records, progress or activity, from a CSV file; which of the two is seen from its columns.

    Arguments and errors as for :func:`import_people`, and:

    Args:
        window: the part of time to look at.
    """
    job = _job(source, preset, params or {}, _RECORDS)

    def writer(run: ImportRun) -> _Writer:
        shape = job.shape
        keys = peppers_of(settings()) if peppers is None else peppers
        whose = Whose(run.connection, shape.learner_by, peppers=keys)
        if shape.writes is Target.ACTIVITY:
            numbered = "source_id" in shape.fields and shape.fields["source_id"].occurrence
            return ActivityWriter(run, job.mapper.names, source=job.source, numbered=numbered, whose=whose)
        return ProgressWriter(
            run,
            job.mapper.names,
            source=job.source,
            parts=shape.parts,
            completion_verb=shape.completion_verb,
            whose=whose,
        )

    return _run(engine, "records", job, writer, now=now, dry_run=dry_run, window=window, on_progress=on_progress)


def split_by_day(
    source: Path | Rows, *, preset: str, params: Mapping[str, str] | None = None
) -> dict[date | None, Rows]:
    """The rows of a records file by the UTC day on which something happened in them, for a replay that imports day by
    day without reading the file each time.

    A row in which things happen on several days (assigned, withdrawn) is given on each of them: import each day with
    a :class:`Window` that ends with it. Rows of no day (filtered, unreadable, undated) are under None. All rows are
    kept in memory.

    Raises:
        SourceError, PresetError: as for :func:`import_records`.
    """
    job = _job(source, preset, params or {}, _RECORDS)
    days: dict[date | None, list[NumberedRow]] = {}
    for number, cells in job.rows.rows:
        found: set[date | None] = set()
        if not isinstance(cells, Refused) and job.mapper.lets_in(cells):
            try:
                found = {instant.date() for instant in events_of(job.mapper.map(cells))}
            except Refused:
                found = set()
        for day in found or {None}:
            days.setdefault(day, []).append((number, cells))
    return {day: replace(job.rows, rows=rows, total=len(rows)) for day, rows in days.items()}


def _job(source: Path | Rows, preset_name: str, params: Mapping[str, str], targets: Sequence[Target]) -> _Job:
    preset = load_preset(preset_name)
    values = preset.parameters(params)
    rows = source
    if isinstance(rows, Path):
        rows = read_csv(rows, encoding=preset.encoding, delimiter=preset.delimiter, may_repeat=preset.has_pairs)
    shape = shape_of(preset, rows.header, targets, file_name=rows.name)
    if shape.pairs is None:
        refuse_repeated(rows.name, rows.header)
    rows = records_of(rows, shape)
    said_by = filled(preset.source, values, where=f"preset {preset.name!r}")
    return _Job(preset, shape, rows, RowMapper(preset, shape, rows.header, values), said_by[:64])


def _run(
    engine: Engine,
    kind: str,
    job: _Job,
    make_writer: Any,
    *,
    now: datetime,
    dry_run: bool,
    window: Window | None,
    on_progress: OnProgress | None,
) -> ImportReport:
    with importing(
        engine,
        kind=kind,
        source=job.source,
        file_name=job.rows.name,
        preset=job.preset.name,
        now=now,
        dry_run=dry_run,
    ) as run:
        writer: _Writer = make_writer(run)
        done = 0
        for batch, read in _batches(run, job, window):
            writer.write(batch)
            done += read
            if on_progress is not None:
                on_progress(done, job.rows.total)
        writer.finish()
    return run.report


def _batches(
    run: ImportRun, job: _Job, window: Window | None
) -> Iterator[tuple[list[tuple[int, dict[str, Any]]], int]]:
    """Mapped rows in batches, with the number of rows that were read for each.

    A batch may be empty: whoever waits for a long file sees that it is read, even where nothing of it is let in.
    """
    batch: list[tuple[int, dict[str, Any]]] = []
    read = 0
    for number, cells in job.rows.rows:
        read += 1
        values = _taken(run, job.mapper, window, number, cells)
        if values is not None:
            batch.append((number, values))
        if len(batch) >= BATCH or read >= _ROWS_UNHEARD:
            yield batch, read
            batch, read = [], 0
    if read:
        yield batch, read


def _taken(
    run: ImportRun, mapper: RowMapper, window: Window | None, number: int, cells: Sequence[str] | Refused
) -> dict[str, Any] | None:
    """The fields of a row; None when it is left out or refused, and then it is accounted for."""
    report = run.report
    try:
        if isinstance(cells, Refused):
            raise cells
        if not mapper.lets_in(cells):
            report.filtered += 1
            return None
        values = mapper.map(cells)
    except Refused as refused:
        report.rows_in += 1
        run.refuse(number, refused)
        return None
    if window is not None and not seen_through(window, values):
        report.filtered += 1
        return None
    report.rows_in += 1
    return values
