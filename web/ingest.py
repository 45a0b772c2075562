"""What all ways in for other systems share: reading a request whole, knowing who sends, and telling that there is news.

Whoever sends shows the secret of a source with every request: by HTTP Basic (RFC 7617), as a bearer token (RFC 6750),
or with a signature. Whatever is wrong with it, the answer is one and the same 401.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import Response

from pushpull.db import reading
from pushpull.importers.sources import Source, SourceKind, bearing_source, named_source
from web.folding import Folding

#: Most parameters of a query or a form.
_MOST_PARAMETERS = 100


class UnreadableQueryError(ValueError):
    """Parameters that are no UTF-8, too many, or named twice."""


@dataclass(frozen=True)
class Call:
    """A request as a whole.

    Args:
        params: of the query.
        headers: by lower-case name.
    """

    method: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The type of the body without its parameters, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_call(request: Request) -> Call:
    """Read a request to its end.

    Raises:
        UnreadableQueryError: its query is none.
    """
    body = await request.body()
    query = bytes(request.scope.get("query_string", b""))
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Call(request.method, parameters(query), headers, body)


def parameters(encoded: bytes) -> dict[str, str]:
    """The parameters of a query or of a form.

    Raises:
        UnreadableQueryError: they are no UTF-8, too many, or one is named twice.
    """
    try:
        pairs = parse_qsl(
            encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except ValueError:
        raise UnreadableQueryError("parameters cannot be read") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise UnreadableQueryError("a parameter is named twice")
    if any("\0" in value for _, value in pairs):
        raise UnreadableQueryError("a parameter with a NUL in it")
    return dict(pairs)


def sender(engine: Engine, kind: SourceKind, authorization: str, *, bearer: bool) -> Source | None:
    """The open source that an ``Authorization`` header shows the secret of.

    Args:
        bearer: the secret alone, as a token, will do too.
    """
    scheme, _, credentials = authorization.partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "basic":
        try:
            name, colon, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        if not colon or "\0" in name:
            return None
        with reading(engine) as connection:
            return named_source(connection, kind, name, secret)
    if bearer and scheme.lower() == "bearer" and credentials:
        with reading(engine) as connection:
            return bearing_source(connection, kind, credentials)
    return None


def challenge(schemes: Sequence[str]) -> dict[str, str]:
    """The header of a 401 (RFC 9110, section 11.6.1)."""
    return {"WWW-Authenticate": ", ".join(f'{scheme} realm="pushpull"' for scheme in schemes)}


def tell_news(request: Request) -> None:
    """Have what came in folded soon, where this app folds."""
    folding = getattr(request.app.state, "folding", None)
    if isinstance(folding, Folding):
        folding.news()


def json_answer(
    value: Any, status: int = 200, *, media_type: str = "application/json", headers: Mapping[str, str] | None = None
) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(value), status_code=status, media_type=media_type, headers=dict(headers or {}))


def plain(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """A short answer in words."""
    return Response(text, status_code=status, media_type="text/plain", headers=dict(headers or {}))
