"""Where the Bot Connector answers for a person, and whether our tokens may be sent there.

A service address comes from outside, in an activity: whoever forged one would be sent our token.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from urllib.parse import urlsplit

from channels.wire import Wire

#: Connections are kept to so many services; Teams has a handful of regions.
_KEPT = 32

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|::1")
_PATH = re.compile(r"[A-Za-z0-9/._~-]*")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Untrusted(Exception):
    """A service address that no token of ours is sent to."""


@lru_cache(256)
def checked(service_url: str, hosts: tuple[str, ...]) -> str:
    """A service address that may be used, without the slash at its end.

    Args:
        hosts: the hosts it may name, or from a dot on their endings. Plain HTTP goes to this machine only, where that
            is listed.

    Raises:
        Untrusted: it may not be used.
    """
    try:
        parts = urlsplit(service_url)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise Untrusted from None
    if not _HOST.fullmatch(host) or not _PATH.fullmatch(parts.path):
        raise Untrusted
    if parts.query or parts.fragment or "@" in parts.netloc or "?" in service_url or "#" in service_url:
        raise Untrusted
    if not any(host == each.lower() or (each[:1] == "." and host.endswith(each.lower())) for each in hosts):
        raise Untrusted
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise Untrusted
    return service_url.rstrip("/")


class Wires:
    """Kept connections, by service address.

    Args:
        make: makes a wire to an address.
    """

    def __init__(self, make: Callable[[str], Wire]) -> None:
        self._make = make
        self._kept: dict[str, Wire] = {}
        self._lock = Lock()

    def to(self, address: str) -> Wire:
        """The wire to an address that was checked."""
        with self._lock:
            wire = self._kept.get(address)
            if wire is None:
                if len(self._kept) >= _KEPT:
                    self._kept.pop(next(iter(self._kept))).close()
                wire = self._kept[address] = self._make(address)
            return wire
