"""What learners did, record by record, into the append-only ``activity`` table.

A record is the same record when its source and its id there are the same; a source without ids gets a natural key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, String, and_, literal, select

from pushpull.catalogue.tables import item
from pushpull.db import insert_into
from pushpull.importers.occurrences import Occurrences
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.runs import Change, ImportRun
from pushpull.importers.staging import KnownIds, Stage, natural_key
from pushpull.importers.whose import Whose
from pushpull.learners.tables import activity

_COLUMNS = ("source_id", "verb", "section_key", "object_iri", "occurred_at", "minutes", "score", "success")


class ActivityWriter:
    """Writes batches of activity.

    Args:
        run: the import.
        names: the fields that the file fills; only they are staged.
        source: the system that says so.
        numbered: equal source ids are separate records, told apart by their occurrence in the file.
        whose: the learners behind the keys of the file; None: those with these external ids.
    """

    def __init__(
        self, run: ImportRun, names: Sequence[str], *, source: str, numbered: bool, whose: Whose | None = None
    ) -> None:
        self._run = run
        self._source = source
        self._numbered = numbered
        self._occurrences = Occurrences()
        self._whose = whose or Whose(run.connection)
        self._items = KnownIds(run.connection, item.c.key, item.c.id)
        ids: list[Column[Any]] = [Column("learner_id", BigInteger), Column("item_id", BigInteger)]
        self._columns = [name for name in _COLUMNS if name in names or name == "source_id"]
        columns: list[Column[Any]] = [Column(name, activity.c[name].type) for name in self._columns]
        self._stage = Stage(run.connection, "activity", [*ids, *columns, Column("learner", String(255))])

    def write(self, batch: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Add one batch of numbered rows."""
        run = self._run
        learners = self._whose.find(values["learner"] for _, values in batch)
        items = self._items.of(values["item_key"] for _, values in batch if values.get("item_key"))
        rows = []
        for row_number, values in batch:
            item_key = values.get("item_key")
            learner_id = learners.get(values["learner"])
            item_id = items.get(item_key) if item_key else None
            if learner_id is None:
                run.refuse(row_number, self._whose.refused(values["learner"]))
            elif item_key and item_id is None:
                run.refuse(row_number, Refused(Refusal.UNKNOWN_ITEM, field="item_key"))
            else:
                values["row_number"], values["occurrence"] = row_number, 1
                values["learner_id"], values["item_id"] = learner_id, item_id
                values["source_id"] = natural_key(
                    values.get("source_id") or _key_of(values, self._whose.in_ids(values["learner"], learner_id))
                )
                rows.append(values)
        if self._numbered:
            for row, occurrence in zip(rows, self._occurrences.number([r["source_id"] for r in rows]), strict=True):
                if occurrence > 1:
                    row["source_id"] = natural_key(f"{row['source_id']}#{occurrence}")
        self._stage.load(rows)
        if run.examples_wanted:
            self._show_examples()
        new = self._insert()
        run.count(new=new, duplicate=len(rows) - new)

    def finish(self) -> None:
        """Drop what was only needed on the way."""
        self._occurrences.close()
        self._stage.close()

    def _insert(self) -> int:
        connection, staged = self._run.connection, self._stage.table
        rows = select(
            staged.c.learner_id,
            staged.c.item_id,
            *(staged.c[name] for name in self._columns),
            literal(self._source, String(64)),
            literal(self._run.now, activity.c.stored_at.type),
        ).where(staged.c.row_number > 0)  # SQLite wants a WHERE before ON CONFLICT
        names = ["learner_id", "item_id", *self._columns, "source", "stored_at"]
        result = connection.execute(
            insert_into(connection, activity).from_select(names, rows).on_conflict_do_nothing(),
        )
        return max(0, result.rowcount)

    def _show_examples(self) -> None:
        staged = self._stage.table
        known = and_(activity.c.source == self._source, activity.c.source_id == staged.c.source_id)
        found = self._run.connection.execute(
            select(staged.c.learner, staged.c.verb, staged.c.occurred_at)
            .select_from(staged.outerjoin(activity, known))
            .where(activity.c.id.is_(None))
            .order_by(staged.c.row_number)
            .limit(self._run.examples_wanted)
        )
        self._run.show(
            [Change(key, True, {"verb": (None, verb), "occurred_at": (None, at)}) for key, verb, at in found]
        )


def _key_of(values: dict[str, Any], who: str) -> str:
    """What makes a record without an id one record: who did what, where and when."""
    occurred_at: datetime = values["occurred_at"]
    parts = (who, values["verb"], values.get("item_key"), values.get("section_key"))
    return "|".join([*(part or "" for part in parts), values.get("object_iri") or "", occurred_at.isoformat()])
