"""How each fault is played on the wire.

One function per kind of fault; the table at the end says which. Whether the request is processed is decided before:
``reply`` is the provider's own answer where it was, and what a broken provider says where it was not.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate

import orjson

from tests.standin.faults import Fault, Rule
from tests.standin.http import ServerConnection, raw_answer
from tests.standin.provider import Reply

_WEEK = 7 * 86_400
_GARBAGE = b'\xff\xfe\x00<html>{"id": not json \x80\x81'


@dataclass(frozen=True)
class Scene:
    """A fault about to be played.

    Args:
        reply: what is answered, as far as the fault lets it.
    """

    connection: ServerConnection
    fault: Fault
    rule: Rule
    reply: Reply


#: Plays a fault; returns whether another request may follow on the connection.
Play = Callable[[Scene], Awaitable[bool]]


def written(reply: Reply) -> tuple[dict[str, str], bytes]:
    """Headers and body of a reply as they go over the wire."""
    headers = {name.lower(): value for name, value in reply.headers.items()}
    if reply.body is None:
        return headers, b""
    if isinstance(reply.body, bytes):
        headers.setdefault("content-type", "text/plain; charset=utf-8")
        return headers, reply.body
    headers.setdefault("content-type", "application/json")
    return headers, orjson.dumps(reply.body)


def hint(fault: Fault, rule: Rule) -> Mapping[str, str]:
    """The headers of a 429 that say when to come back."""
    now = time.time()
    match fault:
        case Fault.THROTTLED_SECONDS:
            return {"Retry-After": f"{rule.seconds:g}"}
        case Fault.THROTTLED_DATE:
            return {"Retry-After": formatdate(now + rule.seconds, usegmt=True)}
        case Fault.THROTTLED_RESET:
            return {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(now + rule.seconds))}
        case Fault.THROTTLED_GARBAGE:
            return {"Retry-After": "in a while; perhaps"}
        case Fault.THROTTLED_NEGATIVE:
            return {"Retry-After": "-5"}
        case Fault.THROTTLED_WEEK:
            return {"Retry-After": str(_WEEK)}
    return {}


async def answered(scene: Scene) -> bool:
    """As one should: what is wrong is said in the answer."""
    headers, body = written(scene.reply)
    return await scene.connection.answer(scene.reply.status, headers, body)


async def _silent(scene: Scene) -> bool:
    await scene.connection.outlast(scene.rule.seconds)
    return False


async def _reset(scene: Scene) -> bool:
    scene.connection.reset()
    return False


async def _closed(scene: Scene) -> bool:
    return False


async def _garbage_status(scene: Scene) -> bool:
    await scene.connection.write(b"\x16\x03\x01 OK maybe\r\n\r\n")
    return False


async def _slow_head(scene: Scene) -> bool:
    headers, body = written(scene.reply)
    # A header that goes on and on, so that the drip lasts as long as it is meant to.
    data = raw_answer(scene.reply.status, [*headers.items(), ("x-slow", "z" * 30_000)], body)
    await scene.connection.drip(data, pause=0.02, seconds=scene.rule.seconds)
    return False


async def _slow_body(scene: Scene) -> bool:
    headers, body = written(scene.reply)
    head = raw_answer(scene.reply.status, headers.items(), b"", announced=30_000)
    await scene.connection.write(head)
    await scene.connection.drip(body.ljust(30_000), pause=0.02, seconds=scene.rule.seconds)
    return False


async def _cut_body(scene: Scene) -> bool:
    headers, body = written(scene.reply)
    half = body[: len(body) // 2]
    await scene.connection.write(raw_answer(scene.reply.status, headers.items(), half, announced=len(body) + 100))
    return False


async def _garbled_body(scene: Scene) -> bool:
    headers, _ = written(scene.reply)
    headers.pop("content-length", None)
    return await scene.connection.answer(scene.reply.status, headers, _GARBAGE)


async def _endless_body(scene: Scene) -> bool:
    headers, body = written(scene.reply)
    return await scene.connection.answer(scene.reply.status, headers, body.ljust(scene.rule.size))


async def _answered_and_closed(scene: Scene) -> bool:
    await answered(scene)
    return False


PLAYS: Mapping[Fault, Play] = {
    Fault.HANG_UNPROCESSED: _silent,
    Fault.HANG_PROCESSED: _silent,
    Fault.HANG_LATE: _silent,
    Fault.RESET_BEFORE_BODY: _reset,
    Fault.RESET_UNPROCESSED: _reset,
    Fault.RESET_PROCESSED: _reset,
    Fault.CLOSED_UNPROCESSED: _closed,
    Fault.CLOSED_PROCESSED: _closed,
    Fault.GARBAGE_STATUS: _garbage_status,
    Fault.DRIP_HEADERS: _slow_head,
    Fault.DRIP_BODY: _slow_body,
    Fault.TRUNCATED_BODY: _cut_body,
    Fault.GARBAGE_BODY: _garbled_body,
    Fault.HUGE_BODY: _endless_body,
    Fault.STALE_CONNECTION: _answered_and_closed,
}
