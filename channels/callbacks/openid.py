"""The keys the Bot Connector signs its tokens with: fetched from where Microsoft publishes them, and kept.

Source: "Authenticate requests from the Bot Connector service to your bot", Microsoft: keys are stable for days; fetch
them again at least once a day.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol
from urllib.parse import urlsplit

import jwt

from channels.callbacks.fields import parsed_object, text
from channels.callbacks.verdict import Unreadable
from channels.wire import Failure, Wire

#: Seconds after which the keys are fetched again.
KEPT_SECONDS = 24 * 3600.0

#: Least seconds between two fetches, whatever keys are asked for.
PAUSE_SECONDS = 300.0

_FETCH_SECONDS = 5.0


class KeysUnavailable(Exception):
    """There are no keys yet, and none can be had now."""


@dataclass(frozen=True)
class SigningKey:
    """A key and the channels it may speak for."""

    key: Any
    endorsements: frozenset[str]


class KeySource(Protocol):
    """Where signing keys come from."""

    def find(self, key_id: str) -> SigningKey | None:
        """The key of that id; None when there is none.

        Raises:
            KeysUnavailable: nobody can know now.
        """


class PublishedKeys:
    """The keys that an OpenID configuration leads to. Any number of threads may ask.

    Args:
        openid_url: of the configuration; the keys must be on the same host.
        monotonic: seconds on a clock that never jumps.
        wire_to: makes the way to a host.
    """

    def __init__(
        self,
        openid_url: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wire_to: Callable[[str], Wire] = Wire,
    ) -> None:
        self._url = openid_url
        self._monotonic = monotonic
        self._wire = wire_to(_origin(openid_url))
        self._lock = Lock()
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None

    def find(self, key_id: str) -> SigningKey | None:
        """See :class:`KeySource`."""
        known = self._keys.get(key_id)
        if known is None or self._is_old():
            self._refresh()
            known = self._keys.get(key_id)
        if not self._keys:
            raise KeysUnavailable
        return known

    def _is_old(self) -> bool:
        return self._fetched_at is None or self._monotonic() - self._fetched_at >= KEPT_SECONDS

    def _refresh(self) -> None:
        # While somebody fetches, whoever has keys to go by goes by them.
        if not self._lock.acquire(blocking=not self._keys):
            return
        try:
            if self._tried_at is not None and self._monotonic() - self._tried_at < PAUSE_SECONDS:
                return
            self._tried_at = self._monotonic()
            try:
                fetched = self._fetch()
            except (Failure, Unreadable):
                return  # those that are known stay in use
            if fetched:
                self._keys, self._fetched_at = fetched, self._monotonic()
        finally:
            self._lock.release()

    def _fetch(self) -> dict[str, SigningKey]:
        where = text(self._get(self._url), "jwks_uri")
        if _origin(where) != _origin(self._url):
            raise Unreadable("the keys are on another host")
        found: dict[str, SigningKey] = {}
        listed = self._get(where).get("keys")
        for each in listed if isinstance(listed, list) else []:
            if not isinstance(each, dict) or each.get("kty") != "RSA" or not text(each, "kid"):
                continue
            endorsements = each.get("endorsements")
            try:
                key = jwt.PyJWK(each, algorithm="RS256").key
            except (jwt.PyJWTError, ValueError, TypeError):
                continue
            names = [name for name in endorsements if isinstance(name, str)] if isinstance(endorsements, list) else []
            found[text(each, "kid")] = SigningKey(key, frozenset(names))
        return found

    def _get(self, url: str) -> dict[str, Any]:
        deadline = self._monotonic() + _FETCH_SECONDS
        path = url.removeprefix(_origin(url)) or "/"
        answer = self._wire.request("GET", path, headers={"Accept": "application/json"}, deadline=deadline)
        if answer.status != 200 or not answer.is_whole:
            raise Unreadable("no keys")
        return parsed_object(answer.body)


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"
