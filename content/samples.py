"""Made-up learners' facts: an ordinary one to look at, and extreme ones that every message must survive."""

from __future__ import annotations

from datetime import date

from pushpull.ledger.messages import MessageFacts, RecommendedItem

#: The longest link a text message is planned with, in characters: a signed token has 70, which leaves 30 for the host.
LINK_LENGTH = 100

_BASE = "https://learn.example"
LONG_LINK = f"{_BASE}/l/".ljust(LINK_LENGTH, "x")


def _item(number: int, *, title: str, kind: str, value: str | None, minutes: float | None = 5) -> RecommendedItem:
    return RecommendedItem(
        title=title,
        url=f"{_BASE}/l/item{number}",
        minutes=minutes,
        reason_kind=kind,
        reason_value=value,
        summary="What good questions do, with two examples to try.",
        format="video",
    )


#: Anyone, for previews.
ORDINARY = MessageFacts(
    given_name="Alex",
    link=f"{_BASE}/l/4fQx2mT9bLw7RzKd",
    unsubscribe_url=f"{_BASE}/u/9sVc1nYp3GhEjQ5t",
    preferences_url=f"{_BASE}/p/7dKf8wXz2BmNaU6r",
    first_contact=True,
    place_title="Say what you saw",
    item_title="Feedback 101",
    item_minutes=8,
    due_on=date(2026, 1, 23),
    days_left=2,
    items=(
        _item(1, title="Ask better questions", kind="goal", value="lead a small team", minutes=6),
        _item(2, title="Check what the machine wrote", kind="trend", value=None, minutes=4),
        _item(3, title="One page, one point", kind="short", value=None, minutes=3),
    ),
)

#: Nothing is known.
_BLANK = MessageFacts(given_name="", link=LONG_LINK, unsubscribe_url="", preferences_url=f"{_BASE}/p/x")

_HOSTILE = '"}],"x":"<script>alert(1)</script>{{ 7*7 }}{% raw %}\r\nBcc: a@b.example\x00\u202e*_`[a](http://b.example)<!channel>'


def _named(name: str, *, minutes: float | None = 1e9) -> MessageFacts:
    return MessageFacts(
        given_name=name,
        link=LONG_LINK,
        unsubscribe_url=f"{_BASE}/u/x",
        preferences_url=f"{_BASE}/p/x",
        first_contact=True,
        place_title=name,
        item_title=name,
        item_minutes=minutes,
        due_on=date(2028, 2, 29),
        days_left=-400,
        is_last_nudge=True,
        items=tuple(
            _item(number, title=name, kind=kind, value=name, minutes=minutes)
            for number, kind in enumerate(("goal", "need", "trend", "together", "colleagues", "popular", "short") * 2)
        ),
    )


#: Learners that break careless templates, by what is special about them.
EXTREMES: dict[str, MessageFacts] = {
    "nothing known": _BLANK,
    "long names": _named("Wilhelmina-Anastasia " * 12),
    "one long word": _named("W" * 250),
    "right to left": _named("عبد الرحمن بن محمد"),
    "Cyrillic": _named("Александра Константиновна"),
    "emoji": _named("👩🏽‍💻" * 40),
    "extension characters": _named("{[€~^|\\]}" * 20),
    "hostile": _named(_HOSTILE),
    "markup": _named("<b>O'Neil & Söhne</b>", minutes=0),
}
