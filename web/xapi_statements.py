"""The statements resource: xAPI 1.0.3, part three, section 2.1; the numbers in docstrings are its."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import orjson
from starlette.responses import Response

from pushpull.db import reading
from pushpull.importers.json_text import NotJsonError, read_json
from pushpull.importers.reading import SourceError
from pushpull.importers.xapi import rules
from pushpull.importers.xapi.asking import PAGE, Query, find, find_one
from pushpull.importers.xapi.multipart import looks_like_multipart, statements_in
from pushpull.importers.xapi.receiving import StatementConflictError, StatementRefusedError, receive
from pushpull.ledger.erased import peppers_of
from web.ingest import Call, json_answer
from web.xapi_wishes import Wish, WishRefusedError, check_value, http_date, refuse

_FORMATS = frozenset({"exact", "ids", "canonical"})
_RELATED = ("related_agents", "related_activities")
_FILTERS = frozenset({"agent", "verb", "activity", "registration", "since", "until", "limit", "ascending", "after"})


def put_statement(wish: Wish) -> Response:
    """One statement under an id that the sender chose (2.1.1)."""
    wish.only("statementId")
    statement_id = wish.wanted("statementId")
    check_value(rules.uuid, statement_id, "statementId")
    statement = _statements(wish.call)
    if not isinstance(statement, dict):
        refuse("the body is not one statement")
    own = statement.setdefault("id", statement_id)
    if not isinstance(own, str) or own.lower() != statement_id.lower():
        refuse("statementId is not the statement's own id")
    _receive(wish, [statement])
    return Response(status_code=204)


def post_statements(wish: Wish) -> Response:
    """One statement, or several of which all or none are taken in (2.1.2)."""
    wish.only()
    sent = _statements(wish.call)
    return json_answer(_receive(wish, sent if isinstance(sent, list) else [sent]))


def get_statements(wish: Wish) -> Response:
    """One statement by its id, or those that pass filters, page by page (2.1.3)."""
    params = wish.call.params
    wish.only("statementId", "voidedStatementId", "format", "attachments", *_RELATED, *_FILTERS)
    if any(wish.flag(name) for name in _RELATED):
        raise WishRefusedError(501, "statements are not looked for by what is related: only by actor, object and verb")
    form = params.get("format", "exact")
    if form not in _FORMATS:
        refuse("format is not ids, exact or canonical")
    named = [name for name in ("statementId", "voidedStatementId") if name in params]
    if not named:
        return _some_statements(wish, ids=form == "ids")
    if len(named) > 1 or _FILTERS & set(params):
        refuse(f"{named[0]} stands alone")
    statement_id = wish.wanted(named[0])
    check_value(rules.uuid, statement_id, named[0])
    with reading(wish.site.engine) as connection:
        voided = named[0] == "voidedStatementId"
        one = find_one(connection, wish.source.name, statement_id, voided=voided, ids=form == "ids")
    if one is None:
        raise WishRefusedError(404, "there is no such statement")
    return _answered(wish, one.statement, {"Last-Modified": http_date(one.stored_at)})


def _some_statements(wish: Wish, *, ids: bool) -> Response:
    params = wish.call.params
    query = Query(
        agent=wish.agent(),
        verb=wish.checked("verb", rules.iri),
        activity=wish.checked("activity", rules.iri),
        registration=wish.checked("registration", rules.uuid),
        since=wish.instant("since"),
        until=wish.instant("until"),
        limit=_limit(params.get("limit", "0")),
        ascending=wish.flag("ascending"),
        after=_place_after(params["after"]) if "after" in params else None,
    )
    with reading(wish.site.engine) as connection:
        found = find(connection, wish.source.name, query, ids=ids)
    more = ""
    if found.last is not None:
        at, statement_id = found.last
        behind = {**params, "after": f"{at.astimezone(UTC).isoformat()}/{statement_id}"}
        more = f"/xapi/statements?{urlencode(behind)}"
    return _answered(wish, {"statements": found.statements, "more": more}, {})


def _answered(wish: Wish, value: Any, headers: Mapping[str, str]) -> Response:
    """Statements; to who asks for attachments as the first part of several, though there never are others: attachments
    are not kept (1.5.2)."""
    if not wish.flag("attachments"):
        return json_answer(value, headers=headers)
    boundary = uuid4().hex.encode()
    head = b"Content-Type: application/json\r\n\r\n"
    body = b"--" + boundary + b"\r\n" + head + orjson.dumps(value) + b"\r\n--" + boundary + b"--\r\n"
    return Response(body, media_type=f"multipart/mixed; boundary={boundary.decode()}", headers=dict(headers))


def _limit(raw: str) -> int:
    if not raw.isascii() or not raw.isdigit() or len(raw) > 9:
        refuse("limit is not a whole number")
    return min(int(raw), PAGE) or PAGE


def _place_after(raw: str) -> tuple[datetime, str]:
    at, _, statement_id = raw.partition("/")
    check_value(rules.check_instant, at, "after")
    check_value(rules.uuid, statement_id, "after")
    return rules.read_instant(at), statement_id


def _statements(call: Call) -> Any:
    try:
        if call.media_type == "multipart/mixed":
            if not looks_like_multipart(call.body):
                refuse("a multipart message begins with its boundary")
            return statements_in(call.body, name="the body")
        if call.media_type != "application/json":
            refuse("statements come as application/json or multipart/mixed")
        return read_json(call.body)
    except (NotJsonError, SourceError) as error:
        refuse(str(error))


def _receive(wish: Wish, statements: list[Any]) -> list[str]:
    authority = {
        "objectType": "Agent",
        "account": {"homePage": wish.site.settings.base_url, "name": wish.source.name},
    }
    version = "2.0.0" if wish.is_second else "1.0.0"
    try:
        return receive(
            wish.site.engine,
            wish.source.name,
            statements,
            authority=authority,
            now=wish.at,
            version=version,
            peppers=peppers_of(wish.site.settings),
        )
    except StatementRefusedError as refused:
        refuse(str(refused))
    except StatementConflictError as conflict:
        raise WishRefusedError(409, str(conflict)) from None
