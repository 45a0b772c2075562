"""Statements that a source sent, asked for again by it (xAPI 1.0.3, part three, section 2.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from pushpull.importers.tables import voided_statement, xapi_statement
from pushpull.importers.xapi.facts import SOURCE
from pushpull.importers.xapi.sameness import only_ids
from pushpull.importers.xapi.statements import VOIDED

#: Most statements of one answer.
PAGE = 100


@dataclass(frozen=True)
class Query:
    """Which statements are wanted; what is None is not looked at.

    Args:
        agent: an agent or identified group; statements of it or about it.
        verb: the verb's IRI.
        activity: the IRI of the activity that they are about.
        registration: the id of an attempt.
        since: stored after this instant.
        until: stored at this instant or before.
        limit: at most so many, 1 to :data:`PAGE`.
        ascending: the oldest first.
        after: continue behind this statement: when it was stored, and its id.
    """

    agent: Mapping[str, Any] | None = None
    verb: str | None = None
    activity: str | None = None
    registration: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = PAGE
    ascending: bool = False
    after: tuple[datetime, str] | None = None


@dataclass(frozen=True)
class Found:
    """Statements as they are kept.

    Args:
        last: the instant and id of the last one, to continue after, if there are more.
    """

    statements: list[Any]
    last: tuple[datetime, str] | None


@dataclass(frozen=True)
class One:
    """One statement and when it was stored."""

    statement: Any
    stored_at: datetime


def find(connection: Connection, source: str, query: Query, *, ids: bool = False) -> Found:
    """The statements of a source that a query asks for, the voided ones left out.

    Args:
        ids: in the format ``ids`` instead of as they were sent.
    """
    at, key = xapi_statement.c.stored_at, xapi_statement.c.statement_id
    wanted = _own(source).where(~_is_voided(), *_conditions(query))
    if query.after is not None:
        stored, statement_id = query.after
        beyond = (at > stored, key > statement_id) if query.ascending else (at < stored, key < statement_id)
        wanted = wanted.where(or_(beyond[0], and_(at == stored, beyond[1])))
    order = (at.asc(), key.asc()) if query.ascending else (at.desc(), key.desc())
    rows = connection.execute(wanted.order_by(*order).limit(query.limit + 1)).all()
    page = rows[: query.limit]
    last = (page[-1].stored_at, page[-1].statement_id) if len(rows) > len(page) else None
    return Found([only_ids(row.body) if ids else row.body for row in page], last)


def find_one(connection: Connection, source: str, statement_id: str, *, voided: bool, ids: bool = False) -> One | None:
    """One statement of a source by its id.

    Args:
        voided: it must have been voided; otherwise it must not.
        ids: in the format ``ids``.
    """
    condition = _is_voided() if voided else ~_is_voided()
    row = connection.execute(
        _own(source).where(xapi_statement.c.statement_id == statement_id.lower(), condition)
    ).one_or_none()
    return One(only_ids(row.body) if ids else row.body, row.stored_at) if row is not None else None


def _own(source: str) -> Select[Any]:
    return select(xapi_statement.c.statement_id, xapi_statement.c.stored_at, xapi_statement.c.body).where(
        xapi_statement.c.source == source
    )


def _is_voided() -> ColumnElement[bool]:
    voiding = select(voided_statement.c.voided_by).where(
        voided_statement.c.source == SOURCE, voided_statement.c.statement_id == xapi_statement.c.statement_id
    )
    # A voiding statement itself is never voided.
    return and_(voiding.exists(), _at("verb", "id") != VOIDED)


def _conditions(query: Query) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.agent is not None:
        conditions.append(or_(_is_actor("actor", query.agent), _is_actor("object", query.agent)))
    if query.verb is not None:
        conditions.append(_at("verb", "id") == query.verb)
    if query.activity is not None:
        conditions += [_at("object", "id") == query.activity, _kind_of_object() == "Activity"]
    if query.registration is not None:
        conditions.append(func.lower(_at("context", "registration")) == query.registration.lower())
    if query.since is not None:
        conditions.append(xapi_statement.c.stored_at > query.since)
    if query.until is not None:
        conditions.append(xapi_statement.c.stored_at <= query.until)
    return conditions


def _at(*path: str) -> ColumnElement[str]:
    text: ColumnElement[str] = xapi_statement.c.body[path].as_string()
    return text


def _kind_of_object() -> ColumnElement[str]:
    return func.coalesce(_at("object", "objectType"), "Activity")


def _is_actor(place: str, agent: Mapping[str, Any]) -> ColumnElement[bool]:
    if "account" in agent:
        account = agent["account"]
        return and_(
            _at(place, "account", "homePage") == account["homePage"], _at(place, "account", "name") == account["name"]
        )
    if "openid" in agent:
        return _at(place, "openid") == str(agent["openid"])
    name = "mbox" if "mbox" in agent else "mbox_sha1sum"
    return func.lower(_at(place, name)) == str(agent[name]).lower()
