"""From what is known about a learner to what a template is filled with: cleaned, bounded and in the learner's language.

Nothing here escapes: that depends on where the text goes and is done by :mod:`content.templating`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
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


_READERS: Mapping[str, Callable[[MessageFacts, Locale], Any]] = {
    "given_name": lambda facts, _: clean(facts.given_name, NAME),
    "link": lambda facts, _: link(facts.link, "link"),
    "unsubscribe_url": lambda facts, _: link(facts.unsubscribe_url, "unsubscribe_url") if facts.unsubscribe_url else "",
    "preferences_url": lambda facts, _: link(facts.preferences_url, "preferences_url"),
    "first_contact": lambda facts, _: facts.first_contact,
    "place_title": lambda facts, _: clean(facts.place_title, TITLE),
    "item_title": lambda facts, _: clean(facts.item_title, TITLE),
    "item_minutes": lambda facts, locale: locale.duration(facts.item_minutes),
    "due_day": lambda facts, locale: locale.day(facts.due_on) if facts.due_on else "",
    "due_in": lambda facts, locale: locale.from_now(facts.days_left),
    "is_last_nudge": lambda facts, _: facts.is_last_nudge,
    "is_overdue": lambda facts, _: facts.days_left is not None and facts.days_left < 0,
}
#: What is known of a learner, by the names templates have for it; recommended items come besides.
FACT_NAMES = frozenset(_READERS)
#: All of that, and the items.
ALL_NAMES = FACT_NAMES | {"items"}


def reader(name: str) -> Callable[[MessageFacts, Locale], Any]:
    """What reads one of :data:`FACT_NAMES`, cleaned; it raises :class:`FactError` where a link is unusable."""
    return _READERS[name]


def values_for(
    facts: MessageFacts,
    locale: Locale,
    topics: Mapping[str, str] | None = None,
    *,
    names: Collection[str] = ALL_NAMES,
) -> dict[str, Any]:
    """What a template about this learner is filled with.

    Args:
        topics: the titles of trends by their tags, in the message's language.
        names: what the template uses; the rest is not looked at.

    Raises:
        FactError: a link is unusable.
    """
    values = {name: _READERS[name](facts, locale) for name in names if name != "items"}
    if "items" in names:
        values["items"] = item_views(facts, locale, topics or {})
    return values


def item_views(facts: MessageFacts, locale: Locale, topics: Mapping[str, str]) -> list[ItemView]:
    """The recommended items as templates see them.

    Raises:
        FactError: a link is unusable.
    """
    return [_item(item, locale, topics) for item in facts.items[:MAX_ITEMS]]


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
