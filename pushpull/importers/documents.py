"""What course players keep between sessions: bookmarks, profiles (xAPI 1.0.3, part three, sections 2.2, 2.3, 2.6, 2.7).

A document is bytes with a content type, under an id, at a place: an activity, an agent, a registration or some of them.
Each source sees its own alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from pushpull.db import insert_new
from pushpull.importers.json_text import NotJsonError, read_json
from pushpull.importers.tables import xapi_document
from pushpull.importers.xapi.facts import identity_of
from pushpull.learners.tables import learner_identity


class Resource(StrEnum):
    """Which of the three kinds of documents."""

    STATE = "state"
    ACTIVITY = "activity"
    AGENT = "agent"


class DocumentFault(StrEnum):
    """Why a document was left as it is."""

    CHANGED = "changed"  # it is not the one the sender means
    UNGUARDED = "unguarded"  # there is one, and the sender did not say that they know it
    NOT_MERGEABLE = "not_mergeable"  # one of the two is no JSON object


class DocumentRefusedError(ValueError):
    """A document was left as it is."""

    def __init__(self, fault: DocumentFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True)
class Place:
    """Where documents are.

    Args:
        source: whose they are.
        activity: IRI of an activity.
        agent: a checked agent.
        registration: id of an attempt.
    """

    source: str
    resource: Resource
    activity: str | None = None
    agent: Mapping[str, Any] | None = None
    registration: str | None = None

    @property
    def key(self) -> str:
        """The place as one value: an agent's name is no part of who it is."""
        who = identity_of(self.agent) if self.agent is not None else None
        parts = [self.activity, who, self.registration.lower() if self.registration else None]
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()


@dataclass(frozen=True)
class Document:
    """A document.

    Args:
        etag: quoted SHA-1 of its bytes (part three, 3.1).
    """

    body: bytes
    content_type: str
    etag: str
    updated_at: datetime


@dataclass(frozen=True)
class Condition:
    """What must hold for a document to be changed (RFC 9110, section 13.1; part three, 3.1).

    Args:
        if_match: the header's value; None: it was not sent.
        if_none_match: likewise.
        is_needed: an existing document is only replaced by somebody who sends one of the two.
    """

    if_match: str | None = None
    if_none_match: str | None = None
    is_needed: bool = False

    def check(self, etag: str | None) -> None:
        """Compare it with the document that is there.

        Raises:
            DocumentRefusedError: it does not hold.
        """
        if self.if_match is not None and not _names(self.if_match, etag):
            raise DocumentRefusedError(DocumentFault.CHANGED)
        if self.if_none_match is not None and _names(self.if_none_match, etag):
            raise DocumentRefusedError(DocumentFault.CHANGED)
        if self.is_needed and etag is not None and self.if_match is None and self.if_none_match is None:
            raise DocumentRefusedError(DocumentFault.UNGUARDED)


def read_document(connection: Connection, place: Place, document_id: str) -> Document | None:
    """The document, or None."""
    return _read(connection, place, document_id, locks=False)


def document_ids(connection: Connection, place: Place, *, since: datetime | None) -> list[str]:
    """The ids of all documents at a place, those changed after ``since`` where it is given."""
    ids = select(xapi_document.c.document_id).where(_at(place)).order_by(xapi_document.c.document_id)
    if since is not None:
        ids = ids.where(xapi_document.c.updated_at > since)
    return list(connection.scalars(ids))


def put_document(
    connection: Connection, place: Place, document_id: str, body: bytes, *, content_type: str, at: datetime,
    condition: Condition,
) -> None:  # fmt: skip
    """Make a document, or replace the one that is there.

    Raises:
        DocumentRefusedError: the condition does not hold.
    """
    there = _read(connection, place, document_id, locks=True)
    condition.check(there.etag if there else None)
    if not _write(connection, place, document_id, body, content_type, at, is_there=there is not None):
        put_document(connection, place, document_id, body, content_type=content_type, at=at, condition=condition)


def merge_document(
    connection: Connection, place: Place, document_id: str, body: bytes, *, content_type: str, at: datetime,
    condition: Condition,
) -> None:  # fmt: skip
    """Make a document, or lay the keys of a JSON object over those of the one that is there (part three, 2.2).

    Raises:
        DocumentRefusedError: the condition does not hold, or one of the two is no JSON object.
    """
    there = _read(connection, place, document_id, locks=True)
    condition.check(there.etag if there else None)
    if there is not None:
        merged = _object(there.body, there.content_type) | _object(body, content_type)
        _write(connection, place, document_id, orjson.dumps(merged), "application/json", at, is_there=True)
        return
    if _is_json(content_type):
        _object(body, content_type)
    if not _write(connection, place, document_id, body, content_type, at, is_there=False):
        merge_document(connection, place, document_id, body, content_type=content_type, at=at, condition=condition)


def remove_documents(connection: Connection, place: Place, document_id: str | None, *, condition: Condition) -> None:
    """Remove a document, or all of a place; that there is none is fine.

    Raises:
        DocumentRefusedError: the condition does not hold.
    """
    if document_id is None:
        connection.execute(delete(xapi_document).where(_at(place)))
        return
    there = _read(connection, place, document_id, locks=True)
    condition.check(there.etag if there else None)
    connection.execute(delete(xapi_document).where(_at(place), xapi_document.c.document_id == document_id))


def _at(place: Place) -> ColumnElement[bool]:
    return and_(
        xapi_document.c.source == place.source,
        xapi_document.c.resource == place.resource.value,
        xapi_document.c.place == place.key,
    )


def _read(connection: Connection, place: Place, document_id: str, *, locks: bool) -> Document | None:
    wanted = select(xapi_document).where(_at(place), xapi_document.c.document_id == document_id)
    row = connection.execute(wanted.with_for_update() if locks else wanted).one_or_none()
    return Document(bytes(row.body), row.content_type, row.etag, row.updated_at) if row is not None else None


def _write(
    connection: Connection, place: Place, document_id: str, body: bytes, content_type: str, at: datetime, *,
    is_there: bool,
) -> bool:  # fmt: skip
    """Write it; False if somebody else made it between the two statements."""
    etag = f'"{hashlib.sha1(body, usedforsecurity=False).hexdigest()}"'
    values = {"body": body, "content_type": content_type, "etag": etag, "updated_at": at}
    if is_there:
        connection.execute(
            update(xapi_document).where(_at(place), xapi_document.c.document_id == document_id).values(**values)
        )
        return True
    key = {"source": place.source, "resource": place.resource.value, "place": place.key, "document_id": document_id}
    row = {**key, **values, "learner_id": _learner(connection, place)}
    return insert_new(connection, xapi_document, [row]) == 1


def _learner(connection: Connection, place: Place) -> int | None:
    who = identity_of(place.agent) if place.agent is not None else None
    if who is None:
        return None
    of = select(learner_identity.c.learner_id).where(
        learner_identity.c.kind == who[0], learner_identity.c.value == who[1]
    )
    return connection.scalar(of)


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _object(body: bytes, content_type: str) -> dict[str, Any]:
    try:
        value = read_json(body) if _is_json(content_type) else None
    except NotJsonError:
        value = None
    if not isinstance(value, dict):
        raise DocumentRefusedError(DocumentFault.NOT_MERGEABLE)
    return value


def _names(header: str, etag: str | None) -> bool:
    """Whether the list of tags in a header names this one; ``*`` names whatever there is."""
    if etag is None:
        return False
    tags = [each.strip().removeprefix("W/") for each in header.split(",")]
    return "*" in tags or etag in tags or etag.strip('"') in tags
