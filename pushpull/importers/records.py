"""What a learning system says about a learner and an item, into ``progress``.

A record adds to what is known, it never takes away: an empty cell changes nothing, the earliest start and completion
and the best score stay, and a status only rises (assigned, started, failed, withdrawn, completed). One thing goes back:
somebody assigned again after a withdrawal is assigned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, String, and_, case, func, literal, select

from pushpull.catalogue.tables import item
from pushpull.db import insert_into
from pushpull.importers.occurrences import Occurrences
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.runs import ImportRun
from pushpull.importers.staging import (
    Columns,
    KnownIds,
    Merge,
    MergeRule,
    Stage,
    natural_key,
    take_first,
    take_given,
    take_greatest,
    take_in,
    take_least,
)
from pushpull.importers.whose import Whose
from pushpull.learners.tables import activity, progress
from pushpull.learners.vocabulary import ProgressStatus

_RISING = (
    ProgressStatus.ASSIGNED,
    ProgressStatus.STARTED,
    ProgressStatus.FAILED,
    ProgressStatus.WITHDRAWN,
    ProgressStatus.COMPLETED,
)
#: The dates at which something happened; a due date is none.
EVENT_FIELDS = ("completed_at", "withdrawn_at", "started_at", "assigned_at", "last_activity_at")


def status_of(values: dict[str, Any]) -> str:
    """The status that a record states, or else the one that follows from its dates."""
    if values.get("status"):
        return str(values["status"])
    if values.get("completed_at"):
        return ProgressStatus.COMPLETED.value
    if values.get("withdrawn_at"):
        return ProgressStatus.WITHDRAWN.value
    if values.get("started_at") or values.get("last_activity_at") or values.get("ratio"):
        return ProgressStatus.STARTED.value
    return ProgressStatus.ASSIGNED.value


def _is_assigned_again(new: Columns, stored: Columns) -> ColumnElement[bool]:
    again: ColumnElement[bool] = new["assigned_at"] > stored["withdrawn_at"]
    return again


def _status(new: Columns, stored: Columns, _name: str) -> ColumnElement[Any]:
    ranks = {status.value: rank for rank, status in enumerate(_RISING)}
    is_higher = case(ranks, value=new["status"], else_=0) > case(ranks, value=stored["status"], else_=0)
    withdrawn = stored["status"] == ProgressStatus.WITHDRAWN.value
    return case(
        (stored["status"].is_(None), new["status"]),
        (and_(withdrawn, _is_assigned_again(new, stored)), new["status"]),
        (is_higher, new["status"]),
        else_=stored["status"],
    )


def _withdrawn_at(new: Columns, stored: Columns, name: str) -> ColumnElement[Any]:
    return case((_is_assigned_again(new, stored), new[name]), else_=func.coalesce(new[name], stored[name]))


_RULES: dict[str, MergeRule] = {
    "status": _status,
    "assigned_at": take_given,
    "due_at": take_given,
    "started_at": take_least,
    "completed_at": take_least,
    "withdrawn_at": _withdrawn_at,
    "last_activity_at": take_greatest,
    "ratio": take_greatest,
    "score": take_greatest,
    # Where a learner stopped is better known from activity, once there is some.
    "place_key": take_first,
    "place_title": take_first,
    "place_url": take_first,
}
#: What the rule of the status looks at, and what a completion is recorded with.
_ALWAYS = ("status", "assigned_at", "withdrawn_at", "completed_at", "score")
_PART_FIELDS = ("status", "assigned_at", "due_at", "withdrawn_at")


class ProgressWriter:
    """Writes batches of progress.

    Args:
        run: the import.
        names: the fields that the file fills; only they are staged and merged.
        source: the system that says so.
        parts: what is said about a course also assigns its dated parts.
        completion_verb: a completion is also activity, with this verb; None for not.
        whose: the learners behind the keys of the file; None: those with these external ids.
    """

    def __init__(
        self,
        run: ImportRun,
        names: Sequence[str],
        *,
        source: str,
        parts: bool,
        completion_verb: str | None,
        whose: Whose | None = None,
    ) -> None:
        self._run = run
        self._source = source
        self._parts = parts
        self._completion_verb = completion_verb
        self._occurrences = Occurrences()
        self._whose = whose or Whose(run.connection)
        self._items = KnownIds(run.connection, item.c.key, item.c.id)
        rules = {name: rule for name, rule in _RULES.items() if name in names or name in _ALWAYS}
        columns: list[Column[Any]] = [Column(name, progress.c[name].type) for name in rules]
        ids: list[Column[Any]] = [Column("learner_id", BigInteger), Column("item_id", BigInteger)]
        source_id: Column[Any] = Column("source_id", String(255))  # of the completion as activity
        self._stage = Stage(run.connection, "progress", [*ids, *columns, source_id, Column("learner", String(255))])
        self._merge = Merge(progress, keys=("learner_id", "item_id"), rules=rules)

    def write(self, batch: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Merge one batch of numbered rows."""
        learners = self._whose.find(values["learner"] for _, values in batch)
        items = self._items.of(values["item_key"] for _, values in batch)
        rows = []
        for row_number, values in batch:
            learner_id, item_id = learners.get(values["learner"]), items.get(values["item_key"])
            if learner_id is None:
                self._run.refuse(row_number, self._whose.refused(values["learner"]))
            elif item_id is None:
                self._run.refuse(row_number, Refused(Refusal.UNKNOWN_ITEM, field="item_key"))
            else:
                values["row_number"], values["status"] = row_number, status_of(values)
                values["learner_id"], values["item_id"] = learner_id, item_id
                if self._completion_verb and values.get("completed_at") and not values.get("carried_over"):
                    who = self._whose.in_ids(values["learner"], learner_id)
                    values["source_id"] = natural_key(f"completed/{who}/{values['item_key']}")
                rows.append(values)
        numbers = self._occurrences.number([f"{row['learner_id']}/{row['item_id']}" for row in rows])
        for row, occurrence in zip(rows, numbers, strict=True):
            row["occurrence"] = occurrence
        self._stage.load(rows)
        take_in(self._run, select(self._stage.table), self._merge, label="learner")
        if self._parts:
            self._assign_parts()
        if self._completion_verb:
            self._record_completions()

    def finish(self) -> None:
        """Drop what was only needed on the way."""
        self._occurrences.close()
        self._stage.close()

    def _assign_parts(self) -> None:
        """Give the dated parts of a course to everybody the course is assigned to, and take back what is not done from
        those who withdrew."""
        staged, course, part = self._stage.table, item.alias("course"), item.alias("part")
        withdrew = staged.c.status == ProgressStatus.WITHDRAWN.value
        Merge(progress, keys=("learner_id", "item_id"), rules={name: _RULES[name] for name in _PART_FIELDS}).write(
            self._run.connection,
            select(
                staged.c.learner_id,
                part.c.id.label("item_id"),
                case((withdrew, staged.c.status), else_=ProgressStatus.ASSIGNED.value).label("status"),
                staged.c.assigned_at,
                part.c.due_at,
                staged.c.withdrawn_at,
            )
            .select_from(
                staged.join(course, course.c.id == staged.c.item_id).join(part, part.c.part_of == course.c.key)
            )
            .where(staged.c.occurrence == 1, part.c.id != course.c.id),
        )

    def _record_completions(self) -> None:
        connection, staged = self._run.connection, self._stage.table
        rows = select(
            staged.c.learner_id,
            literal(self._source, String(64)),
            staged.c.source_id,
            literal(self._completion_verb, String(32)),
            staged.c.item_id,
            staged.c.completed_at,
            literal(self._run.now, activity.c.stored_at.type),
            staged.c.score,
        ).where(staged.c.source_id.is_not(None), staged.c.occurrence == 1)
        names = ["learner_id", "source", "source_id", "verb", "item_id", "occurred_at", "stored_at", "score"]
        connection.execute(insert_into(connection, activity).from_select(names, rows).on_conflict_do_nothing())
