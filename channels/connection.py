"""One kept HTTP/1.1 connection: a request out and its answer in, all of it by the request's deadline.

What a failure proves is decided in :mod:`channels.wire`. Answers are read by llhttp, the parser of Node.js: with the
standard library's a request costs twice as much, which is most of what a message with a request of its own costs.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httptools

#: Longest body of an answer that is read, in bytes; providers' answers are far shorter.
ANSWER_CAP = 4_000_000

#: Longest head of an answer, in bytes.
_HEAD_CAP = 262_144

_TARGET = re.compile(r"[!-~]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Garbled(Exception):
    """What came is no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's answer.

    Args:
        headers: by lower-case name; of repeated ones the last.
        is_whole: whether the body came as long as it was announced, and within the cap.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True

    @property
    def is_success(self) -> bool:
        """2xx: the provider took the request, whatever became of the answer's body."""
        return 200 <= self.status < 300


class Connection:
    """A connection that is open.

    Args:
        raw: its socket.
        monotonic: seconds on a clock that never jumps.
    """

    def __init__(self, raw: socket.socket, monotonic: Callable[[], float]) -> None:
        self._raw, self._monotonic = raw, monotonic
        self._is_over_tls = isinstance(raw, ssl.SSLSocket)
        #: Whether a byte of the request under way may have left.
        self.has_begun = False

    def exchange(self, request: bytes, *, is_head: bool, deadline: float) -> tuple[Answer, bool]:
        """Send a request and read its answer.

        Args:
            request: head and body.
            is_head: the answer has no body, whatever its head says.
            deadline: monotonic seconds.

        Returns:
            The answer, and whether the connection may be used again.

        Raises:
            OSError: the connection broke or the time was up before there was a whole head.
            Garbled: what came is no answer.
        """
        self.has_begun = False
        left = self._left(deadline)
        self._raw.settimeout(left)
        self.has_begun = True
        self._raw.sendall(request)
        return self._answer(_Reading(is_head=is_head), deadline)

    def _answer(self, reading: _Reading, deadline: float) -> tuple[Answer, bool]:
        received = 0
        while not reading.is_done:
            try:
                self._raw.settimeout(self._left(deadline))
                data = self._raw.recv(65_536)
            except OSError:
                if reading.has_head:
                    return reading.answer(is_whole=False), False  # the status is known, and it is what counts
                raise
            if not data:
                return reading.ended(), False
            received += len(data)
            if not reading.feed(data):
                return reading.answer(is_whole=False), False
            if not reading.has_head and received > _HEAD_CAP:
                raise Garbled
        return reading.answer(is_whole=reading.is_whole), reading.may_keep

    def has_ended(self) -> bool:
        """Whether the other side closed it, or sent what nobody asked for."""
        if self._is_over_tls and self._raw.pending():  # type: ignore[attr-defined]
            return True
        return bool(select.select([self._raw], [], [], 0)[0])

    def close(self) -> None:
        """Close it, whatever is under way."""
        with suppress(OSError):
            self._raw.close()

    def _left(self, deadline: float) -> float:
        seconds = deadline - self._monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class _Reading:
    """An answer being read: what llhttp tells about it."""

    def __init__(self, *, is_head: bool) -> None:
        self._is_head = is_head
        self._parser: Any = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._messages = 0
        self._has_status = False
        self._status = 0
        self._keeps = False
        self.has_head = self.is_done = False
        self.is_whole = True

    @property
    def may_keep(self) -> bool:
        """Whether the next request's answer will be the next thing to come."""
        # Behind a 1xx another answer is on its way, which the next request would take for its own.
        return self.is_whole and self._keeps and self._messages == 1 and self._status >= 200

    def feed(self, data: bytes) -> bool:
        """Read on; False: no more can be read, and the status is known.

        Raises:
            Garbled: there is no status yet, and this is none.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._finish(is_whole=True, keeps=False)
        except httptools.HttpParserError:
            if self.is_done:  # something came behind the answer
                self._keeps = False
                return True
            if not self._has_status:
                raise Garbled from None
            self._status = self._parser.get_status_code()
            return False
        return True

    def ended(self) -> Answer:
        """The answer of a connection that the other side has closed.

        Raises:
            ConnectionResetError: it closed without an answer.
        """
        if self.has_head:
            is_announced = "content-length" in self._headers or "transfer-encoding" in self._headers
            return self.answer(is_whole=not is_announced)
        if self._has_status:
            self._status = self._parser.get_status_code()
            return self.answer(is_whole=False)
        raise Garbled if self._messages else ConnectionResetError

    def answer(self, *, is_whole: bool) -> Answer:
        """What was read."""
        return Answer(self._status, self._headers, b"".join(self._body), is_whole)

    def _finish(self, *, is_whole: bool, keeps: bool) -> None:
        self.is_done, self.is_whole, self._keeps = True, is_whole, keeps

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._messages += 1

    def on_status(self, _reason: bytes) -> None:
        self._has_status = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.is_done:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        if self.is_done:
            return
        self._status = self._parser.get_status_code()
        if self._status == 100:  # RFC 9110, section 15.2.1: the answer is still to come
            self._headers.clear()
            return
        self.has_head = True
        if self._is_head:
            self._finish(is_whole=True, keeps=self._parser.should_keep_alive())

    def on_body(self, data: bytes) -> None:
        if self.is_done:
            return
        room = ANSWER_CAP - self._size
        self._body.append(data[:room])
        self._size += len(data)
        if self._size > ANSWER_CAP:
            self._finish(is_whole=False, keeps=False)

    def on_message_complete(self) -> None:
        if self.has_head and not self.is_done:
            self._finish(is_whole=True, keeps=self._parser.should_keep_alive())


def written(method: str, host: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """A request as bytes.

    Raises:
        ValueError: its target or a header would break out of its line.
    """
    if not _TARGET.fullmatch(target):
        raise ValueError("a target with blanks or control characters")
    head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{_lines(tuple(headers.items()))}"
    if body is None and method not in _WITH_BODY:
        return f"{head}\r\n".encode("latin-1")
    content = body or b""
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode("latin-1") + content


@lru_cache(maxsize=256)
def _lines(headers: tuple[tuple[str, str], ...]) -> str:
    """Header lines; those of a channel are the same for every request."""
    names = {name.lower() for name, _ in headers}
    lines = [] if "accept-encoding" in names else ["Accept-Encoding: identity\r\n"]
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError("a header with a line break or text that is not Latin")
        if name.lower() not in {"content-length", "host"}:
            lines.append(f"{name}: {value}\r\n")
    return "".join(lines)
