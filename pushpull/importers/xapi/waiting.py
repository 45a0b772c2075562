"""Statements that nothing came of yet: looked at again once we know more people, and not kept for ever.

They are about somebody, and nobody knows whether about one of us. So they go after :data:`WAITS`, as what cannot be
used must (GDPR, article 5(1)(e)).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select

from pushpull.db import insert_into
from pushpull.importers.daily import account, run_of_day
from pushpull.importers.tables import import_cursor, xapi_statement
from pushpull.importers.xapi.facts import SOURCE
from pushpull.importers.xapi.receiving import become_activity
from pushpull.importers.xapi.statements import VOIDED
from pushpull.learners.tables import activity, learner

#: How long a statement waits for its learner to be known.
WAITS: Final = timedelta(days=90)
#: How many are read at once.
_PAGE: Final = 5000
_REPLAY, _FORGET = "xapi:replay", "xapi:forget"


def replay_unknown(connection: Connection, *, now: datetime) -> int:
    """Look again at statements of people nobody knew, if people are new or have changed since the last time.

    Args:
        now: the instant of this look, aware; it is remembered for the next one.

    Returns:
        How many statements became activity.
    """
    last = _remembered(connection, _REPLAY)
    latest = connection.scalar(select(func.max(learner.c.updated_at)))
    if latest is None or (last is not None and latest < last):
        return 0
    _remember(connection, _REPLAY, now)
    found = 0
    for page in _pages(connection, now):
        for source in sorted({row.source for row in page}):
            run = run_of_day(connection, "xapi", source, now=now)
            become_activity(run, [(1, row.body) for row in page if row.source == source])
            found += run.report.accepted
            # They were rows of the day they came on, and refused there: only those that are taken in now count again.
            run.report.rows_in, run.report.rejected, run.report.duplicate = run.report.accepted, 0, 0
            run.forget_refused()
            if run.report.accepted:
                account(run)
    return found


def forget_unknown(connection: Connection, *, now: datetime) -> int:
    """Delete the statements that waited too long.

    Args:
        now: aware; what was stored :data:`WAITS` before is too old.

    Returns:
        How many.
    """
    since, until = _remembered(connection, _FORGET) or datetime.min.replace(tzinfo=UTC), now - WAITS
    if until <= since:
        return 0
    _remember(connection, _FORGET, until)
    old = and_(xapi_statement.c.stored_at >= since, xapi_statement.c.stored_at < until)
    return connection.execute(delete(xapi_statement).where(old, _says_nothing_yet())).rowcount


def _pages(connection: Connection, now: datetime) -> Iterator[Sequence[Row[Any, Any, Any]]]:
    after = ""
    waiting = (
        select(xapi_statement.c.statement_id, xapi_statement.c.source, xapi_statement.c.body)
        .where(xapi_statement.c.stored_at >= now - WAITS, _says_nothing_yet())
        .order_by(xapi_statement.c.statement_id)
        .limit(_PAGE)
    )
    while page := connection.execute(waiting.where(xapi_statement.c.statement_id > after)).all():
        yield page
        after = page[-1].statement_id


def _says_nothing_yet() -> ColumnElement[bool]:
    """No activity came of a statement that could bring some."""
    verb, kind = (xapi_statement.c.body[path].as_string() for path in (("verb", "id"), ("actor", "objectType")))
    of_it = select(activity.c.id).where(activity.c.source == SOURCE)
    own = of_it.where(activity.c.source_id == xapi_statement.c.statement_id).exists()
    of_members = of_it.where(func.substr(activity.c.source_id, 1, 36) == xapi_statement.c.statement_id).exists()
    return and_(verb != VOIDED, ~own, or_(func.coalesce(kind, "Agent") != "Group", ~of_members))


def _remembered(connection: Connection, name: str) -> datetime | None:
    return connection.scalar(select(import_cursor.c.stored_until).where(import_cursor.c.source == name))


def _remember(connection: Connection, name: str, at: datetime) -> None:
    kept = insert_into(connection, import_cursor).values(source=name, stored_until=at)
    connection.execute(
        kept.on_conflict_do_update(index_elements=["source"], set_={"stored_until": kept.excluded.stored_until})
    )
