"""How hard a text is to read, whatever its language: words, sentences, the LIX grade."""

from __future__ import annotations

import re

#: A word is long from here on, in letters (Björnsson 1968).
_LONG_WORD = 7

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE = re.compile(r"[.!?:]+(?:\s|$)")


def words_in(text: str) -> list[str]:
    """The words of a text; numbers are none."""
    return _WORD.findall(text)


def lix(text: str) -> float:
    """Readability index: words per sentence plus the percentage of words longer than six letters.

    Below 30 is very easy, 40 is ordinary, above 50 is hard. It counts letters, not syllables, so it works for any
    language with words and sentences. Source: C. H. Björnsson, Läsbarhet, Stockholm 1968.

    Returns:
        0 for a text without words.
    """
    words = words_in(text)
    if not words:
        return 0.0
    sentences = max(1, len(_SENTENCE.findall(text.strip())))
    long_words = sum(len(word) >= _LONG_WORD for word in words)
    return len(words) / sentences + 100 * long_words / len(words)
