"""What holds for every answer: security headers, caps on what is read, nothing stored on the way."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Longest request body, in bytes.
BODY_CAP = 1_000_000
#: Longest path, in characters: our longest token has 512. Numbers in paths stay short enough to be read as numbers.
PATH_CAP = 2_000

#: Pages need their own style sheet and forms that post back; nothing else.
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
}


class Guard:
    """Middleware that adds the headers a route did not set, and ends requests whose path or body is too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read = 0
        is_answered = False

        async def capped() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > BODY_CAP:
                    raise _TooLong
            return message

        async def guarded(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if len(scope["path"]) > PATH_CAP:
            await guarded({"type": "http.response.start", "status": 414, "headers": []})
            await guarded({"type": "http.response.body", "body": b""})
            return
        try:
            if _declared_length(scope) > BODY_CAP:
                raise _TooLong
            await self._app(scope, capped, guarded)
        except _TooLong:
            if not is_answered:
                await guarded({"type": "http.response.start", "status": 413, "headers": []})
                await guarded({"type": "http.response.body", "body": b""})


class _TooLong(Exception):
    """The body is longer than the cap."""


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
