"""The resources of documents: xAPI 1.0.3, part three, 2.2, 2.3, 2.6 and 2.7; the numbers in docstrings are its."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection
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
from pushpull.importers.xapi import rules
from pushpull.importers.xapi.facts import identity_of
from pushpull.ledger.erased import erased_identities, peppers_of
from web.ingest import json_answer
from web.xapi_wishes import Answering, Wish, WishRefusedError, http_date, refuse

_LONGEST_ID = 255


@dataclass(frozen=True)
class Documents:
    """One of the three resources of documents (2.2, 2.3, 2.6, 2.7).

    Args:
        names: the parameters that make up a place.
        identifier: the parameter with a document's id.
        is_guarded: an existing document is replaced only by who knows it (3.1); of states there is one writer, so that
            xAPI 1.0 leaves it out there; 2.0 does not.
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
        headers = {"ETag": document.etag, "Last-Modified": http_date(document.updated_at)}
        # What a player stored is its own; a browser that is sent here by a link must not run it.
        headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        headers["Content-Type"] = document.content_type
        return Response(document.body, headers=headers)

    def put(self, wish: Wish) -> Response:
        return self._change(wish, put_document, is_needed=self.is_guarded or wish.is_second)

    def post(self, wish: Wish) -> Response:
        return self._change(wish, merge_document, is_needed=False)

    def delete(self, wish: Wish) -> Response:
        place = self._place(wish)
        if self.identifier not in wish.call.params and self.is_guarded:
            refuse(f"the parameter {self.identifier} is missing")
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
            refuse("the content type is no media type")
        try:
            with writing(wish.site.engine) as connection:
                _refuse_erased(connection, wish, place)
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
            refuse(f"{self.identifier} is longer than {_LONGEST_ID} characters")
        return document_id


def _refuse_erased(connection: Connection, wish: Wish, place: Place) -> None:
    """Nothing is kept of somebody who was erased."""
    who = identity_of(place.agent) if place.agent is not None else None
    if who is not None and erased_identities(connection, [who], peppers_of(wish.site.settings)):
        raise WishRefusedError(403, "this person was erased and stays so, until they are readmitted here")


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


STATE = Documents(Resource.STATE, ("activityId", "agent", "registration"), "stateId", is_guarded=False)
ACTIVITY = Documents(Resource.ACTIVITY, ("activityId",), "profileId", is_guarded=True)
AGENT = Documents(Resource.AGENT, ("agent",), "profileId", is_guarded=True)
