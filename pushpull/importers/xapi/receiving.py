"""Statements as course players send them: one request at a time, whole or not at all (xAPI 1.0.3, part three, 2.1).

A statement is kept as it was sent, so that it can be asked for again, and becomes activity in the same transaction. One
that says nothing about a learner we know is kept too: see :mod:`pushpull.importers.xapi.waiting`. Of somebody who was
erased nothing is kept, whoever sends it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, select

from pushpull.db import insert_into, writing
from pushpull.importers.daily import account, run_of_day
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.runs import ImportRun
from pushpull.importers.staging import chunks
from pushpull.importers.tables import xapi_statement
from pushpull.importers.xapi.becoming import activity_of
from pushpull.importers.xapi.facts import Fact, fact_of, id_of, people_in
from pushpull.importers.xapi.sameness import as_listed, same
from pushpull.importers.xapi.statements import VOIDED, check_statement
from pushpull.learners.lists import in_texts
from pushpull.learners.tables import activity
from pushpull.ledger.erased import erased_identities, has_any

#: The version of statements that do not say theirs (part two, 2.4.10).
_VERSION = "1.0.0"


class StatementRefusedError(ValueError):
    """A statement of a request is not valid, so nothing of the request was taken in.

    Args:
        position: which of the request's statements, from 1.
        rule: the place in it and the rule that is broken, never the value.
    """

    def __init__(self, position: int, rule: str) -> None:
        super().__init__(f"statement {position}: {rule}")


class StatementConflictError(ValueError):
    """Another statement is known under the same id; nothing of the request was taken in."""

    def __init__(self, statement_id: str) -> None:
        super().__init__(f"another statement is stored under {statement_id}")


def receive(
    engine: Engine,
    source: str,
    statements: Sequence[Any],
    *,
    authority: Mapping[str, Any],
    now: datetime,
    version: str = _VERSION,
    peppers: Collection[bytes] = (),
) -> list[str]:
    """Take in the statements of one request.

    A statement that is there already is no error and changes nothing. One without an id gets its id from what it says
    and when, so that a request which is repeated because its answer got lost adds nothing.

    Args:
        source: the name of the source that sends.
        statements: as they were read, unchecked.
        authority: who vouches for them: the source, as an xAPI agent.
        now: the instant of the request, aware; nothing that was done is later.
        version: of statements that do not say theirs.
        peppers: under which erased people are known, see :func:`pushpull.ledger.erased.peppers_of`.

    Returns:
        Their ids, in their order.

    Raises:
        StatementRefusedError: one is not valid.
        StatementConflictError: another one is known under an id.
    """
    sent = [_checked(position, statement) for position, statement in enumerate(statements, start=1)]
    bodies = [_stored(statement, authority, now, version) for statement in sent]
    ids = [body["id"] for body in bodies]
    if len(set(ids)) != len(ids):
        raise StatementRefusedError(_first_repeated(ids), "id: the same as that of an earlier statement")
    with writing(engine) as connection:
        erased = _of_erased(connection, bodies, peppers)
        bodies_kept = [body for body in bodies if body["id"] not in erased]
        new = _keep(connection, source, bodies_kept, now)
        _refuse_conflicts(connection, {each: s for each, s in zip(ids, sent, strict=True) if each not in new})
        _refuse_voidings(connection, source, bodies, new)
        run = run_of_day(connection, "xapi", source, now=now)
        run.report.rows_in = len(ids)
        run.count(duplicate=len(bodies_kept) - len(new))
        for at in (at for at, each in enumerate(ids, start=1) if each in erased):
            run.refuse(at, Refused(Refusal.ERASED, field="actor"))
        numbered = [(at, body) for at, body in enumerate(bodies, start=1) if body["id"] in new]
        become_activity(run, numbered)
        account(run)
    return ids


def become_activity(run: ImportRun, numbered: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Make activity of statements, by their numbers in the run; what cannot become any is counted as refused."""
    rows = activity_of(run, list(_facts(run, numbered)))
    columns = [{n: v for n, v in row.items() if n not in {"row_number", "occurrence"}} for row in rows]
    if columns:
        # The same statement for any number of rows: one with all their values in it is made anew each time, which takes
        # as long as all the rest of a request.
        run.connection.execute(insert_into(run.connection, activity).on_conflict_do_nothing(), columns)


