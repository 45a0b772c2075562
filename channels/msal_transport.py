"""The HTTP client `msal` speaks through: a :class:`channels.wire.Wire`, so that one deadline holds for a whole request.

What the answers to `msal` mean for us is said in :mod:`channels.microsoft`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import orjson

from channels.wire import Answer, NothingSent, Wire


class Refused(Exception):
    """The login service refused before `msal` would have understood why."""

    def __init__(self, said: object) -> None:
        super().__init__("refused")
        self.said = said


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer in the form `msal` reads."""

    status_code: int
    text: str
    headers: Mapping[str, str]

    def raise_for_status(self) -> None:
        """Nothing: only answers without such an error get here."""


class MsalTransport:
    """The HTTP client `msal` speaks through: every request goes to the account's own login service, whatever it names.

    Answers that decide nothing (5xx, 429, not JSON) are failures here, so that `msal` never keeps them.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.deadline = _Deadline()

    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, **_: object
    ) -> _Reply:
        """As `msal` wants it."""
        answer = self._request("GET", _path(url, params), headers, None)
        if not answer.is_success:
            raise Refused(_json(answer.body))
        return _reply(answer)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | str | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> _Reply:
        """As `msal` wants it."""
        body = data if isinstance(data, str) else urlencode(data or {})
        form = {**(headers or {}), "Content-Type": "application/x-www-form-urlencoded"}
        return _reply(self._request("POST", _path(url, params), form, body.encode()))

    def close(self) -> None:
        """Close what is kept open."""
        self._wire.close()

    def _request(self, method: str, path: str, headers: Mapping[str, str] | None, body: bytes | None) -> Answer:
        answer = self._wire.request(method, path, headers=headers or {}, body=body, deadline=self.deadline.at)
        is_decided = answer.is_success or 400 <= answer.status < 500
        if not is_decided or answer.status in {408, 429}:
            raise NothingSent(f"http_{answer.status}")
        if not answer.is_whole or not isinstance(_json(answer.body), dict):
            raise NothingSent("garbled_answer")
        return answer


class _Deadline(threading.local):
    """The deadline of the request this thread is making, in monotonic seconds: `msal` has no way to hand it on."""

    at = 0.0


def _path(url: str, params: Mapping[str, str] | None) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(params) if params else "")))
    return f"{parts.path}?{query}" if query else parts.path


def _reply(answer: Answer) -> _Reply:
    return _Reply(answer.status, answer.body.decode(), answer.headers)


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
