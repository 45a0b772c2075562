"""HTTP to one provider over kept connections, and what a failure proves.

What every adapter rests on: :class:`NothingSent` is proof that the provider processed nothing; :class:`NobodyKnows` is
not. A call has one deadline for all of it, however slowly bytes drip; nothing is repeated and no redirect followed.

::

    Failure
    ├── NothingSent    no byte of the request left: name not found, refused, TLS failed, deadline passed before,
    │                  a path or header that no request can hold
    └── NobodyKnows    bytes left and no answer came back whole enough to have a status

The providers' SDKs make their requests through here too: each file beside this one gives its SDK a transport made of
a :class:`Wire`.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import SplitResult, urlsplit

#: Longest answer that is read, in bytes; providers' answers are far shorter.
ANSWER_CAP = 4_000_000

#: A kept connection is not used again after so many idle seconds: the other side may be closing it.
IDLE_SECONDS = 5.0

#: Seconds a connection may take to come about, TLS included; the deadline may be nearer.
CONNECT_SECONDS = 10.0


class Failure(Exception):
    """A request without an answer.

    Args:
        code: what happened, as a short code without personal data.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NothingSent(Failure):
    """Proof: the provider has not processed the request, for none of it left."""


class NobodyKnows(Failure):
    """The provider may have processed the request."""


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


class Wire:
    """Kept connections to one host. Any number of threads may use it.

    Args:
        base_url: ``https://host[:port][/path]``; the path is put before every request's.
        context: how TLS is checked; None: as the system does.
        monotonic: seconds on a clock that never jumps.

    Raises:
        ValueError: the address is neither http nor https.
    """

    def __init__(
        self,
        base_url: str,
        *,
        context: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = _checked(base_url)
        self._host, self._port = parts.hostname or "", parts.port
        self._prefix = parts.path.rstrip("/")
        self._context = (context or ssl.create_default_context()) if parts.scheme == "https" else None
        self._monotonic = monotonic
        self._idle: list[tuple[_Connection, float]] = []
        self._lock = Lock()
        self.base_url = base_url.rstrip("/")

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        deadline: float,
    ) -> Answer:
        """Make one request.

        Args:
            path: with its query; put after the base address.
            deadline: monotonic seconds by which everything must be over.

        Raises:
            NothingSent: no byte of it left.
            NobodyKnows: bytes left, and no status came back.
        """
        connection = self._connection(deadline)
        try:
            connection.begin(deadline)
            connection.request(method, self._prefix + path, body, dict(headers))
            answer, may_keep = _read(connection)
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise _failure(error, has_begun=connection.has_begun) from None
        except BaseException:
            connection.close()
            raise
        if may_keep:
            with self._lock:
                self._idle.append((connection, self._monotonic()))
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Close what is kept open."""
        with self._lock:
            kept, self._idle = self._idle, []
        for connection, _ in kept:
            connection.close()

    def _connection(self, deadline: float) -> _Connection:
        """A kept connection that is still open, else a new one."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                kept, since = self._idle.pop()
            if self._monotonic() - since < IDLE_SECONDS and not kept.has_ended():
                if self._monotonic() >= deadline:
                    kept.close()
                    raise NothingSent("deadline_passed")
                return kept
            kept.close()
        left = deadline - self._monotonic()
        if left <= 0:
            raise NothingSent("deadline_passed")
        fresh = _Connection(self._host, self._port, self._context, self._monotonic)
        try:
            fresh.open(min(left, CONNECT_SECONDS))
        except (socket.gaierror, UnicodeError):
            raise NothingSent("name_not_found") from None
        except ConnectionRefusedError:
            raise NothingSent("connection_refused") from None
        except TimeoutError:
            raise NothingSent("connect_timeout") from None
        except ssl.SSLError:
            raise NothingSent("tls_failed") from None
        except OSError:
            raise NothingSent("no_connection") from None
        if self._monotonic() >= deadline:
            fresh.close()
            raise NothingSent("deadline_passed")
        return fresh


