"""``column IN (a list of any length)``, the list bound as one JSON text.

Databases limit the number of bound values, and drivers read a statement with thousands of them slowly.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from sqlalchemy import Boolean, ColumnElement, String, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _InList(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True
    element_type = ""

    def __init__(self, column: ColumnElement[Any], values: Iterable[Any]) -> None:
        super().__init__(column, bindparam("listed", orjson.dumps(list(values)).decode(), String, unique=True))


class in_texts(_InList):  # noqa: N801  (named as SQL functions are)
    """The column is one of these texts."""

    inherit_cache = True
    element_type = "TEXT"


class in_ids(_InList):  # noqa: N801  (named as SQL functions are)
    """The column is one of these ids."""

    inherit_cache = True
    element_type = "BIGINT"


@compiles(_InList, "sqlite")
def _on_sqlite(element: _InList, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(each, **kw) for each in element.clauses)
    return f"({column} IN (SELECT value FROM json_each({values})))"  # noqa: S608  (placeholders, not values)


@compiles(_InList, "postgresql")
def _on_postgresql(element: _InList, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(each, **kw) for each in element.clauses)
    each = f"CAST(jsonb_array_elements_text(CAST({values} AS JSONB)) AS {element.element_type})"
    return f"({column} IN (SELECT {each}))"
