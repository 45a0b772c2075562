"""What learners write for each other: made plain, and looked over before others read it.

Nothing is judged here. A doubt only means that a person looks first; what they decide lives in
:mod:`pushpull.learners.reviews`.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML

_WORDS: Final = Path(__file__).parent / "words_to_check.yaml"

_ADDRESS: Final = re.compile(r"[\w.+-]+\s*(?:@|\(at\)|\[at\])\s*[\w-]+", re.IGNORECASE)
_LINK: Final = re.compile(
    r"\b[a-z][a-z0-9+.-]*://|\bwww\.|\b[\w-]+\.(?:com|org|net|io|co|eu|de|at|ch|fr|es|uk|us|info|biz|me|ly|app|dev|ru|cn)\b",
    re.IGNORECASE,
)
#: Seven digits or more with nothing but signs between them: shorter ones are counts and years.
_PHONE: Final = re.compile(r"\d(?:[\s./()\-]{0,3}\d){6,}")
#: So many letters in capitals are shouting; fewer are an abbreviation.
_LOUD_RUN: Final = 15
_LOUD_SHARE: Final = 0.7


class Doubt(StrEnum):
    """Why words wait for a person."""

    LINK = "link"
    ADDRESS = "address"
    PHONE = "phone"
    SHOUTING = "shouting"
    WORD = "word"  # one of the list
    HIDDEN_BEFORE = "hidden_before"  # what the same person wrote about the same item was hidden


def tidied(text: str) -> str:
    """Words in one line: composed letters (NFC), no control, invisible or direction-turning characters."""
    plain = (" " if sign.isspace() else sign for sign in unicodedata.normalize("NFC", text))
    kept = "".join(sign for sign in plain if unicodedata.category(sign) not in ("Cc", "Cf", "Cs"))
    return " ".join(kept.split())


def doubt_about(words: str) -> Doubt | None:
    """The first reason why somebody should read the words before others do; None: there is none.

    Args:
        words: as :func:`tidied` gave them.
    """
    # Letters that only look different, such as full-width ones, are read as what they stand for.
    read = unicodedata.normalize("NFKC", words)
    if _ADDRESS.search(read):
        return Doubt.ADDRESS
    if _LINK.search(read):
        return Doubt.LINK
    if _PHONE.search(read):
        return Doubt.PHONE
    if _is_shouting(read):
        return Doubt.SHOUTING
    return Doubt.WORD if _to_check().search(read.casefold()) else None


def _is_shouting(text: str) -> bool:
    letters = [sign for sign in text if sign.isalpha()]
    loud = sum(sign.isupper() for sign in letters)
    return loud >= _LOUD_RUN and loud >= _LOUD_SHARE * len(letters)


@lru_cache(maxsize=1)
def _to_check() -> re.Pattern[str]:
    lists: dict[str, list[str]] = YAML(typ="safe").load(_WORDS.read_text(encoding="utf-8"))
    words = {unicodedata.normalize("NFC", word).casefold() for each in lists.values() for word in each}
    patterns = (re.escape(word.removesuffix("*")) + (r"\w*" if word.endswith("*") else "") for word in sorted(words))
    return re.compile(rf"\b(?:{'|'.join(patterns)})\b")
