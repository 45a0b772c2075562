"""How often one link, one visit or one network may ask: enough for people, too little for a flood.

Each process counts for itself, in memory, by the generic cell rate algorithm (ITU-T I.371, section A.1): one number
for each key, no window to keep. A block of addresses may stand for a whole company behind one gateway, so what it may
is far more than what one link may; a neighbouring block is not touched by it. Where the server names no address (the
client of a Unix socket without a proxy's word for it), only links and visits are counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pushpull.ledger.networks import block_of
from web.pages import page
from web.words import spoken_in, words_for

#: More keys than these are not kept: who counted least is forgotten first.
_MOST_KEYS: Final = 100_000
#: What sums of seconds may be off by.
_ROUNDING: Final = 1e-6


class By(Enum):
    """What is counted."""

    LINK = "the token in the path"
    VISIT = "the cookie"
    NETWORK = "the block of addresses"


@dataclass(frozen=True, slots=True)
class Limit:
    """How often something may be asked.

    Args:
        paths: what the path begins with; empty: whatever no other limit of the same kind names.
        times: at once, and again as many in every ``seconds``.
    """

    by: By
    paths: tuple[str, ...]
    times: int
    seconds: float


_LINKS: Final = ("/l/", "/u/", "/p/", "/s/", "/a/", "/t/")
_PAGES: Final = ("/me", "/team", "/sponsor", "/moderation", "/sign-in")

#: A person opens a link a few times; a company of thousands may come through one gateway in the minute after a wave,
#: while a mail gateway that opens every link of every message as it arrives gets 300 and is asked to wait.
LIMITS: Final = (
    Limit(By.LINK, _LINKS, times=30, seconds=60),
    Limit(By.VISIT, _PAGES, times=240, seconds=60),
    Limit(By.NETWORK, _LINKS, times=300, seconds=10),
    Limit(By.NETWORK, _PAGES, times=1000, seconds=10),
    Limit(By.NETWORK, (), times=1000, seconds=10),  # machines: course players, directories, providers
)

#: Never counted: the style sheets of pages that were let through, and whoever watches over the app.
_FREE: Final = ("/static/", "/brand/", "/healthz", "/readyz")


class Meter:
    """Counts how often each key asks.

    Args:
        monotonic: seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._full_until: dict[bytes, float] = {}

    def wait(self, key: bytes, limit: Limit) -> float:
        """Count one request; seconds until the next one may come, 0 where this one may."""
        now, step = self._monotonic(), limit.seconds / limit.times
        full_until = max(self._full_until.get(key, now), now)
        if (too_early := full_until - now - (limit.seconds - step)) > _ROUNDING:
            return too_early
        if key not in self._full_until and len(self._full_until) >= _MOST_KEYS:
            self._forget(now)
        self._full_until[key] = full_until + step
        return 0.0

    def _forget(self, now: float) -> None:
        kept = sorted(((until, key) for key, until in self._full_until.items() if until > now), reverse=True)
        self._full_until = {key: until for until, key in kept[: _MOST_KEYS // 2]}


class RateLimits:
    """Middleware that answers 429, with when to come again, to who asks too often (RFC 6585, section 4)."""

    def __init__(
        self, app: ASGIApp, *, limits: Sequence[Limit] = LIMITS, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._limits = limits
        self._meter = Meter(monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or ask to wait."""
        seconds = self._wait(scope) if scope["type"] == "http" else 0.0
        if not seconds:
            await self._app(scope, receive, send)
            return
        words = words_for(spoken_in(Headers(scope=scope).get("accept-language", "")))
        answer = page("message.html.j2", status=429, words=words, title=words("too_often"), lines=[])
        answer.headers["Retry-After"] = str(max(1, math.ceil(seconds)))
        await answer(scope, receive, send)

    def _wait(self, scope: Scope) -> float:
        path = scope["path"]
        if path.startswith(_FREE):
            return 0.0
        for place, limit in enumerate(self._limits):
            key = _key(scope, limit.by) if self._holds(limit, path) else ""
            if key:
                digest = blake2b(f"{place} {key}".encode(errors="replace"), digest_size=16).digest()
                if seconds := self._meter.wait(digest, limit):
                    return seconds
        return 0.0

    def _holds(self, limit: Limit, path: str) -> bool:
        if limit.paths:
            return path.startswith(limit.paths)
        named = (each for each in self._limits if each.by is limit.by and each.paths)
        return not any(path.startswith(each.paths) for each in named)


def _key(scope: Scope, by: By) -> str:
    """What a request is counted by; empty where it has none of that."""
    if by is By.NETWORK:
        client = scope.get("client")
        return block_of(client[0]) if client else ""
    if by is By.LINK:
        parts = scope["path"].split("/", 3)
        return f"{parts[1]}/{parts[2]}"
    return Headers(scope=scope).get("cookie", "")
