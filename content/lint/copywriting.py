"""How copy reads: words, sentences, the LIX grade, and phrases that do not belong into it (`wordlists/*.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from pydantic import ConfigDict, Field

from content.source import ContentModel, parse, read_yaml
from pushpull.catalogue.readability import lix, words_in

__all__ = ["SUBJECT_LIMIT", "WORD_LIMIT", "WordList", "found_in", "lix", "load_wordlist", "phrases", "words_in"]

#: Most words in the body of a message.
WORD_LIMIT = 90
#: Longest subject that phones show whole, in characters.
SUBJECT_LIMIT = 70


class WordList(ContentModel):
    """Phrases of one language that the linter looks for; a star at the end stands for any ending.

    Args:
        reading_limit: highest LIX for a message.
        shaming, debt, urgency: never in any message (mission H2).
        promotion: never in a mandatory message (mission D10).
        small_print: never in any message (mission L1).
    """

    model_config = ConfigDict(ignored_types=(cached_property,))

    reading_limit: float = Field(gt=0)
    shaming: tuple[str, ...]
    debt: tuple[str, ...]
    urgency: tuple[str, ...]
    promotion: tuple[str, ...]
    small_print: tuple[str, ...]

    @cached_property
    def never(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        """The kinds of phrases that no message may hold."""
        kinds = (
            ("shaming", self.shaming),
            ("debt", self.debt),
            ("urgency", self.urgency),
            ("small-print", self.small_print),
        )
        return tuple((kind, phrases(found)) for kind, found in kinds)


def load_wordlist(language: str, content_dir: Path) -> WordList | None:
    """The phrases of a language; None where nobody has listed any.

    Raises:
        ContentError: the file is wrong.
    """
    path = content_dir / "wordlists" / f"{language.split('-', maxsplit=1)[0]}.yaml"
    return parse(read_yaml(path), WordList) if path.is_file() else None


def phrases(wanted: Sequence[str]) -> re.Pattern[str]:
    """A pattern that finds any of the phrases as whole words, whatever their case."""
    if not wanted:
        return re.compile(r"(?!)")
    parts = (
        r"\s+".join(re.escape(word) for word in phrase.removesuffix("*").split())
        + (r"\w*" if phrase.endswith("*") else "")
        for phrase in wanted
    )
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)", re.IGNORECASE)


def found_in(text: str, pattern: re.Pattern[str]) -> Iterator[str]:
    """What a pattern of :func:`phrases` finds, as it stands in the text."""
    return (found[0] for found in pattern.finditer(text))
