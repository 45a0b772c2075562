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

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock
from urllib.parse import SplitResult, urlsplit

from channels.connection import ANSWER_CAP, Answer, Connection, Garbled, written
from pushpull.ledger.outcomes import DEADLINE_PASSED

__all__ = ["ANSWER_CAP", "CONNECT_SECONDS", "IDLE_SECONDS", "Answer", "Failure", "NobodyKnows", "NothingSent", "Wire"]

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
        self._context = (context or ssl.create_default_context()) if parts.scheme == "https" else None
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._context else 80)
        self._authority = _authority(parts)
        self._prefix = parts.path.rstrip("/")
        self._monotonic = monotonic
        self._idle: list[tuple[Connection, float]] = []
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
        try:
            request = written(method, self._authority, self._prefix + path, headers, body)
        except ValueError:
            raise NothingSent("unsendable_request") from None
        connection = self._connection(deadline)
        try:
            answer, may_keep = connection.exchange(request, is_head=method == "HEAD", deadline=deadline)
        except (OSError, Garbled) as error:
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

    def _connection(self, deadline: float) -> Connection:
        """A kept connection that is still open, else a new one."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                kept, since = self._idle.pop()
            if self._monotonic() - since < IDLE_SECONDS and not kept.has_ended():
                if self._monotonic() >= deadline:
                    kept.close()
                    raise NothingSent(DEADLINE_PASSED)
                return kept
            kept.close()
        left = deadline - self._monotonic()
        if left <= 0:
            raise NothingSent(DEADLINE_PASSED)
        try:
            fresh = Connection(self._open(min(left, CONNECT_SECONDS)), self._monotonic)
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
            raise NothingSent(DEADLINE_PASSED)
        return fresh

    def _open(self, seconds: float) -> socket.socket:
        until = self._monotonic() + seconds
        raw = socket.create_connection((self._host, self._port), seconds)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context:
                raw.settimeout(max(until - self._monotonic(), 0.001))
                return self._context.wrap_socket(raw, server_hostname=self._host)
        except BaseException:
            raw.close()
            raise
        return raw


def _checked(base_url: str) -> SplitResult:
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{base_url!r} is not an address such as https://api.example.com")
    return parts


def _authority(parts: SplitResult) -> str:
    """What the Host header says (RFC 9110, section 7.2)."""
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else (parts.hostname or "")
    with suppress(UnicodeError):
        name = name if name.isascii() else name.encode("idna").decode()
    return f"{name}:{parts.port}" if parts.port else name


def _failure(error: Exception, *, has_begun: bool) -> Failure:
    """What became of a request that has no answer."""
    if isinstance(error, TimeoutError):
        return NobodyKnows("read_timeout") if has_begun else NothingSent(DEADLINE_PASSED)
    if not has_begun:
        return NothingSent("no_connection")
    return NobodyKnows("garbled_answer" if isinstance(error, Garbled) else "connection_lost")
