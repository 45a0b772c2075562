"""HTML as values: text is escaped unless it is markup already. There is no way to put raw text into a page."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import escape, unescape
from pathlib import Path

_VOID = frozenset({"br", "hr", "meta"})
#: Inside SVG, HTML's parser nests what is not closed.
_SHAPES = frozenset({"circle", "line", "path", "rect"})
_STYLE = Path(__file__).with_name("page.css")
#: Only attributes look so: in text, quotes are escaped.
_STYLED = re.compile(r' style="([^"]*)"')
_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]*)"')


class Html(str):
    """Text that is markup, made by :func:`el` only."""

    __slots__ = ()


Child = Html | str | int | float | None


def el(tag: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Html:
    """An element.

    Args:
        children: markup as it is, everything else escaped; None is nothing.
        attributes: escaped; a trailing underscore is dropped, other underscores become dashes; None and False leave
            the attribute out.
    """
    parts = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        parts.append(f" {label}" if value is True else f' {label}="{escape(str(value))}"')
    opening = f"<{tag}{''.join(parts)}"
    if tag in _SHAPES:
        return Html(f"{opening}/>")
    return Html(f"{opening}>" if tag in _VOID else f"{opening}>{join(*children)}</{tag}>")


def join(*children: Child) -> Html:
    """Several pieces one after the other."""
    pieces = (child if isinstance(child, Html) else escape(str(child)) for child in children if child is not None)
    return Html("".join(pieces))


def scrolling(child: Html, *, label: str) -> Html:
    """What may be wider than a small screen, in a box that scrolls, also by keyboard."""
    return el("div", child, class_="scroll", tabindex=0, role="region", aria_label=label)


def document(title: str, *body: Child) -> str:
    """A whole page: no script, nothing from elsewhere; only the page's own style sheet, known by its hash, applies."""
    content, style = _without_style_attributes(join(*body))
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("title", title),
        el("style", Html(style)),
    )
    return f"<!doctype html>\n{el('html', head, el('body', content), lang='en')}\n"


def policy_of(page: str) -> str:
    """The content security policy that a page of :func:`document` states, for a server to send too."""
    found = _POLICY.search(page)
    return unescape(found[1]) if found else "default-src 'none'"


def _without_style_attributes(content: Html) -> tuple[Html, str]:
    """Style attributes become rules of the style sheet: a policy that allows them allows anybody's."""
    rules: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f' data-s="{rules.setdefault(found[1], len(rules))}"'

    changed = _STYLED.sub(numbered, content)
    sheet = _STYLE.read_text(encoding="utf-8")
    own = "".join(f'[data-s="{place}"]{{{rule}}}' for rule, place in rules.items())
    return Html(changed), f"{sheet}{own}"


def number(value: float) -> str:
    """A count with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


def percent(share: float | None, digits: int = 0) -> str:
    """A share as a percentage; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f}\u202f%"
