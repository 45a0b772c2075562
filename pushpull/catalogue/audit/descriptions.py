"""Rules about how an item describes itself: does somebody who reads it know whether to take it?"""

from __future__ import annotations

from pushpull.catalogue.audit.facts import Item
from pushpull.catalogue.audit.findings import Evidence
from pushpull.catalogue.audit.wording import base, language_of, says_an_outcome
from pushpull.catalogue.readability import lix, words_in

#: Words below which a summary says nothing.
_FEWEST_WORDS = 4
#: Words from which on it can be said how hard a text reads; LIX jumps about on a line or two.
_FEWEST_TO_GRADE = 20
#: The LIX above which a description is hard: Björnsson's 50 ("difficult: what authorities write"), and more where words
#: are longer, in the proportions of the word lists of messages.
_HARD = {"en": 50.0, "de": 60.0, "fr": 57.0, "es": 55.0}
_HARD_ELSEWHERE = 60.0


def no_summary(item: Item) -> Evidence | None:
    """There is no description to speak of."""
    count = len(words_in(item.summary or ""))
    return Evidence("it has no description: say in two lines what it is", {"word_count": count}) if not count else None


def no_outcome(item: Item) -> Evidence | None:
    """The description does not say what somebody can do afterwards."""
    if not item.summary or not words_in(item.summary):
        return None  # said by another rule
    words = len(words_in(item.summary))
    if words >= _FEWEST_WORDS and says_an_outcome(item.summary, item.language) is not False:
        return None
    return Evidence("it does not say what one can do afterwards: begin with a verb", {"word_count": words})


def no_duration(item: Item) -> Evidence | None:
    """Nobody knows how long it takes."""
    return Evidence("it does not say how long it takes") if not item.minutes else None


def no_level(item: Item) -> Evidence | None:
    """Nobody knows whom it is for."""
    return Evidence("it does not say for whom it is: basic, advanced …") if not (item.level or "").strip() else None


def no_language(item: Item) -> Evidence | None:
    """Its language is not stated."""
    if item.language:
        return None
    seen = language_of(item.text)
    words = "its language is not stated" + (f": it reads like {seen!r}" if seen else "")
    return Evidence(words, {"reads_like": seen} if seen else {})


def wrong_language(item: Item) -> Evidence | None:
    """Its words are of another language than the one that is stated."""
    if not item.language:
        return None
    seen = language_of(f"{item.title}. {item.summary or ''}")
    if seen is None or seen == base(item.language):
        return None
    words = f"it is said to be in {item.language!r} and reads like {seen!r}: people get it who do not read that"
    return Evidence(words, {"stated": item.language, "reads_like": seen})


def hard_to_read(item: Item) -> Evidence | None:
    """The description reads like what authorities write."""
    text = item.summary or ""
    if len(words_in(text)) < _FEWEST_TO_GRADE:
        return None
    language = base(item.language) if item.language else language_of(text)
    grade, limit = lix(text), _HARD.get(language or "", _HARD_ELSEWHERE)
    if grade <= limit:
        return None
    words = f"it is hard to read: LIX {grade:.0f}, at most {limit:.0f} is good; shorter sentences, shorter words"
    return Evidence(words, {"lix": round(grade, 1), "limit": limit})
