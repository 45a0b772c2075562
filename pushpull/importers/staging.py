"""Batches on their way into the database: a temporary table that is filled fast, and merged set-based from there.

On PostgreSQL the table is filled by COPY, on SQLite by one prepared INSERT; what follows is the same on both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    MetaData,
    Select,
    Table,
    and_,
    case,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from pushpull.db import insert_into
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.runs import Change, ImportRun
from pushpull.learners.lists import in_texts

#: Rows per batch: large enough that the cost per statement vanishes, small enough to keep memory low.
BATCH = 10_000


def chunks(values: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    """Values in lists of a length that both databases take as the variables of one statement."""
    ordered = list(values)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def fill(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace the rows of a temporary table: COPY on PostgreSQL, one prepared INSERT on SQLite."""
    connection.execute(delete(table))
    if not rows:
        return
    names = [column.name for column in table.columns]
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table), [{name: row.get(name) for name in names} for row in rows])
        return
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([row.get(name) for name in names])


class Stage:
    """A temporary table for one batch after another.

    Args:
        connection: the import's transaction.
        name: of the temporary table.
        columns: its columns, beside ``row_number`` and ``occurrence``.
    """

    def __init__(self, connection: Connection, name: str, columns: Iterable[Column[Any]]) -> None:
        self.table = Table(
            f"incoming_{name}",
            MetaData(),
            Column("row_number", Integer, nullable=False),
            Column("occurrence", Integer, nullable=False),
            *columns,
            prefixes=["TEMPORARY"],
        )
        self._connection = connection
        self.close()
        self.table.create(connection, checkfirst=False)

    def close(self) -> None:
        """Drop the table: on SQLite it would outlive the transaction with the connection."""
        self._connection.exec_driver_sql(f"DROP TABLE IF EXISTS {self.table.name}")

    def load(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace the table's rows."""
        fill(self._connection, self.table, rows)


class KnownIds:
    """The ids behind natural keys, looked up a batch at a time and remembered for the batches that follow.

    Args:
        connection: the import's transaction.
        key: the column with the natural key.
        row_id: the column with the id.
        remember: how many to remember at most.
    """

    def __init__(
        self, connection: Connection, key: Column[Any], row_id: Column[Any], *, remember: int = 200_000
    ) -> None:
        self._connection = connection
        self._key = key
        self._id = row_id
        self._remember = remember
        self._known: dict[str, int] = {}

    def of(self, keys: Iterable[str]) -> Mapping[str, int]:
        """A mapping that holds the id of every key that exists."""
        unknown = sorted(set(keys) - self._known.keys())
        if len(self._known) + len(unknown) > self._remember:
            self._known = {}
            unknown = sorted(set(keys))
        for some in chunks(unknown):
            found = self._connection.execute(select(self._key, self._id).where(in_texts(self._key, some)))
            self._known.update((row[0], row[1]) for row in found)
        return self._known


#: The columns of a row, by name.
Columns = ReadOnlyColumnCollection[str, Any]

#: How a stored value and a new one become one: (the new row, the stored row, the column's name) → expression.
MergeRule = Callable[[Columns, Columns, str], ColumnElement[Any]]


def take_new(new: Columns, _stored: Columns, name: str) -> ColumnElement[Any]:
    """The file has the last word, also when it says nothing."""
    column: ColumnElement[Any] = new[name]
    return column


def take_given(new: Columns, stored: Columns, name: str) -> ColumnElement[Any]:
    """The file has the last word where it says something."""
    return func.coalesce(new[name], stored[name])


def take_least(new: Columns, stored: Columns, name: str) -> ColumnElement[Any]:
    """The earlier or smaller one; what is known where the other is not."""
    return case((stored[name].is_(None), new[name]), (new[name] < stored[name], new[name]), else_=stored[name])


def take_greatest(new: Columns, stored: Columns, name: str) -> ColumnElement[Any]:
    """The later or larger one; what is known where the other is not."""
    return case((stored[name].is_(None), new[name]), (new[name] > stored[name], new[name]), else_=stored[name])


def take_first(new: Columns, stored: Columns, name: str) -> ColumnElement[Any]:
    """What is known already stays."""
    return case((stored[name].is_(None), new[name]), else_=stored[name])


def natural_key(text: str) -> str:
    """``text`` as a key of at most 255 characters: itself, or its SHA-256 where it is longer."""
    return text if len(text) <= 255 else hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Merge:
    """How incoming rows become rows of a table.

    Args:
        table: the table.
        keys: its natural key, the target of the conflict.
        rules: column → how new and stored value become one.
        on_insert: column → value that only a new row gets.
        on_change: column → value that a new or changed row gets.
    """

    table: Table
    keys: tuple[str, ...]
    rules: Mapping[str, MergeRule]
    on_insert: Mapping[str, Any] = field(default_factory=dict)
    on_change: Mapping[str, Any] = field(default_factory=dict)

    def stored(self) -> FromClause:
        """The table as it is, beside which incoming rows are laid."""
        return self.table.alias("stored")

    def joined(self, incoming: FromClause, stored: FromClause) -> FromClause:
        """Incoming rows with the stored row of the same key, if there is one."""
        return incoming.outerjoin(stored, and_(*(incoming.c[k] == stored.c[k] for k in self.keys)))

    def differs(self, incoming: FromClause, stored: FromClause) -> ColumnElement[bool]:
        """Whether taking the incoming row in would change the stored one."""
        rules = self.rules.items()
        return or_(false(), *(rule(incoming.c, stored.c, c).is_distinct_from(stored.c[c]) for c, rule in rules))

    def write(self, connection: Connection, incoming: Select[Any]) -> None:
        """Insert what is new and merge what is there. ``incoming`` has each key once."""
        rows = incoming.subquery("incoming")
        columns = [*self.keys, *self.rules]
        extra = {**self.on_insert, **self.on_change}
        values = [rows.c[name] for name in columns] + [
            rows.c[value.name] if isinstance(value, Column) else literal(value, self.table.c[name].type)
            for name, value in extra.items()
        ]
        statement = insert_into(connection, self.table).from_select(
            [*columns, *extra],
            select(*values).where(true()),  # SQLite reads "ON CONFLICT" behind a bare join as the join's condition
        )
        if not self.rules:
            connection.execute(statement.on_conflict_do_nothing(index_elements=list(self.keys)))
            return
        changed = {name: rule(statement.excluded, self.table.c, name) for name, rule in self.rules.items()}
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=list(self.keys),
                set_={**changed, **self.on_change},
                where=or_(*(value.is_distinct_from(self.table.c[name]) for name, value in changed.items())),
            )
        )


