"""The resources of the learning record store: which parameters and bodies each takes, and what it answers.

xAPI 1.0.3, part three, section 2; the numbers in docstrings are its. A request that is wrong says what is wrong with
it, and never repeats what was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Never
from urllib.parse import urlencode

from starlette.responses import Response

from pushpull.db import reading, writing
from pushpull.importers.documents import (
    Condition,
    DocumentFault,
    DocumentRefusedError,
    Place,
    Resource,
    document_ids,
    merge_document,
    put_document,
    read_document,
    remove_documents,
)
from pushpull.importers.json_text import NotJsonError, read_json
from pushpull.importers.reading import SourceError
from pushpull.importers.refusals import Refused
from pushpull.importers.sources import Source
from pushpull.importers.xapi import rules
from pushpull.importers.xapi.asking import PAGE, Query, find, find_one
from pushpull.importers.xapi.multipart import looks_like_multipart, statements_in
from pushpull.importers.xapi.receiving import StatementConflictError, StatementRefusedError, receive
from pushpull.importers.xapi.statements import check_actor
from web.ingest import Call, json_answer
from web.site import Site

_FORMATS = frozenset({"exact", "ids", "canonical"})
_FILTERS = frozenset({"agent", "verb", "activity", "registration", "since", "until", "limit", "ascending", "after"})
_LONGEST_ID = 255


class WishRefusedError(Exception):
    """A request that is not fulfilled.

    Args:
        status: of the answer.
        reason: what to do about it.
        headers: that the answer needs.
    """

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Wish:
    """A request by a source we know.

    Args:
        at: when it came.
    """

    site: Site
    source: Source
    call: Call
    at: datetime

    def only(self, *names: str) -> None:
        """Refuse parameters that the resource does not have (1.4: never ignored)."""
        if unknown := set(self.call.params) - set(names):
            _refuse(
                f"a parameter that this resource does not have, beside {', '.join(names) or 'none'}: {len(unknown)}"
            )

    def wanted(self, name: str) -> str:
        """A parameter that must be there."""
        value = self.call.params.get(name, "")
        if not value:
            _refuse(f"the parameter {name} is missing")
        return value

    def checked(self, name: str, check: rules.Check) -> str | None:
        """A parameter that may be there, and must pass then."""
        value = self.call.params.get(name)
        if value is not None:
            _check(check, value, name)
        return value

    def flag(self, name: str) -> bool:
        """A parameter that says true or false."""
        value = self.call.params.get(name, "false")
        if value not in {"true", "false"}:
            _refuse(f"{name} is neither true nor false")
        return value == "true"

    def instant(self, name: str) -> datetime | None:
        """A parameter that is a timestamp."""
        value = self.checked(name, rules.check_instant)
        return rules.read_instant(value) if value is not None else None

    def agent(self) -> Mapping[str, Any] | None:
        """The parameter ``agent``: an agent or an identified group as JSON."""
        raw = self.call.params.get("agent")
        if raw is None:
            return None
        try:
            value = read_json(raw.encode())
        except NotJsonError as error:
            _refuse(f"agent: {error}")
        _check(check_actor, value, "agent")
        found: Mapping[str, Any] = value
        return found

    def needed_agent(self) -> Mapping[str, Any]:
        """The same where it must be there."""
        self.wanted("agent")
        found = self.agent()
        assert found is not None
        return found

    def needed_iri(self, name: str) -> str:
        """An IRI that must be there."""
        value = self.wanted(name)
        _check(rules.iri, value, name)
        return value


Answering = Callable[[Wish], Response]


def about() -> Response:
    """The versions spoken here (2.8); anybody may know."""
    return json_answer({"version": ["1.0.0", "1.0.1", "1.0.2", "1.0.3"], "extensions": {}})


def put_statement(wish: Wish) -> Response:
    """One statement under an id that the sender chose (2.1.1)."""
    wish.only("statementId")
    statement_id = wish.wanted("statementId")
    _check(rules.uuid, statement_id, "statementId")
    statement = _statements(wish.call)
    if not isinstance(statement, dict):
        _refuse("the body is not one statement")
    own = statement.setdefault("id", statement_id)
    if not isinstance(own, str) or own.lower() != statement_id.lower():
        _refuse("statementId is not the statement's own id")
    _receive(wish, [statement])
    return Response(status_code=204)


def post_statements(wish: Wish) -> Response:
    """One statement, or several of which all or none are taken in (2.1.2)."""
    wish.only()
    sent = _statements(wish.call)
    return json_answer(_receive(wish, sent if isinstance(sent, list) else [sent]))


def get_statements(wish: Wish) -> Response:
    """One statement by its id, or those that pass filters, page by page (2.1.3). Attachments are never kept, so there
    are none to answer with."""
    params = wish.call.params
    wish.only("statementId", "voidedStatementId", "format", "attachments", *_FILTERS)
    wish.flag("attachments")
    form = params.get("format", "exact")
    if form not in _FORMATS:
        _refuse("format is not ids, exact or canonical")
    named = [name for name in ("statementId", "voidedStatementId") if name in params]
    if not named:
        return _some_statements(wish, ids=form == "ids")
    if len(named) > 1 or _FILTERS & set(params):
        _refuse(f"{named[0]} stands alone")
    statement_id = wish.wanted(named[0])
    _check(rules.uuid, statement_id, named[0])
    with reading(wish.site.engine) as connection:
        voided = named[0] == "voidedStatementId"
        one = find_one(connection, wish.source.name, statement_id, voided=voided, ids=form == "ids")
    if one is None:
        raise WishRefusedError(404, "there is no such statement")
    return json_answer(one.statement, headers={"Last-Modified": _http_date(one.stored_at)})


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
    return json_answer({"statements": found.statements, "more": more})


def _limit(raw: str) -> int:
    if not raw.isascii() or not raw.isdigit() or len(raw) > 9:
        _refuse("limit is not a whole number")
    return min(int(raw), PAGE) or PAGE


def _place_after(raw: str) -> tuple[datetime, str]:
    at, _, statement_id = raw.partition("/")
    _check(rules.check_instant, at, "after")
    _check(rules.uuid, statement_id, "after")
    return rules.read_instant(at), statement_id


def _statements(call: Call) -> Any:
    try:
        if call.media_type == "multipart/mixed":
            if not looks_like_multipart(call.body):
                _refuse("a multipart message begins with its boundary")
            return statements_in(call.body, name="the body")
        if call.media_type != "application/json":
            _refuse("statements come as application/json or multipart/mixed")
        return read_json(call.body)
    except (NotJsonError, SourceError) as error:
        _refuse(str(error))


def _receive(wish: Wish, statements: list[Any]) -> list[str]:
    authority = {
        "objectType": "Agent",
        "account": {"homePage": wish.site.settings.base_url, "name": wish.source.name},
    }
    try:
        return receive(wish.site.engine, wish.source.name, statements, authority=authority, now=wish.at)
    except StatementRefusedError as refused:
        _refuse(str(refused))
    except StatementConflictError as conflict:
        raise WishRefusedError(409, str(conflict)) from None


@dataclass(frozen=True)
class _Documents:
    """One of the three resources of documents (2.2, 2.3, 2.6, 2.7).

    Args:
        names: the parameters that make up a place.
        identifier: the parameter with a document's id.
        is_guarded: an existing document is replaced only by who knows it (3.1); of states there is one writer.
    """

    resource: Resource
    names: tuple[str, ...]
    identifier: str
    is_guarded: bool

    def methods(self) -> Mapping[str, Answering]:
        return {"GET": self.get, "PUT": self.put, "POST": self.post, "DELETE": self.delete}

    def get(self, wish: Wish) -> Response:
        place = self._place(wish, "since")
        with reading(wish.site.engine) as connection:
            if self.identifier not in wish.call.params:
                return json_answer(document_ids(connection, place, since=wish.instant("since")))
            document = read_document(connection, place, self._id(wish))
        if document is None:
            raise WishRefusedError(404, "there is no such document")
        headers = {"ETag": document.etag, "Last-Modified": _http_date(document.updated_at)}
        # What a player stored is its own; a browser that is sent here by a link must not run it.
        headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        headers["Content-Type"] = document.content_type
        return Response(document.body, headers=headers)

    def put(self, wish: Wish) -> Response:
        return self._change(wish, put_document, is_needed=self.is_guarded)

    def post(self, wish: Wish) -> Response:
        return self._change(wish, merge_document, is_needed=False)

    def delete(self, wish: Wish) -> Response:
        place = self._place(wish)
        if self.identifier not in wish.call.params and self.is_guarded:
            _refuse(f"the parameter {self.identifier} is missing")
        document_id = self._id(wish) if self.identifier in wish.call.params else None
        try:
            with writing(wish.site.engine) as connection:
                remove_documents(connection, place, document_id, condition=_condition(wish, is_needed=False))
        except DocumentRefusedError as refused:
            raise _explained(refused) from None
        return Response(status_code=204)

    def _change(self, wish: Wish, change: Callable[..., None], *, is_needed: bool) -> Response:
        place, document_id = self._place(wish), self._id(wish)
        content_type = wish.call.headers.get("content-type", "application/octet-stream")
        if not content_type.isprintable() or not content_type.isascii() or len(content_type) > _LONGEST_ID:
            _refuse("the content type is no media type")
        try:
            with writing(wish.site.engine) as connection:
                change(
                    connection,
                    place,
                    document_id,
                    wish.call.body,
                    content_type=content_type,
                    at=wish.at,
                    condition=_condition(wish, is_needed=is_needed),
                )
        except DocumentRefusedError as refused:
            raise _explained(refused) from None
        return Response(status_code=204)

    def _place(self, wish: Wish, *more: str) -> Place:
        wish.only(*self.names, self.identifier, *more)
        place = Place(wish.source.name, self.resource)
        if "activityId" in self.names:
            place = replace(place, activity=wish.needed_iri("activityId"))
        if "agent" in self.names:
            place = replace(place, agent=wish.needed_agent())
        if "registration" in self.names:
            place = replace(place, registration=wish.checked("registration", rules.uuid))
        return place

    def _id(self, wish: Wish) -> str:
        document_id = wish.wanted(self.identifier)
        if len(document_id) > _LONGEST_ID:
            _refuse(f"{self.identifier} is longer than {_LONGEST_ID} characters")
        return document_id


def get_activity(wish: Wish) -> Response:
    """The activity of an IRI (2.5): no more is known of it than that."""
    wish.only("activityId")
    return json_answer({"objectType": "Activity", "id": wish.needed_iri("activityId")})


def get_person(wish: Wish) -> Response:
    """The person of an agent (2.4): what was asked with, and nothing that would tell more about them."""
    wish.only("agent")
    agent = wish.needed_agent()
    known = {name: [value] for name, value in agent.items() if name not in {"objectType", "member"}}
    return json_answer({"objectType": "Person", **known})


def _condition(wish: Wish, *, is_needed: bool) -> Condition:
    headers = wish.call.headers
    return Condition(headers.get("if-match"), headers.get("if-none-match"), is_needed)


def _explained(refused: DocumentRefusedError) -> WishRefusedError:
    if refused.fault is DocumentFault.CHANGED:
        return WishRefusedError(412, "the document is another one by now")
    if refused.fault is DocumentFault.UNGUARDED:
        reason = "there is a document: read it, and send If-Match with its ETag, or If-None-Match: *"
        return WishRefusedError(409, reason)
    return WishRefusedError(400, "only JSON objects can be merged, with Content-Type: application/json")


def _check(check: rules.Check, value: Any, name: str) -> None:
    try:
        check(value, name)
    except Refused as refused:
        _refuse(f"{refused.field}: {refused.detail}")


def _refuse(reason: str) -> Never:
    raise WishRefusedError(400, reason)


def _http_date(instant: datetime) -> str:
    return format_datetime(instant.astimezone(UTC), usegmt=True)


_STATE = _Documents(Resource.STATE, ("activityId", "agent", "registration"), "stateId", is_guarded=False)
_ACTIVITY = _Documents(Resource.ACTIVITY, ("activityId",), "profileId", is_guarded=True)
_AGENT = _Documents(Resource.AGENT, ("agent",), "profileId", is_guarded=True)

#: What can be asked for, below ``/xapi/``.
RESOURCES: Mapping[str, Mapping[str, Answering]] = {
    "statements": {"GET": get_statements, "PUT": put_statement, "POST": post_statements},
    "activities": {"GET": get_activity},
    "activities/state": _STATE.methods(),
    "activities/profile": _ACTIVITY.methods(),
    "agents": {"GET": get_person},
    "agents/profile": _AGENT.methods(),
}
