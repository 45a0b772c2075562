"""Builders of exports as they really come: a sample of ours, read as a table, changed and written again."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from sqlalchemy import Engine

from tests.importers.files import a_file
from tests.importers.lms_files import STEPS, Step

Table = list[list[str]]


def the_last(engine: Engine, name: str) -> Step:
    *before, last = STEPS[name]
    for step in before:
        step.run(engine)
    return last


def table_of(step: Step) -> Table:
    return list(csv.reader(io.StringIO(step.path.read_text(encoding="utf-8"))))


def written(table: Table, path: Path, *, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(table)
    return a_file(path, text.getvalue(), encoding=encoding)


def with_cells(table: Table, row: int, **cells: str) -> Table:
    """The table with other cells in one row (1: the first below the header)."""
    header = [name.replace(" ", "_") for name in table[0]]
    changed = [list(line) for line in table]
    for name, value in cells.items():
        changed[row][header.index(name)] = value
    return changed
