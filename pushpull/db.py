"""The database: one metadata, two dialects, transactions that say what they are for.

What lives here is what every table and statement shares: column types, engine set-up, and the two ways into a
transaction, :func:`reading` and :func:`writing`. No table is defined here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import (
    CTE,
    JSON,
    BigInteger,
    Connection,
    CursorResult,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    func,
    select,
    text,
    values,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: A 64-bit key that SQLite still recognises as its own row id.
BigKey = BigInteger().with_variant(Integer(), "sqlite")

#: JSON that PostgreSQL stores parsed.
Json = JSON().with_variant(JSONB(), "postgresql")

_WRITES = "pushpull_writes"

#: Without it an INSERT on PostgreSQL says -1 instead of how many rows it wrote.
_COUNTS_ROWS = {"preserve_rowcount": True}


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in, aware and UTC out, on both databases.

    PostgreSQL keeps ``timestamptz``. SQLite keeps fixed-width ISO text without offset, always UTC, so that text order
    is time order.

    Raises:
        ValueError: a naive datetime was bound; a local time without its zone is never stored.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: give it a time zone before it reaches the database")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def literal_processor(self, dialect: Dialect) -> Callable[[datetime | None], str]:
        def as_sql(value: datetime | None) -> str:
            if value is None:
                return "NULL"
            moment = value.astimezone(UTC)
            if dialect.name == "sqlite":
                return f"'{moment.replace(tzinfo=None).isoformat(sep=' ', timespec='microseconds')}'"
            return f"'{moment.isoformat()}'::timestamptz"

        return as_sql

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:
        return self


def _quote_no_rows(failed: ExceptionContext) -> None:
    """PostgreSQL quotes the row a statement failed on, below the first line of what it says."""
    for error in (failed.original_exception, failed.sqlalchemy_exception):
        if error is not None and error.args:
            error.args = (str(error.args[0]).partition("\n")[0], *error.args[1:])


def open_database(url: str, *, echo: bool = False, pool_size: int = 5) -> Engine:
    """An engine for ``url`` with what both databases need set.

    Args:
        url: ``sqlite:///path`` (the embedded default) or ``postgresql+psycopg://…``.
        echo: log every statement.
        pool_size: connections kept open.

    Raises:
        ValueError: the URL names another database.
    """
    if url.startswith(("postgresql://", "postgres://")):
        url = "postgresql+psycopg://" + url.split("://", 1)[1]
    if url.startswith("postgresql+psycopg://"):
        engine = create_engine(
            url,
            echo=echo,
            hide_parameters=True,  # they are about people, and errors are logged, by Prefect too
            pool_size=pool_size,
            execution_options=_COUNTS_ROWS,
            max_overflow=8,
            pool_pre_ping=True,
            json_serializer=_json_text,
            json_deserializer=orjson.loads,
            # The queries here are few and large: compiling them to machine code costs more than it saves.
            connect_args={"options": "-c jit=off -c timezone=UTC"},
        )
        event.listen(engine, "handle_error", _quote_no_rows)
        return engine
    if url.startswith("sqlite"):
        engine = create_engine(
            url,
            echo=echo,
            hide_parameters=True,  # they are about people, and errors are logged, by Prefect too
            execution_options=_COUNTS_ROWS,
            json_serializer=_json_text,
            json_deserializer=orjson.loads,
            connect_args={"timeout": 60, "check_same_thread": False},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    raise ValueError(f"PUSHPULL_DATABASE_URL must start with sqlite:/// or postgresql://, not {url.split(':', 1)[0]!r}")


def _json_text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _prepare_sqlite(raw: Any, _record: Any) -> None:
    raw.isolation_level = None  # the "begin" hook below decides how a transaction starts
    cursor = raw.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-65536",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that will write takes the write lock first: upgrading a read lock later fails under contention.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads; it ends with a rollback."""
    with engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: committed at the end of the block, rolled back if the block raises."""
    with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        yield connection


def database_now(connection: Connection) -> datetime:
    """The database's own clock, for leases: workers' clocks may disagree with each other."""
    if connection.dialect.name == "sqlite":
        raw = connection.execute(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")).scalar_one()
        return datetime.fromisoformat(raw).replace(tzinfo=UTC)
    return connection.execute(select(func.clock_timestamp(type_=UtcDateTime))).scalar_one()


def one_after_another(connection: Connection, what: str) -> None:
    """Wait until no other transaction does ``what``; from here to its end this one alone does.

    For decisions that count what others decide and so lock no row of their own. What was committed meanwhile is seen by
    the statements that follow. On SQLite whoever writes is alone already.

    Args:
        what: the same words wherever it is done.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(what, 0))))


class days_after(FunctionElement[datetime]):  # noqa: N801  # reads like the SQL function it stands for
    """``days_after(instant, days)``: the instant so many days of 24 hours later; both may be columns.

    The two databases spell it differently; this is the one place that knows.
    """

    type = UtcDateTime()
    inherit_cache = True
    name = "days_after"


@compiles(days_after, "postgresql")
def _days_after_postgresql(element: days_after, compiler: SQLCompiler, **kw: Any) -> str:
    instant, days = element.clauses
    return f"({compiler.process(instant, **kw)} + {compiler.process(days, **kw)} * interval '1 day')"


@compiles(days_after, "sqlite")
def _days_after_sqlite(element: days_after, compiler: SQLCompiler, **kw: Any) -> str:
    instant, days = (compiler.process(part, **kw) for part in element.clauses)
    # '%f' has milliseconds; the stored text has microseconds, and text order must stay time order.
    return f"strftime('%Y-%m-%d %H:%M:%f000', {instant}, printf('%+.6f days', {days}))"


def table_of(name: str, columns: Sequence[Any], rows: Sequence[tuple[Any, ...]]) -> CTE:
    """Rows of this process as a table that a statement can join.

    Args:
        name: of the common table expression.
        columns: typed columns, in the order of the rows' values.
        rows: at least one.
    """
    return values(*columns, name=name, literal_binds=True).data(list(rows)).cte(name)


def insert_into(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """The dialect's INSERT, which knows ``on_conflict_do_nothing`` and ``on_conflict_do_update`` on both databases."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def rows_written(connection: Connection, result: CursorResult[Any]) -> int:
    """How many rows the last INSERT, UPDATE or DELETE wrote.

    Python's sqlite3 counts only statements that begin with such a word; one that begins with WITH says -1, and SQLite
    itself is asked.
    """
    if result.rowcount < 0 and connection.dialect.name == "sqlite":
        return int(connection.exec_driver_sql("SELECT changes()").scalar_one())
    return max(0, result.rowcount)


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows that are not there yet.

    Returns:
        How many rows were new.
    """
    if not rows:
        return 0
    inserted = 0
    statement = insert_into(connection, table).on_conflict_do_nothing()
    if connection.dialect.name == "sqlite":
        # Inside one process many rows are as cheap as one, and the statement is compiled once for every number of them.
        return max(0, connection.execute(statement, list(rows)).rowcount)
    columns = max(1, len(rows[0]))
    step = max(1, 30_000 // columns)
    for start in range(0, len(rows), step):
        result = connection.execute(statement.values(list(rows[start : start + step])))
        inserted += max(0, result.rowcount)
    return inserted
