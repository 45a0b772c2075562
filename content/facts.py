"""From what is known about a learner to what a template is filled with: cleaned, bounded and in the learner's language.

Nothing here escapes: that depends on where the text goes and is done by :mod:`content.templating`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from content.locale import Locale
from content.templating import MAX_ITEMS
from pushpull.ledger.messages import MessageFacts, RecommendedItem

#: Longest given name, title and sentence shown, in characters.
NAME, TITLE, SENTENCE = 60, 120, 220
#: Longest link; nobody needs more, and proxies cut there.
LINK = 2000

#: Direction marks and invisible characters: they can make text read as something else.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_JOINERS = re.compile("[\u200c\u200d\ufe00-\ufe0f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_URL = re.compile(r"https?://[!-~]+\Z")


class FactError(ValueError):
    """A fact cannot be used in a message; the text says which one, never its value."""


@dataclass(frozen=True, slots=True)
class ItemView:
    """A recommended item as templates see it; everything is text, empty when unknown."""

    title: str
    url: str
    minutes: str
    reason: str
    summary: str
    format: str


def clean(text: str, limit: int) -> str:
    """Text on one line without control, direction and invisible characters, at most ``limit`` characters long."""
    if len(text) <= limit and text.isprintable():
        return text
    # What is cut off anyway is not looked at: a megabyte of name costs no more than a line.
    plain = _INVISIBLE.sub("", _CONTROL.sub(" ", text[: limit * 4]))
    plain = " ".join(plain.split())
    return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + "…"


def visible(text: str) -> str:
    """The text without joiners and variation selectors too, for text messages."""
    return _JOINERS.sub("", text)


def link(value: str, name: str) -> str:
    """The link, if it is one that a message may carry.

    Raises:
        FactError: it is no http(s) address in printable ASCII, or too long.
    """
    if len(value) > LINK or not _URL.match(value):
        raise FactError(f"{name} is no https address of at most {LINK} characters")
    return value


def values_for(facts: MessageFacts, locale: Locale, topics: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a template about this learner is filled with.

    Args:
        topics: the titles of trends by their tags, in the message's language.

    Raises:
        FactError: a link is unusable.
    """
    return {
        "given_name": clean(facts.given_name, NAME),
        "link": link(facts.link, "link"),
        "unsubscribe_url": link(facts.unsubscribe_url, "unsubscribe_url") if facts.unsubscribe_url else "",
        "preferences_url": link(facts.preferences_url, "preferences_url"),
        "first_contact": facts.first_contact,
        "place_title": clean(facts.place_title, TITLE),
        "item_title": clean(facts.item_title, TITLE),
        "item_minutes": locale.duration(facts.item_minutes),
        "due_day": locale.day(facts.due_on) if facts.due_on else "",
        "due_in": locale.from_now(facts.days_left),
        "is_overdue": facts.days_left is not None and facts.days_left < 0,
        "items": [_item(item, locale, topics or {}) for item in facts.items[:MAX_ITEMS]],
    }


def _item(item: RecommendedItem, locale: Locale, topics: Mapping[str, str]) -> ItemView:
    value = clean(item.reason_value, TITLE) if item.reason_value else None
    return ItemView(
        title=clean(item.title, TITLE),
        url=link(item.url, "an item's url"),
        minutes=locale.duration(item.minutes),
        reason=locale.reason(item.reason_kind, value, topics),
        summary=clean(item.summary, SENTENCE) if item.summary else "",
        format=locale.formats.get(item.format, "") if item.format else "",
    )