class _Connection(http.client.HTTPConnection):
    """One connection whose every read and write ends at the deadline of the request it is used for."""

    def __init__(
        self, host: str, port: int | None, context: ssl.SSLContext | None, monotonic: Callable[[], float]
    ) -> None:
        super().__init__(host, port or (443 if context else 80))
        self._context, self._monotonic = context, monotonic
        self._deadline = 0.0
        #: Whether a byte of the request under way may have left.
        self.has_begun = False

    def open(self, seconds: float) -> None:
        until = self._monotonic() + seconds
        raw = socket.create_connection((self.host, self.port), seconds)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context:
                raw.settimeout(max(until - self._monotonic(), 0.001))
                raw = self._context.wrap_socket(raw, server_hostname=self.host)
        except BaseException:
            raw.close()
            raise
        self.sock: Any = _Deadlined(raw, self)

    def begin(self, deadline: float) -> None:
        """A request is about to be made."""
        self._deadline, self.has_begun = deadline, False

    def connect(self) -> None:
        """Never by itself: a request that finds its connection gone has an unknown outcome."""
        raise ConnectionResetError

    def has_ended(self) -> bool:
        """Whether the other side closed it, or sent what nobody asked for."""
        return self.sock is None or self.sock.is_readable()

    def left(self) -> float:
        seconds = self._deadline - self._monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class _Deadlined(io.RawIOBase):
    """What http.client needs of a socket, with the time that is left for every call."""

    def __init__(self, raw: socket.socket, connection: _Connection) -> None:
        super().__init__()
        self._raw, self._connection = raw, connection
        self._readers, self._is_given_up = 0, False

    def sendall(self, data: bytes) -> None:
        self._raw.settimeout(self._connection.left())
        self._connection.has_begun = True
        self._raw.sendall(data)

    def readinto(self, buffer: Any) -> int:
        self._raw.settimeout(self._connection.left())
        return self._raw.recv_into(buffer)

    def readable(self) -> bool:
        return True

    def makefile(self, mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_Reader(self), 65_536)

    def leave(self) -> None:
        """An answer was read, or is not wanted."""
        self._readers -= 1
        if self._is_given_up:
            self.close()

    def is_readable(self) -> bool:
        if isinstance(self._raw, ssl.SSLSocket) and self._raw.pending():
            return True
        return bool(select.select([self._raw], [], [], 0)[0])

    def close(self) -> None:
        self._is_given_up = True
        # Where the other side will close, http.client gives the connection up before it has read the answer's body.
        if self._readers > 0:
            return
        with suppress(OSError):
            self._raw.close()
        super().close()


class _Reader(io.RawIOBase):
    """A view of the connection for one answer: closing the answer leaves the connection open."""

    def __init__(self, source: _Deadlined) -> None:
        super().__init__()
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._source.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._source.leave()


def _read(connection: _Connection) -> tuple[Answer, bool]:
    """The answer, and whether the connection may be used again."""
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    is_whole = True
    body = b""
    try:
        body = response.read(ANSWER_CAP)
        if response.length or (not response.isclosed() and response.read(1)):
            is_whole = False
    except http.client.IncompleteRead as cut:
        body, is_whole = cut.partial, False
    except (OSError, http.client.HTTPException, ValueError):
        is_whole = False  # the status is known, and it is what counts
    # Asked before the answer is closed, which makes every later question say yes. Behind a 1xx another answer is on its
    # way, which the next request would take for its own.
    may_keep = is_whole and not response.will_close and response.status >= 200
    response.close()
    return Answer(response.status, headers, body, is_whole), may_keep


def _checked(base_url: str) -> SplitResult:
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{base_url!r} is not an address such as https://api.example.com")
    return parts


def _failure(error: Exception, *, has_begun: bool) -> Failure:
    """What became of a request that has no answer."""
    if not has_begun:
        return _unbegun(error)
    match error:
        case TimeoutError():
            return NobodyKnows("read_timeout")
        case http.client.HTTPException() if not isinstance(error, http.client.RemoteDisconnected):
            return NobodyKnows("garbled_answer")
    return NobodyKnows("connection_lost")


def _unbegun(error: Exception) -> NothingSent:
    match error:
        case TimeoutError():
            return NothingSent("deadline_passed")
        case OSError():
            return NothingSent("no_connection")
    return NothingSent("unsendable_request")