def take_in(
    run: ImportRun,
    incoming: Select[Any],
    merge: Merge,
    *,
    label: str,
    also_differs: Sequence[Callable[[FromClause, FromClause], ColumnElement[bool]]] = (),
    beside: Callable[[], None] | None = None,
) -> None:
    """Merge a staged batch, and account for each of its rows.

    Rows whose key came earlier in the file must say the same as what is stored by then; the others are refused.

    Args:
        run: the import.
        incoming: the staged rows with ``row_number``, ``occurrence``, the keys and the merged columns.
        merge: how they are merged.
        label: the column that names a row in the examples of a dry run.
        also_differs: what else makes a row a changed one, in tables beside (tags, identities).
        beside: writes to the tables beside; called once the rows themselves are there.
    """
    connection = run.connection
    rows = incoming.subquery("incoming")
    stored = merge.stored()
    joined = merge.joined(rows, stored)
    is_new = stored.c[merge.keys[0]].is_(None)
    differs = merge.differs(rows, stored)
    differs = or_(differs, *(also(rows, stored) for also in also_differs))
    first = rows.c.occurrence == 1
    total, new, changed, repeated = connection.execute(
        select(
            func.count(),
            func.count(case((and_(first, is_new), 1))),
            func.count(case((and_(first, ~is_new, differs), 1))),
            func.count(case((~first, 1))),
        ).select_from(joined)
    ).one()
    if run.examples_wanted and new + changed:
        run.show(_examples(run, rows, stored, merge, and_(first, or_(is_new, differs)), label))
    if new + changed:
        merge.write(connection, incoming.where(incoming.selected_columns.occurrence == 1))
        if beside is not None:
            beside()
    run.count(new=new, changed=changed, duplicate=total - new - changed - repeated)
    if not repeated:
        return
    conflicting = connection.scalars(
        select(rows.c.row_number).select_from(joined).where(~first, or_(is_new, differs)).order_by(rows.c.row_number)
    ).all()
    for row_number in conflicting:
        run.refuse(row_number, Refused(Refusal.REPEATED_KEY, field=label))
    run.count(duplicate=repeated - len(conflicting))


def _examples(
    run: ImportRun, rows: FromClause, stored: FromClause, merge: Merge, which: ColumnElement[bool], label: str
) -> list[Change]:
    columns = list(merge.rules)
    picked = run.connection.execute(
        select(
            rows.c[label],
            stored.c[merge.keys[0]].is_(None),
            *(stored.c[name] for name in columns),
            *(rule(rows.c, stored.c, name) for name, rule in merge.rules.items()),
        )
        .select_from(merge.joined(rows, stored))
        .where(which)
        .order_by(rows.c.row_number)
        .limit(run.examples_wanted)
    )
    changes = []
    for key, is_new, *values in picked:
        pairs = zip(columns, values[: len(columns)], values[len(columns) :], strict=True)
        changes.append(Change(str(key), bool(is_new), {n: (a, b) for n, a, b in pairs if a != b}))
    return changes
