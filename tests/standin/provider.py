"""What one provider of the stand-in is: requests come in, answers go out, and what was taken is kept.

The engine (:mod:`tests.standin.engine`) speaks HTTP, plays the faults and checks each request against the provider's
own description; a provider only answers, as the real one would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import parse_qs

import orjson


@dataclass(frozen=True)
class Request:
    """A request as it came in.

    Args:
        path: below the provider's prefix, without the query: ``/v3/mail/send``.
        query: name to values, decoded.
        headers: by lower-case name.
    """

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return orjson.loads(self.body)

    def form(self) -> dict[str, str]:
        """The fields of an urlencoded body; of repeated ones the last."""
        return {name: values[-1] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}

    @property
    def bearer(self) -> str:
        """The token of the Authorization header."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Reply:
    """An answer: ``body`` is bytes, or anything orjson can dump."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Taken:
    """One message the provider took: it will reach its recipient.

    Args:
        delivery_id: ours, as it travelled inside the message; empty where none did.
        to: the address.
        content: what the recipient sees, for the outbox page: subject, html, text or card.
        provider_id: the id it was given.
    """

    provider: str
    delivery_id: str
    handover_id: str
    to: str
    content: Mapping[str, str]
    provider_id: str
    at: float


@dataclass(frozen=True)
class Callback:
    """A request the provider makes to us because of what it took: signed as the real one would be."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Provider:
    """One provider played by the stand-in. Several requests may be answered at once.

    Class attributes: ``name``; ``prefix``, the path all its requests begin with, e.g. ``/sendgrid``; ``contracts``, the
    files of ``../shared/contracts`` its requests are checked against.
    """

    name = ""
    prefix = ""
    contracts: Sequence[str] = ()

    def __init__(self) -> None:
        self.lock = Lock()
        self._taken: list[Taken] = []
        self._callbacks: list[Callback] = []
        self._came: list[tuple[float, int]] = []
        self._look_ups = 0
        self._lag_seconds, self._lag_look_ups = 0.0, 0

    def answer(self, request: Request) -> Reply:
        """Process a request and answer it."""
        raise NotImplementedError

    def described(self, request: Request) -> Request | None:
        """A request in the words of the provider's description, where that lags behind what the provider takes.

        Returns:
            None where the description knows nothing of it.
        """
        return request

    def throttled(self, request: Request) -> Reply:
        """The provider's own 429, without Retry-After: faults add the header they play."""
        raise NotImplementedError

    def unauthorized(self, request: Request) -> Reply:
        """The provider's own 401, as for a token that has expired or was revoked."""
        return Reply(401, {"message": "unauthorized"}, {"WWW-Authenticate": "Bearer"})

    def broken(self, request: Request, status: int) -> Reply:
        """The provider's own answer with a 5xx status."""
        return Reply(status, {"message": "internal error"})

    def take(self, message: Taken) -> None:
        """Keep what was taken."""
        with self.lock:
            self._taken.append(message)
            self._came.append((monotonic(), self._look_ups))

    def taken(self) -> list[Taken]:
        """Everything that was taken so far, in order."""
        with self.lock:
            return list(self._taken)

    def arrivals(self) -> list[tuple[float, Taken]]:
        """What was taken, with the monotonic seconds it came at."""
        taken = self.taken()
        with self.lock:
            return [(came, message) for message, (came, _) in zip(taken, self._came, strict=False)]

    def visible(self) -> list[Taken]:
        """What a look-up sees by now: everything, unless :meth:`show_late` says otherwise. To be called per look-up."""
        with self.lock:
            self._look_ups += 1
            now = monotonic()
            return [
                message
                for message, (came, look_ups) in zip(self._taken, self._came, strict=True)
                if now - came >= self._lag_seconds and self._look_ups - look_ups > self._lag_look_ups
            ]

    def show_late(self, *, seconds: float = 0.0, look_ups: int = 0) -> None:
        """Let look-ups see a message only so many seconds, and look-ups, after it was taken."""
        with self.lock:
            self._lag_seconds, self._lag_look_ups = seconds, look_ups

    def owe(self, callback: Callback) -> None:
        """Keep a callback to be made once the engine is told to make them."""
        with self.lock:
            self._callbacks.append(callback)

    def owed(self) -> list[Callback]:
        """The callbacks nobody made yet; they are no longer owed after that."""
        with self.lock:
            owed, self._callbacks = self._callbacks, []
        return owed

    def forget(self) -> None:
        """Forget everything, for the next test."""
        with self.lock:
            self._taken.clear()
            self._callbacks.clear()
            self._came.clear()
            self._lag_seconds, self._lag_look_ups = 0.0, 0
