"""How often one link, one visit or one network may ask: enough for people, too little for a flood.

Each process counts for itself, in memory, in sliding windows: two numbers for each key and window. A block of addresses
may stand for a whole company behind one gateway, so what it may is far more than what one link may; a neighbouring
block is not touched by it. Where the server names no address (the client of a Unix socket without a proxy's word for
it), only links and visits are counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from typing import Final

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from pushpull.ledger.networks import block_of
from web.pages import page
from web.words import spoken_in, words_for


class By(Enum):
    """What is counted."""

    LINK = "the token in the path"
    VISIT = "the cookie that says whose page it is"
    NETWORK = "the block of addresses"


@dataclass(frozen=True, slots=True)
class Limit:
    """How often something may be asked.

    Args:
        paths: what the path begins with; empty: whatever no other limit of the same kind names.
        times: at most, in any ``seconds``.
    """

    by: By
    paths: tuple[str, ...]
    times: int
    seconds: int


_LINKS: Final = ("/l/", "/u/", "/p/", "/s/", "/a/", "/t/")
_PAGES: Final = ("/me", "/team", "/sponsor", "/moderation", "/sign-in")

#: A person opens a link a few times; a company of thousands may come through one gateway in the minute after a wave,
#: while a mail gateway that opens every link of every message as it arrives gets 300 and is asked to wait. Networks
#: come first: of one that is refused no more links are remembered.
LIMITS: Final = (
    Limit(By.NETWORK, _LINKS, times=300, seconds=10),
    Limit(By.NETWORK, _PAGES, times=1000, seconds=10),
    Limit(By.NETWORK, (), times=1000, seconds=10),  # machines: course players, directories, providers
    Limit(By.LINK, _LINKS, times=30, seconds=60),
    Limit(By.VISIT, _PAGES, times=240, seconds=60),
)

#: Never counted: the style sheets of pages that were let through, and whoever watches over the app.
_FREE: Final = ("/static/", "/brand/", "/healthz", "/readyz")


class RateLimits:
    """Middleware that answers 429, with when to come again, to who asks too often (RFC 6585, section 4)."""

    def __init__(self, app: ASGIApp, *, limits: Sequence[Limit] = LIMITS) -> None:
        self._app = app
        self._limits = {
            each: RateLimitItemPerSecond(each.times, each.seconds, namespace=str(place))
            for place, each in enumerate(limits)
        }
        self._counted = SlidingWindowCounterRateLimiter(MemoryStorage())

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
        for limit, counted in self._limits.items():
            key = _key(scope, limit.by) if self._holds(limit, path) else ""
            if key and not self._counted.hit(counted, key):
                # When this window is over, what was counted in it fades: one is free again after the share of one.
                return limit.seconds - time.time() % limit.seconds + limit.seconds / limit.times
        return 0.0

    def _holds(self, limit: Limit, path: str) -> bool:
        if limit.paths:
            return path.startswith(limit.paths)
        named = (each for each in self._limits if each.by is limit.by and each.paths)
        return not any(path.startswith(each.paths) for each in named)


def _key(scope: Scope, by: By) -> str:
    """What a request is counted by; empty where it has none of that. Tokens and cookies are not kept as they are."""
    if by is By.NETWORK:
        client = scope.get("client")
        return block_of(client[0]) if client else ""
    whose = _visit(scope) if by is By.VISIT else "/".join(scope["path"].split("/", 3)[1:3])
    return blake2b(whose.encode(errors="replace"), digest_size=16).hexdigest() if whose else ""


def _visit(scope: Scope) -> str:
    """The cookie of a learner's or of staff's pages: whatever else a browser sends must not make it another visit."""
    name = "pushpull" if scope["path"].startswith("/me") else "pushpull-staff"
    sent = cookie_parser(Headers(scope=scope).get("cookie", ""))
    return sent.get(f"__Host-{name}") or sent.get(name, "")
