"""Requests put to the app directly: a client in between would tidy what is meant to be untidy, and take its time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode


@dataclass(frozen=True)
class Knock:
    """One request.

    Args:
        path: as it stands in the request line, escapes and all; without the query.
        query: as it stands there.
        form: sent as a body where there is one.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Answer:
    """What came back.

    Args:
        headers: in order, repeated ones too; names in lower case.
    """

    status: int
    headers: tuple[tuple[str, str], ...]

    @property
    def location(self) -> str | None:
        """Where it leads; None where it leads nowhere."""
        return next((value for name, value in self.headers if name == "location"), None)


def answers(app: Any, knocks: Iterable[Knock]) -> list[Answer]:
    """What an app answers, one request after the other."""
    return asyncio.run(_answers(app, knocks))


async def _answers(app: Any, knocks: Iterable[Knock]) -> list[Answer]:
    return [await _answer(app, knock) for knock in knocks]


async def _answer(app: Any, knock: Knock) -> Answer:
    body = urlencode(knock.form).encode() if knock.form is not None else b""
    headers = {"host": "learn.example", **knock.headers}
    if knock.form is not None:
        headers["content-type"] = "application/x-www-form-urlencoded"
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": knock.method,
        "path": unquote_to_bytes(knock.path).decode(errors="replace"),
        "raw_path": knock.path.encode("latin-1", errors="replace"),
        "query_string": knock.query.encode("latin-1", errors="replace"),
        "headers": [(name.encode(), value.encode("latin-1", errors="replace")) for name, value in headers.items()],
        "scheme": "https",
        "server": ("learn.example", 443),
        "client": ("203.0.113.7", 1234),
    }
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    told = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in said[0]["headers"])
    return Answer(said[0]["status"], told)
