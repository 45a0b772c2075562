"""Thanks in public as a card: the name that somebody agreed to show, and what they are thanked for.

Nothing else is in it: no numbers, no item, no campaign, nobody else.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML

from pushpull.learners.recognitions import Thanks
from pushpull.ledger.messages import CardBody

_WORDS: Final = Path(__file__).parent / "thanks.yaml"
_LAST_RESORT: Final = "en"


def thanks_card(thanks: Thanks, language: str) -> CardBody:
    """The card for a Teams channel.

    Args:
        language: BCP 47; one we do not speak gets English.
    """
    title, line = _said("title", language), _said(thanks.kind.value, language)
    text = line.replace("{name}", " ".join(thanks.name.split()))
    card = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "body": [_text(title, weight="Bolder", size="Large"), _text(text)],
    }
    return CardBody(json.dumps(card, ensure_ascii=False), f"{title}: {text}")


def _text(text: str, **style: str) -> dict[str, object]:
    """Text as it is: a TextBlock would take a name for markup."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def _said(key: str, language: str) -> str:
    by_language = _words()[key]
    spoken = language.lower().replace("_", "-").partition("-")[0]
    return by_language.get(spoken) or by_language[_LAST_RESORT]


@lru_cache
def _words() -> dict[str, dict[str, str]]:
    words: dict[str, dict[str, str]] = YAML(typ="safe").load(_WORDS.read_text(encoding="utf-8"))
    return words
