"""What the stand-in says about itself: what it took as a page to look at, and its controls for other processes.

::

    GET  /                     what was taken, newest first
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
from html import escape
from typing import TYPE_CHECKING, Any

import orjson

from tests.standin.faults import Rule, faults_named
from tests.standin.provider import Reply, Request, Taken

if TYPE_CHECKING:
    from tests.standin.engine import StandIn

#: Messages one page shows.
_SHOWN = 200

_HTML = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self' about:",
    "x-content-type-options": "nosniff",
}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2733 }
h1 { font-size: 1.4rem } .counts { display: flex; gap: 1.5rem; padding: 0; list-style: none; flex-wrap: wrap }
.counts b { font-size: 1.3rem; display: block }
article { border: 1px solid #d5dce4; border-radius: 8px; padding: .8rem 1rem; margin: 1rem 0 }
header { display: flex; gap: 1rem; flex-wrap: wrap; color: #5b6b7c } header b { color: #1d2733 }
h2 { font-size: 1rem; margin: .8rem 0 .2rem; font-weight: 600 }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; padding: .6rem; background: #f5f7f9 }
pre { border-radius: 6px }
iframe { width: 100%; height: 22rem; border: 1px solid #d5dce4; border-radius: 6px; background: #fff }
@media (prefers-color-scheme: dark) {
  body { background: #14191f; color: #dde5ee } article { border-color: #33404d } header b { color: #dde5ee }
  pre { background: #1d252e }
}
"""


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


def page(standin: StandIn) -> str:
    """Everything that was taken, newest first."""
    arrivals = [arrival for provider in standin.providers.values() for arrival in provider.arrivals()]
    taken = [message for _, message in sorted(arrivals, key=lambda arrival: arrival[0], reverse=True)]
    counts = "".join(
        f"<li><b>{len(provider.taken())}</b>{escape(name)}</li>" for name, provider in standin.providers.items()
    )
    shown = "".join(_article(message) for message in taken[:_SHOWN]) or "<p>Nothing was taken yet.</p>"
    more = f"<p>{len(taken) - _SHOWN} older ones are not shown.</p>" if len(taken) > _SHOWN else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Stand-in outbox</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>What the providers took</h1>"
        f'<ul class="counts">{counts}</ul>{shown}{more}</body></html>'
    )


def _article(message: Taken) -> str:
    parts = "".join(_part(name, text) for name, text in message.content.items() if text)
    return (
        f"<article><header><b>{escape(message.to)}</b><span>{escape(message.provider)}</span>"
        f"<span>{escape(message.delivery_id)}</span><span>{escape(message.provider_id)}</span></header>"
        f"{parts}</article>"
    )


def _part(name: str, text: str) -> str:
    head = f"<h2>{escape(name)}</h2>"
    if name == "html":
        # No scripts, no forms, no origin: what a message holds was written by others.
        return f'{head}<iframe sandbox="" title="{escape(name)}" srcdoc="{escape(text)}"></iframe>'
    return f"{head}<pre>{escape(text)}</pre>"
