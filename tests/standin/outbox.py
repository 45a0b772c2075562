"""What the stand-in says about itself, and its controls for other processes.

::

    GET  /                     what was taken, as a page to look at
    GET  /_standin/taken       the same as JSON
    GET  /_standin/faults      how often each fault struck, by provider, with all requests beside them
    GET  /_standin/violations  broken descriptions
    POST /_standin/faults      a rule (tests.standin.faults.Rule) as JSON
    POST /_standin/callbacks   make those that are owed; {"to": address, "copies": 2, "shuffled_by": 7}
    POST /_standin/forget
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from tests.standin.faults import Rule, faults_named
from tests.standin.provider import Reply, Request
from tests.standin.shown import page

if TYPE_CHECKING:
    from tests.standin.engine import StandIn

_HTML = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self' about:",
    "x-content-type-options": "nosniff",
}


def control(standin: StandIn, request: Request) -> Reply:
    """Answer a request that is for no provider."""
    match request.method, request.path:
        case "GET", "/":
            return Reply(200, page(standin).encode(), _HTML)
        case "GET", "/_standin/taken":
            return Reply(200, {name: taken_by(standin, name) for name in standin.providers})
        case "GET", "/_standin/violations":
            return Reply(200, standin.violations)
        case "GET", "/_standin/faults":
            return Reply(200, struck(standin))
        case "POST", "/_standin/faults":
            return _faulted(standin, request)
        case "POST", "/_standin/callbacks":
            return Reply(200, standin.deliver_callbacks(**orjson.loads(request.body)))
        case "POST", "/_standin/forget":
            standin.forget()
            return Reply(204)
    return Reply(404, {"message": f"nobody lives at {request.path[:200]}"})


def taken_by(standin: StandIn, name: str) -> list[dict[str, Any]]:
    """What a provider took, as JSON can say it."""
    return [dataclasses.asdict(message) for message in standin.providers[name].taken()]


def struck(standin: StandIn) -> dict[str, dict[str, int]]:
    """How often each fault struck, by provider; ``requests`` counts them all."""
    found = {}
    for name in standin.providers:
        exchanges = standin.exchanges(name)
        counts = Counter(each.fault.value for each in exchanges if each.fault)
        found[name] = {"requests": len(exchanges), **counts}
    return found


def _faulted(standin: StandIn, request: Request) -> Reply:
    try:
        fields = orjson.loads(request.body)
        standin.script.add(Rule(faults_named(fields.pop("faults")), **fields))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Reply(400, {"message": f"not a rule: {error}"})
    return Reply(204)
