"""The catalogue: items with their tags and what they require, and the sections of items.

As with people, the columns that a file has replace what is stored, and items that it does not mention stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, select

from pushpull.catalogue.requirements import read_requirements
from pushpull.catalogue.tables import item, item_requirement, item_tag, section
from pushpull.importers.fields import FIELDS, Target
from pushpull.importers.occurrences import Occurrences
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.runs import ImportRun
from pushpull.importers.sides import SideSet
from pushpull.importers.staging import KnownIds, Merge, Stage, take_in, take_new

_ITEM_COLUMNS = tuple(name for name in FIELDS[Target.ITEMS] if name not in ("tags", "requires"))
_SECTION_COLUMNS = tuple(name for name in FIELDS[Target.SECTIONS] if name != "item_key")


class ItemWriter:
    """Writes batches of items.

    Args:
        run: the import.
        names: the fields that the file fills.
    """

    def __init__(self, run: ImportRun, names: Sequence[str]) -> None:
        self._run = run
        self._occurrences = Occurrences()
        self._stage = Stage(run.connection, "item", [Column(name, item.c[name].type) for name in _ITEM_COLUMNS])
        # What an item has several of: the field, its column in the table beside, and that table.
        self._sides = {
            field: (
                column,
                SideSet(run.connection, table, owner="item_id", values=(column,), parent=item, parent_key="key"),
            )
            for field, column, table in (("tags", "tag", item_tag), ("requires", "requires_key", item_requirement))
            if field in names
        }
        self._merge = Merge(
            item,
            keys=("key",),
            rules={name: take_new for name in _ITEM_COLUMNS if name in names and name != "key"},
            on_insert={"created_at": run.now},
            on_change={"updated_at": run.now},
        )

    def write(self, batch: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Merge one batch of numbered rows."""
        numbers = self._occurrences.number([values["key"] for _, values in batch])
        rows = [
            {**values, "row_number": row_number, "occurrence": occurrence}
            for (row_number, values), occurrence in zip(batch, numbers, strict=True)
        ]
        self._stage.load(rows)
        for field, (column, side) in self._sides.items():
            side.load([{"row_number": r["row_number"], column: each} for r in rows for each in r.get(field) or ()])
        take_in(
            self._run,
            select(self._stage.table),
            self._merge,
            label="key",
            also_differs=[side.differs(self._stage.table) for _, side in self._sides.values()],
            beside=self._write_sides if self._sides else None,
        )

    def _write_sides(self) -> None:
        for _, side in self._sides.values():
            side.write(self._stage.table)

    def finish(self) -> None:
        """Drop what was only needed on the way; requirements that lead in a circle are told in the log."""
        self._occurrences.close()
        self._stage.close()
        for _, side in self._sides.values():
            side.close()
        if "requires" in self._sides:
            read_requirements(self._run.connection)


class SectionWriter:
    """Writes batches of sections. A section of an item that is not in the catalogue is refused.

    Args:
        run: the import.
        names: the fields that the file fills.
    """

    def __init__(self, run: ImportRun, names: Sequence[str]) -> None:
        self._run = run
        self._occurrences = Occurrences()
        self._items = KnownIds(run.connection, item.c.key, item.c.id)
        columns = [Column(name, section.c[name].type) for name in _SECTION_COLUMNS]
        self._stage = Stage(run.connection, "section", [Column("item_id", BigInteger), *columns])
        self._merge = Merge(
            section,
            keys=("item_id", "key"),
            rules={name: take_new for name in _SECTION_COLUMNS if name in names and name != "key"},
        )

    def write(self, batch: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Merge one batch of numbered rows."""
        items = self._items.of(values["item_key"] for _, values in batch)
        rows = []
        for row_number, values in batch:
            item_id = items.get(values["item_key"])
            if item_id is None:
                self._run.refuse(row_number, Refused(Refusal.UNKNOWN_ITEM, field="item_key"))
                continue
            rows.append({**values, "row_number": row_number, "item_id": item_id})
        numbers = self._occurrences.number([f"{row['item_id']}/{row['key']}" for row in rows])
        for row, occurrence in zip(rows, numbers, strict=True):
            row["occurrence"] = occurrence
        self._stage.load(rows)
        take_in(self._run, select(self._stage.table), self._merge, label="key")

    def finish(self) -> None:
        """Drop what was only needed on the way."""
        self._occurrences.close()
        self._stage.close()
