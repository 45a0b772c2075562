"""Who may send us what they know: course players, learning systems and identity providers, each with its own secret.

A secret is 256 random bits, shown once and kept as its SHA-256: nobody can guess so many bits, so a slow hash would
only slow down each request. What a source may send is said by its kind alone.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, Row, select, update

from pushpull.db import insert_new
from pushpull.importers.tables import ingest_source

#: A user name without a colon (RFC 7617, section 2) that also fits into an address, and behind "hook:" into a source.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,58}")
_NOBODY = "0" * 64
_LONGEST_PRESET = 64


class SourceKind(StrEnum):
    """What a source sends."""

    XAPI = "xapi"
    WEBHOOK = "webhook"
    SCIM = "scim"


class SenderError(ValueError):
    """A source cannot be added or ended; the message says why."""


@dataclass(frozen=True)
class Source:
    """A system that may send.

    Args:
        name: its user name.
        preset: webhook only: how its records are read.
        secret_digest: SHA-256 of its secret, in hex.
        ended_at: since when it may not any more.
    """

    name: str
    kind: SourceKind
    preset: str | None
    made_by: str
    made_at: datetime
    ended_at: datetime | None
    secret_digest: str

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {self.kind.value})"


def new_secret() -> str:
    """256 random bits as text that needs no quoting anywhere."""
    return secrets.token_hex(32)


def digest_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def add_source(
    connection: Connection, name: str, kind: SourceKind, *, preset: str | None, secret: str, by: str, at: datetime
) -> None:
    """Let a system send. A name that was ended begins anew with the new secret, and keeps what it sent before.

    Raises:
        SenderError: the name is no name for a source, or in use; a preset is missing or makes no sense.
    """
    if _NAME.fullmatch(name) is None:
        raise SenderError(f"{name!r} is no name for a source: use a-z, 0-9, dot, dash and underscore, at most 59")
    if (kind is SourceKind.WEBHOOK) != (preset is not None):
        raise SenderError("a webhook needs a --preset that says what its records mean; other kinds have none")
    if preset is not None and len(preset) > _LONGEST_PRESET:
        raise SenderError(f"the path of a map has at most {_LONGEST_PRESET} characters: put it nearer, or link to it")
    values = {"secret_digest": digest_of(secret), "preset": preset, "made_by": by, "made_at": at, "ended_at": None}
    if insert_new(connection, ingest_source, [{"name": name, "kind": kind.value, **values}]):
        return
    renewed = connection.execute(
        update(ingest_source)
        .where(ingest_source.c.name == name, ingest_source.c.kind == kind.value, ingest_source.c.ended_at.is_not(None))
        .values(**values)
    )
    if not renewed.rowcount:
        raise SenderError(f"there is a source {name!r} already: end it first, or take another name")


def end_source(connection: Connection, name: str, *, at: datetime) -> None:
    """Refuse what a system sends from now on. What it sent stays.

    Raises:
        SenderError: there is none of this name, or it was ended before.
    """
    ended = connection.execute(
        update(ingest_source)
        .where(ingest_source.c.name == name, ingest_source.c.ended_at.is_(None))
        .values(ended_at=at)
    )
    if not ended.rowcount:
        raise SenderError(f"no source {name!r} is open")


def sources(connection: Connection) -> list[Source]:
    """All sources, by name, the ended ones included."""
    return [_source(row) for row in connection.execute(select(ingest_source).order_by(ingest_source.c.name))]


def named_source(connection: Connection, kind: SourceKind, name: str, secret: str) -> Source | None:
    """The open source that shows its name and its secret; None for any other, whatever is wrong."""
    found = connection.execute(select(ingest_source).where(ingest_source.c.name == name)).one_or_none()
    source = _source(found) if found is not None else None
    # Compared whoever asks, so that an unknown name takes as long as a wrong secret.
    matches = hmac.compare_digest(source.secret_digest if source else _NOBODY, digest_of(secret))
    return source if matches and source is not None and _may_send(source, kind) else None


def bearing_source(connection: Connection, kind: SourceKind, secret: str) -> Source | None:
    """The open source that shows its secret alone, as a bearer token (RFC 6750).

    It is looked up by the digest: what the time of that gives away is about the digest of a guess, not the secret.
    """
    digest = digest_of(secret)
    rows = connection.execute(select(ingest_source).where(ingest_source.c.kind == kind.value))
    found = [source for row in rows if hmac.compare_digest((source := _source(row)).secret_digest, digest)]
    return next((source for source in found if _may_send(source, kind)), None)


def signing_source(connection: Connection, kind: SourceKind, name: str, body: bytes, signature: str) -> Source | None:
    """The open source that signed the very bytes of a request.

    The key is the digest that is kept of the secret, in hex, because the secret itself is not known here.

    Args:
        signature: HMAC-SHA256 of the body, in hex.
    """
    found = connection.execute(select(ingest_source).where(ingest_source.c.name == name)).one_or_none()
    source = _source(found) if found is not None else None
    key = source.secret_digest if source else _NOBODY
    expected = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    matches = hmac.compare_digest(expected.encode(), signature.lower().encode(errors="replace"))
    return source if matches and source is not None and _may_send(source, kind) else None


def _may_send(source: Source, kind: SourceKind) -> bool:
    return source.kind is kind and source.ended_at is None


def _source(row: Row[tuple[object, ...]]) -> Source:
    return Source(
        name=row.name,
        kind=SourceKind(row.kind),
        preset=row.preset,
        made_by=row.made_by,
        made_at=row.made_at,
        ended_at=row.ended_at,
        secret_digest=row.secret_digest,
    )
