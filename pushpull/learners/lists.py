"""``column IN (a list of any length)``, the list bound as one value: an array on PostgreSQL, a JSON text on SQLite.

Databases limit the number of bound values, and drivers read a statement with thousands of them slowly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Dialect,
    String,
    Subquery,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine


class _AsOneValue(TypeDecorator[list[Any]]):
    """A list as PostgreSQL's array, or as JSON."""

    impl = String
    cache_ok = True

    def __init__(self, element: TypeEngine[Any]) -> None:
        super().__init__()
        self.element = element

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(self.element) if dialect.name == "postgresql" else String())

    def process_bind_param(self, value: list[Any] | None, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" or value is None else orjson.dumps(value).decode()


class _InList(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True
    element: TypeEngine[Any] = BigInteger()

    def __init__(self, column: ColumnElement[Any], values: Iterable[Any] | str) -> None:
        """``values`` may be the name of the parameter that brings them, for statements that are asked repeatedly."""
        kind = _AsOneValue(self.element)
        if isinstance(values, str):
            super().__init__(column, bindparam(values, type_=kind))
        else:
            super().__init__(column, bindparam("listed", list(values), kind, unique=True))


class in_texts(_InList):  # noqa: N801  (named as SQL functions are)
    """The column is one of these texts."""

    inherit_cache = True
    element = Text()


class in_ids(_InList):  # noqa: N801  (named as SQL functions are)
    """The column is one of these ids."""

    inherit_cache = True


@compiles(_InList, "sqlite")
def _on_sqlite(element: _InList, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(each, **kw) for each in element.clauses)
    return f"({column} IN (SELECT value FROM json_each({values})))"  # noqa: S608  (placeholders, not values)


@compiles(_InList, "postgresql")
def _on_postgresql(element: _InList, compiler: SQLCompiler, **kw: Any) -> str:
    # A constant array: an index is searched for its elements, and a filter looks them up in a hash. A subquery in its
    # place would be joined, by nested loops where a fresh table has no statistics.
    column, values = (compiler.process(each, **kw) for each in element.clauses)
    return f"({column} = ANY ({values}))"


def texts_by_id(connection: Connection, texts: Mapping[int, str | None]) -> Subquery:
    """Texts by id as a table of ``id`` and ``text``, to be joined; however many they are, bound as one value or two."""
    if connection.dialect.name == "sqlite":
        pairs = func.json_each(orjson.dumps([[each, text] for each, text in texts.items()]).decode()).table_valued(
            "value"
        )
        numbered = cast(func.json_extract(pairs.c.value, "$[0]"), BigInteger)
        return select(numbered.label("id"), func.json_extract(pairs.c.value, "$[1]").label("text")).subquery("named")
    arrays = [
        bindparam("named_ids", list(texts), _AsOneValue(BigInteger()), unique=True),
        bindparam("named_texts", list(texts.values()), _AsOneValue(Text()), unique=True),
    ]
    rows = (
        func.unnest(*arrays).table_valued(column("id", BigInteger), column("text", Text), name="named").render_derived()
    )
    return select(rows.c.id, rows.c.text).subquery("named_rows")
