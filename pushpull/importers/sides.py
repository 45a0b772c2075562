"""What a row has several of — tags, identities — merged set-based beside the row itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    delete,
    select,
    true,
)

from pushpull.db import insert_into
from pushpull.importers.staging import fill


class SideSet:
    """A set of values per row, kept in a table beside: after the import the owner has exactly the values of its row.

    Args:
        connection: the import's transaction.
        target: the table of the values.
        owner: its column that points to the owner's ``id``.
        values: its columns that make up a value.
        parent: the owner's table.
        parent_key: the owner's natural key, also a column of the staged rows.
        managed: which of the stored values this set is about; the others are left alone.
    """

    def __init__(
        self,
        connection: Connection,
        target: Table,
        *,
        owner: str,
        values: Sequence[str],
        parent: Table,
        parent_key: str,
        managed: ColumnElement[bool] | None = None,
    ) -> None:
        self._connection = connection
        self._target = target
        self._owner = owner
        self._values = tuple(values)
        self._parent = parent
        self._parent_key = parent_key
        self._managed = true() if managed is None else managed
        self.table = Table(
            f"incoming_{target.name}",
            MetaData(),
            Column("row_number", Integer, primary_key=True, autoincrement=False),
            *(Column(name, target.c[name].type, primary_key=True) for name in values),
            prefixes=["TEMPORARY"],
        )
        self.close()
        self.table.create(connection, checkfirst=False)

    def close(self) -> None:
        """Drop the temporary table."""
        self._connection.exec_driver_sql(f"DROP TABLE IF EXISTS {self.table.name}")

    def load(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace the staged values: one row per value, with the ``row_number`` it belongs to."""
        fill(self._connection, self.table, rows)

    def _same(self) -> ColumnElement[bool]:
        return and_(*(self._target.c[name] == self.table.c[name] for name in self._values))

    def differs(self, staged: Table) -> Callable[[FromClause, FromClause], ColumnElement[bool]]:
        """Whether the staged values of a row are others than the stored ones, as ``take_in`` wants it.

        Two plain joins over the batch, not a question per row: the planner can hash them.
        """
        owners = self._owners(staged).subquery("owners")
        target, side = self._target, self.table
        stored_too = and_(target.c[self._owner] == owners.c.id, self._same())
        staged_too = and_(side.c.row_number == owners.c.row_number, self._same())
        missing = (
            select(side.c.row_number)
            .select_from(side.join(owners, owners.c.row_number == side.c.row_number).outerjoin(target, stored_too))
            .where(target.c[self._owner].is_(None))
        )
        too_many = (
            select(owners.c.row_number)
            .select_from(owners.join(target, target.c[self._owner] == owners.c.id).outerjoin(side, staged_too))
            .where(self._managed, side.c.row_number.is_(None))
        )
        return lambda rows, _stored: rows.c.row_number.in_(missing.union_all(too_many))

    def _owners(self, staged: Table) -> Select[Any]:
        """Which stored owner a staged row is about."""
        return select(staged.c.row_number, staged.c.occurrence, self._parent.c.id).join(
            self._parent, self._parent.c[self._parent_key] == staged.c[self._parent_key]
        )

    def write(self, staged: Table) -> None:
        """Make the stored values of all staged rows (the first of each key) what the file says."""
        owners = self._owners(staged).where(staged.c.occurrence == 1).cte("owners")
        wanted = (
            select(self.table.c.row_number)
            .join(owners, owners.c.row_number == self.table.c.row_number)
            .where(owners.c.id == self._target.c[self._owner], self._same())
            .correlate(self._target)
        )
        self._connection.execute(
            delete(self._target).where(
                self._target.c[self._owner].in_(select(owners.c.id)), self._managed, ~wanted.exists()
            )
        )
        values = select(owners.c.id, *(self.table.c[name] for name in self._values)).join(
            owners, owners.c.row_number == self.table.c.row_number
        )
        self._connection.execute(
            insert_into(self._connection, self._target)
            .from_select([self._owner, *self._values], values.where(true()))
            .on_conflict_do_nothing()
        )
