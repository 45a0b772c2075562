"""The stand-in's page: what the providers took, as its readers would see it. What it is told to do is not here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import orjson

from channels.outbox.cards import Piece, pieces
from tests.standin.provider import Taken

if TYPE_CHECKING:
    from tests.standin.engine import StandIn

#: Messages one page shows.
_SHOWN = 200

_LABELS: Mapping[str, str] = {
    "sendgrid": "E-mail · SendGrid",
    "bot": "Teams · cards",
    "graph": "Teams · activity feed",
    "twilio": "Texts · Twilio",
    "slack": "Slack",
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5b6b7c; --line: #d5dce4; --tint: #f4f6f8; --page: #fff }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dde5ee; --soft: #94a3b3; --line: #33404d; --tint: #1d252e; --page: #14191f }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 58rem; margin: 2rem auto; padding: 0 1rem }
body { color: var(--ink); background: var(--page) }
h1 { font-size: 1.5rem; margin: 0 }
.counts { display: flex; gap: .75rem; padding: 0; list-style: none; flex-wrap: wrap; margin: 1rem 0 1.5rem }
.counts li { border: 1px solid var(--line); border-radius: 10px; padding: .5rem 1rem; color: var(--soft) }
.counts b { font-size: 1.4rem; display: block; color: var(--ink); line-height: 1.2 }
.message { border-top: 1px solid var(--line) }
.message > summary { display: grid; grid-template-columns: 11rem 1fr; gap: 0 1rem; padding: .55rem 0; cursor: pointer }
.message > summary b, .message > summary span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.by { color: var(--soft) }
.message > summary::-webkit-details-marker { display: none }
.open { padding: .2rem 0 1.2rem }
.ids { color: var(--soft); font-size: .85rem; margin: 0 0 .6rem; overflow-wrap: anywhere }
.card, .bubble { max-width: 34rem; background: var(--tint); border-radius: 12px; padding: .9rem 1.1rem }
.card p { margin: .45rem 0; white-space: pre-line } .bubble { white-space: pre-wrap; overflow-wrap: anywhere }
.card .heading { font-weight: 650; font-size: 1.1rem }
.card .small, .card .note { color: var(--soft); font-size: .88rem }
.card hr { border: 0; border-top: 1px solid var(--line) }
.card .box { border-left: 3px solid var(--line); padding-left: .8rem }
.button { display: inline-block; border: 1px solid var(--soft); border-radius: 6px; padding: .25rem .9rem }
.button { margin: .3rem 0; color: inherit; text-decoration: none }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .8rem; background: var(--tint); border-radius: 8px }
details details { margin-top: .6rem; color: var(--soft) }
iframe { width: 100%; height: 30rem; border: 1px solid var(--line); border-radius: 8px; background: #fff }
"""


def page(standin: StandIn) -> str:
    """Everything that was taken, newest first; the first one open."""
    arrivals = [arrival for provider in standin.providers.values() for arrival in provider.arrivals()]
    taken = [message for _, message in sorted(arrivals, key=lambda arrival: arrival[0], reverse=True)]
    numbers = {name: len(provider.taken()) for name, provider in standin.providers.items()}
    counts = "".join(
        f"<li><b>{number:,}</b>{escape(_LABELS.get(name, name))}</li>"
        for name, number in numbers.items()
        if number or name in _LABELS
    )
    rows = "".join(_row(message, is_open=not place) for place, message in enumerate(taken[:_SHOWN]))
    rows = rows or "<p>Nothing was taken yet. Send something, and load this page again.</p>"
    more = f"<p>{len(taken) - _SHOWN:,} older ones are not shown.</p>" if len(taken) > _SHOWN else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>What the providers took</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>What the providers took</h1>"
        f'<ul class="counts">{counts}</ul>{rows}{more}'
        "</body></html>"
    )


def _row(message: Taken, *, is_open: bool) -> str:
    texts = {name: text for name, text in message.content.items() if text}
    title = texts.get("subject") or texts.get("summary") or texts.get("text") or texts.get("body") or ""
    return (
        f'<details class="message"{" open" if is_open else ""}><summary>'
        f'<span class="by">{escape(_LABELS.get(message.provider, message.provider))}</span>'
        f"<b>{escape(title[:120])}</b><span></span><span>{escape(message.to)}</span></summary>"
        f'<div class="open"><p class="ids">delivery {escape(message.delivery_id)} · at the provider '
        f"{escape(message.provider_id)}</p>{''.join(_parts(texts))}</div></details>"
    )


def _parts(texts: Mapping[str, str]) -> Iterable[str]:
    """What a reader would see first, then its sources, closed."""
    if "html" in texts:
        # No scripts, no forms, no origin: what a message holds was written by others.
        yield f'<iframe sandbox="" loading="lazy" title="e-mail" srcdoc="{escape(texts["html"])}"></iframe>'
    if "card" in texts:
        yield f'<div class="card">{_drawn(_card(texts["card"]))}</div>'
    for name, text in texts.items():
        if name in {"subject", "html"}:
            continue
        if name in {"text", "summary", "body"} and not texts.keys() & {"html", "card"}:
            yield f'<div class="bubble">{escape(text)}</div>'
        else:
            yield f"<details><summary>{escape(name)}</summary><pre>{escape(text)}</pre></details>"


def _card(text: str) -> Sequence[Piece]:
    try:
        return pieces(orjson.loads(text))
    except ValueError:
        return [Piece("note", "(no card)")]


def _drawn(parts: Sequence[Piece]) -> str:
    return "".join(_piece(each) for each in parts)


def _piece(piece: Piece) -> str:
    match piece.kind:
        case "group" | "box":
            return f'<div class="{piece.kind}">{_drawn(piece.parts)}</div>'
        case "rule":
            return "<hr>"
        case "button":
            where = f' href="{escape(piece.url)}" rel="noreferrer"' if piece.url else ""
            return f'<a class="button"{where}>{escape(piece.text)}</a>'
    return f'<p class="{piece.kind}">{escape(piece.text)}</p>' if piece.text else ""
