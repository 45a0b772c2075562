"""Access tokens of the stand-in: they say themselves what they are for and until when, so every service can read them.

What a service adds is which of them it no longer takes.
"""

from __future__ import annotations

import time
from itertools import count

from tests.standin.provider import Reply, Request

_serials = count(1)

#: What each scope's tokens are for.
AUDIENCES = {
    "https://api.botframework.com/.default": "bot",
    "https://graph.microsoft.com/.default": "graph",
}


def a_pass(audience: str, *, seconds: float) -> str:
    """A new token."""
    return f"standin.{audience}.{next(_serials)}.{time.time() + seconds:.3f}"


class Gate:
    """Who may pass at one service.

    Args:
        audience: what tokens must be for.
    """

    def __init__(self, audience: str) -> None:
        self._audience = audience
        self._revoked_below = 0

    def revoke(self) -> None:
        """From now on no token is taken that was issued before."""
        self._revoked_below = next(_serials)

    def open(self) -> None:
        """Forget that anything was revoked."""
        self._revoked_below = 0

    def lets(self, request: Request) -> bool:
        """Whether a request comes with a token that is taken."""
        parts = request.bearer.split(".", 3)
        if len(parts) != 4 or parts[:2] != ["standin", self._audience]:
            return False
        try:
            return int(parts[2]) >= self._revoked_below and float(parts[3]) > time.time()
        except ValueError:
            return False


def refusal(status: int, code: str, message: str = "") -> Reply:
    """An error as the Bot Connector and Graph write it."""
    return Reply(status, {"error": {"code": code, "message": message or f"{code}."}})
