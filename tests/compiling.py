"""SQL is compiled once per test process, not once per database: every test has a database and so an engine of its own.

SQLAlchemy keeps compiled statements by dialect, and each engine makes a dialect. Here all dialects of a class count as
the same one, which they are: :func:`pushpull.db.open_database` makes them alike. It saves a fifth of the tests' time.
"""

from __future__ import annotations

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

import pushpull.db

#: Statements kept; all tests together have about two thousand.
_MOST = 4_000


def compile_once() -> None:
    """From now on, databases that are opened share what was compiled."""
    for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        dialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
        dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
    options = {**pushpull.db._COUNTS_ROWS, "compiled_cache": LRUCache(_MOST)}
    pushpull.db._COUNTS_ROWS = options
