"""A readable approximation of cards: Teams Adaptive Cards and Slack blocks as headings, texts, groups and buttons.

It shows what a card says, not how a client draws it. Unknown elements are named rather than dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_DEEPEST = 12
_LARGE = ("large", "extralarge")


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a card.

    Args:
        kind: ``heading``, ``text``, ``small``, ``button``, ``group``, ``box``, ``rule`` or ``note``.
        url: where a button or text leads; only http and https.
    """

    kind: str
    text: str = ""
    url: str = ""
    parts: tuple[Piece, ...] = ()


def pieces(card: Any) -> list[Piece]:
    """What a card says, from top to bottom.

    Args:
        card: an Adaptive Card, ``{"blocks": […]}`` or a list of blocks, parsed; anything else gives a note.
    """
    if isinstance(card, dict) and isinstance(card.get("blocks"), list):
        return _all(card["blocks"], 0)
    if isinstance(card, dict):
        return [*_all(card.get("body"), 0), *_all(card.get("actions"), 0)]
    return _all(card, 0)


def _all(elements: Any, depth: int) -> list[Piece]:
    if not isinstance(elements, list) or depth > _DEEPEST:
        return []
    return [piece for element in elements for piece in _pieces(element, depth)]


def _pieces(element: Any, depth: int) -> Iterator[Piece]:
    if not isinstance(element, dict):
        return
    kind = element.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        yield Piece("note", f"({kind})")
    else:
        yield from reader(element, depth + 1)


def _text_block(element: Mapping[str, Any], _: int) -> Iterator[Piece]:
    size = str(element.get("size", "")).lower()
    kind = "heading" if size in _LARGE else "small" if element.get("isSubtle") is True else "text"
    yield Piece(kind, _string(element.get("text")))


def _rich_text(element: Mapping[str, Any], _: int) -> Iterator[Piece]:
    inlines = element.get("inlines")
    runs = [run if isinstance(run, dict) else {"text": run} for run in inlines] if isinstance(inlines, list) else []
    text = "".join(_string(run.get("text")) for run in runs)
    actions = [run["selectAction"] for run in runs if isinstance(run.get("selectAction"), dict)]
    is_large = any(str(run.get("size", "")).lower() in _LARGE for run in runs)
    is_small = bool(runs) and all(run.get("isSubtle") is True for run in runs)
    kind = "heading" if is_large else "small" if is_small else "text"
    yield Piece(kind, text, url=_url(actions[0].get("url")) if actions else "")


def _container(element: Mapping[str, Any], depth: int) -> Iterator[Piece]:
    children = element.get("items", element.get("columns", element.get("actions")))
    yield Piece("box" if element.get("style") == "emphasis" else "group", parts=tuple(_all(children, depth)))


def _facts(element: Mapping[str, Any], _: int) -> Iterator[Piece]:
    facts = element.get("facts")
    for fact in facts if isinstance(facts, list) else []:
        if isinstance(fact, dict):
            yield Piece("text", f"{_string(fact.get('title'))} {_string(fact.get('value'))}")


def _image(element: Mapping[str, Any], _: int) -> Iterator[Piece]:
    yield Piece("note", f"[image: {_string(element.get('altText', element.get('alt_text')))}]")


def _action(element: Mapping[str, Any], _: int) -> Iterator[Piece]:
    yield Piece("button", _string(element.get("title", element.get("text"))), url=_url(element.get("url")))


def _header(element: Mapping[str, Any], _: int) -> Iterator[Piece]:
    yield Piece("heading", _string(element.get("text")))


def _section(element: Mapping[str, Any], depth: int) -> Iterator[Piece]:
    fields = element.get("fields")
    texts = [element.get("text"), *(fields if isinstance(fields, list) else [])]
    parts = [Piece("text", _string(text)) for text in texts if text is not None]
    yield Piece("group", parts=(*parts, *_all([element.get("accessory")], depth)))


def _slack_group(element: Mapping[str, Any], depth: int) -> Iterator[Piece]:
    yield Piece("group", parts=tuple(_all(element.get("elements"), depth)))


def _small(element: Mapping[str, Any], _: int) -> Iterator[Piece]:
    yield Piece("small", _string(element.get("text")))


def _rule(_: Mapping[str, Any], __: int) -> Iterator[Piece]:
    yield Piece("rule")


_READERS: Mapping[str, Callable[[Mapping[str, Any], int], Iterator[Piece]]] = {
    "TextBlock": _text_block,
    "RichTextBlock": _rich_text,
    "Container": _container,
    "ColumnSet": _container,
    "Column": _container,
    "ActionSet": _container,
    "FactSet": _facts,
    "Image": _image,
    "Action.OpenUrl": _action,
    "Action.Submit": _action,
    "Action.Execute": _action,
    "header": _header,
    "section": _section,
    "actions": _slack_group,
    "context": _slack_group,
    "button": _action,
    "image": _image,
    "divider": _rule,
    "plain_text": _small,
    "mrkdwn": _small,
}


def _string(value: Any) -> str:
    """Text, also where Slack wraps it in a text object."""
    if isinstance(value, dict):
        value = value.get("text")
    return value if isinstance(value, str) else "" if value is None else str(value)[:200]


def _url(value: Any) -> str:
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else ""