def _checked(position: int, statement: Any) -> dict[str, Any]:
    try:
        check_statement(statement)
    except Refused as refused:
        raise StatementRefusedError(position, f"{refused.field}: {refused.detail}") from None
    checked: dict[str, Any] = statement
    return checked


def _stored(statement: Mapping[str, Any], authority: Mapping[str, Any], now: datetime, version: str) -> dict[str, Any]:
    """The statement as it is kept: with what an LRS adds (part two, 2.4.1, 2.4.7 to 2.4.10)."""
    at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {name: value for name, value in statement.items() if name not in {"stored", "authority"}}
    said.setdefault("timestamp", at)
    kept = {**said, "id": id_of(said), "stored": at, "authority": authority}
    kept.setdefault("version", version)
    return as_listed(kept)


def _first_repeated(ids: Sequence[str]) -> int:
    return next(at for at, each in enumerate(ids, start=1) if each in ids[: at - 1])


def _of_erased(connection: Connection, bodies: Sequence[Mapping[str, Any]], peppers: Collection[bytes]) -> set[str]:
    """The ids of statements that name somebody who was erased, as whatever."""
    if not has_any(connection):
        return set()
    named = {body["id"]: set(people_in(body)) for body in bodies}
    erased = erased_identities(connection, set().union(*named.values()), peppers)
    return {statement_id for statement_id, people in named.items() if people & erased}


def _keep(connection: Connection, source: str, bodies: Sequence[Mapping[str, Any]], now: datetime) -> set[str]:
    """Keep what is new. A request with the same id at the same moment waits here for the other's end."""
    rows = [{"statement_id": body["id"], "source": source, "stored_at": now, "body": body} for body in bodies]
    rows.sort(key=lambda row: str(row["statement_id"]))  # two requests that share ids wait, but not for each other
    statement = insert_into(connection, xapi_statement).on_conflict_do_nothing()
    if not rows:
        return set()
    return set(connection.scalars(statement.returning(xapi_statement.c.statement_id), rows))


def _refuse_conflicts(connection: Connection, known: Mapping[str, Mapping[str, Any]]) -> None:
    for some in chunks(sorted(known)):
        stored = select(xapi_statement.c.statement_id, xapi_statement.c.body).where(
            in_texts(xapi_statement.c.statement_id, some)
        )
        for statement_id, body in connection.execute(stored):
            if not same(body, known[statement_id]):
                raise StatementConflictError(statement_id)


def _refuse_voidings(connection: Connection, source: str, bodies: Sequence[Mapping[str, Any]], new: set[str]) -> None:
    """Nobody takes back what another system said, nor a voiding (part two, 2.3.2)."""
    targets = {
        body["object"]["id"].lower(): at
        for at, body in enumerate(bodies, start=1)
        if body["verb"]["id"] == VOIDED and body["id"] in new
    }
    if not targets:
        return
    stored = select(xapi_statement.c.statement_id, xapi_statement.c.source, xapi_statement.c.body).where(
        in_texts(xapi_statement.c.statement_id, sorted(targets))
    )
    for row in connection.execute(stored):
        if row.source != source:
            raise StatementRefusedError(targets[row.statement_id], "object.id: the statement of another source")
        if row.body["verb"]["id"] == VOIDED:
            raise StatementRefusedError(targets[row.statement_id], "object.id: a voiding statement cannot be voided")


def _facts(run: ImportRun, numbered: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[tuple[int, Fact]]:
    for number, body in numbered:
        try:
            fact = fact_of(body, now=run.now)
        except Refused as refused:
            run.refuse(number, refused)
            continue
        # A clock that runs ahead, or a made-up year, is no reason to wait for that instant.
        yield number, replace(fact, occurred_at=min(fact.occurred_at, run.now))
