"""What the pages say, in the languages that messages are written in.

The words are data: ``locale/<area>.yaml`` has the words of one area of pages, an entry each, every entry in every
language. ``core`` is there on all pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML

FOLDER: Final = Path(__file__).parent / "locale"
#: The first is the last resort.
LANGUAGES: Final = ("en", "de", "fr", "es")
_BRACES = re.compile(r"\{(\w+)\}")


class WordsError(ValueError):
    """A file of words is not complete; the text names the file, the entry and what it lacks."""


class Words:
    """The words of one language.

    Args:
        language: one of :data:`LANGUAGES`.
        texts: by key; braces are filled in.
    """

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = texts

    def __call__(self, key: str, /, **values: object) -> str:
        """An entry with its braces filled in; it is plain text, and escaped where a page shows it.

        Raises:
            KeyError: there is no such entry, or a brace is not filled.
        """
        return self._texts[key].format(**values)

    def counted(self, key: str, count: int, /, **values: object) -> str:
        """The entry ``key`` for ``{n}`` of something; ``key_one`` where it is one."""
        return self(f"{key}_one" if count == 1 else key, n=count, **values)

    def channel(self, name: str) -> str:
        """A channel's name; ``*`` stands for all."""
        return self._texts.get(f"channel_{'any' if name == '*' else name}", name)

    def family(self, name: str) -> str:
        """A family of messages as people read it."""
        return self("all_families") if name == "*" else name.replace("-", " ").replace("_", " ")


def words_for(language: str, *areas: str) -> Words:
    """The words for a learner's language (BCP 47), by its first part; English where there are none.

    Args:
        areas: of pages, beside ``core``.

    Raises:
        WordsError: a file is not complete.
    """
    spoken = language.lower().replace("_", "-").partition("-")[0]
    return _words(spoken if spoken in LANGUAGES else LANGUAGES[0], areas)


def spoken_in(accept_language: str) -> str:
    """The first of our languages that a browser asks for (RFC 9110, section 12.5.4); empty when it asks for none."""
    wishes = []
    for place, part in enumerate(accept_language[:500].split(",")):
        tag, _, weight = part.strip().partition(";")
        quality = re.fullmatch(r"\s*q=(0(?:\.\d{1,3})?|1(?:\.0{1,3})?)\s*", weight)
        if not weight or quality:
            wishes.append((-float(quality[1]) if quality else -1.0, place, tag.lower().partition("-")[0]))
    return next((tag for weight, _, tag in sorted(wishes) if weight and tag in LANGUAGES), "")


@lru_cache
def _words(language: str, areas: tuple[str, ...]) -> Words:
    texts: dict[str, str] = {}
    for area in ("core", *areas):
        texts.update({key: entry[language] for key, entry in _entries(area).items()})
    return Words(language, texts)


@lru_cache
def _entries(area: str) -> Mapping[str, Mapping[str, str]]:
    path = FOLDER / f"{area}.yaml"
    entries: dict[str, dict[str, str]] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    for key, entry in entries.items():
        where = f"{path.name}: {key}"
        if lacking := [language for language in LANGUAGES if not str(entry.get(language) or "").strip()]:
            raise WordsError(f"{where} lacks {', '.join(lacking)}")
        if len({frozenset(_BRACES.findall(entry[language])) for language in LANGUAGES}) > 1:
            raise WordsError(f"{where} has other braces in one language than in another")
    return entries
