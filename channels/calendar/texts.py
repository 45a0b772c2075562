"""What an entry for learning says, in the languages that messages are written in.

Others may see somebody's calendar: an entry names what is to be learned and where it is, and holds no link of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class _Texts:
    """Subject of an entry; what stands in for an item; how its body begins."""

    subject: str
    next_item: str
    body: str


_BY_LANGUAGE: Final[Mapping[str, _Texts]] = {
    "en": _Texts("Time to learn", "The next thing on your list", "Two minutes are enough. You put this here yourself."),
    "de": _Texts(
        "Zeit zum Lernen", "Das Nächste auf Ihrer Liste", "Zwei Minuten genügen. Sie haben das selbst eingetragen."
    ),
    "fr": _Texts(
        "Temps pour apprendre",
        "La suite de votre liste",
        "Deux minutes suffisent. C’est vous qui l’avez noté ici.",
    ),
    "es": _Texts("Tiempo para aprender", "Lo siguiente de tu lista", "Bastan dos minutos. Lo has anotado tú."),
}


def entry_texts(language: str, *, title: str, url: str) -> tuple[str, str]:
    """Subject and body of an entry.

    Args:
        language: the learner's, BCP 47; English where there are no words of it.
        title: of what is to be opened; empty for whatever is next.
        url: where it is; left out unless it is https.
    """
    spoken = language.lower().replace("_", "-").partition("-")[0]
    texts = _BY_LANGUAGE.get(spoken, _BY_LANGUAGE["en"])
    subject = f"{texts.subject}: {title}" if title else texts.subject
    lines = [title or texts.next_item, url if url.startswith("https://") else "", texts.body]
    return subject, "\n".join(line for line in lines if line)
