"""Changing cards that were sent: "done, thanks" in the place of what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol, runtime_checkable
from urllib.parse import quote

import orjson

from channels.teams.addresses import Untrusted
from channels.teams.bot import CARD_TYPE, Bot, OutOfReach, activities_path
from channels.wire import Failure
from pushpull.ledger.cards import SentCard
from pushpull.ledger.outcomes import Rejected

#: What a card says once nothing is asked for any more, by language: a headline and a sentence.
_DONE: Mapping[str, tuple[str, str]] = {
    "en": ("Done, thank you!", "You have completed this. There is nothing left to do here."),
    "de": ("Erledigt, danke!", "Sie haben das abgeschlossen. Hier ist nichts mehr zu tun."),
    "fr": ("C’est fait, merci !", "Vous avez terminé. Il ne reste plus rien à faire ici."),
    "es": ("¡Hecho, gracias!", "Ya lo ha completado. Aquí no queda nada por hacer."),
}


class CardOutcome(StrEnum):
    """What became of changing a card."""

    UPDATED = "updated"
    GONE = "gone"  # it cannot be changed: deleted, or the bot is no longer there
    LATER = "later"  # not known or not possible now; to change it again changes nothing


@runtime_checkable
class ClosesCards(Protocol):
    """A channel whose cards can be changed after they were sent."""

    def close_card(self, card: SentCard, *, deadline: float) -> CardOutcome:
        """Change a card to "done, thanks"; as often as one likes.

        Raises:
            ChannelStopped: the channel cannot be used.
        """


def done_card(language: str) -> dict[str, object]:
    """The card that takes the place of one whose learner is done.

    Args:
        language: BCP 47; English where there is no text of it.
    """
    known = language.partition("-")[0].lower()
    headline, sentence = _DONE.get(known, _DONE["en"])
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "lang": known if known in _DONE else "en",
        "fallbackText": headline,
        "body": [
            {"type": "TextBlock", "text": headline, "weight": "Bolder", "size": "Large", "wrap": True},
            {"type": "TextBlock", "text": sentence, "wrap": True},
        ],
    }


class CardUpdates:
    """Changes cards as the bot that sent them."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    def close_card(self, card: SentCard, *, deadline: float) -> CardOutcome:
        """See :class:`ClosesCards`."""
        try:
            wire = self._bot.wire_to(card.service_url)
        except Untrusted:
            return CardOutcome.GONE
        content = done_card(card.language)
        activity = {
            "type": "message",
            "id": card.activity_id,
            "from": {"id": self._bot.id},
            "conversation": {"id": card.conversation_id},
            "summary": content["fallbackText"],
            "attachments": [{"contentType": CARD_TYPE, "content": content}],
        }
        path = f"{activities_path(card.conversation_id)}/{quote(card.activity_id, safe='')}"
        try:
            answer = self._bot.ask(wire, "PUT", path, orjson.dumps(activity), deadline=deadline)
        except Failure:
            return CardOutcome.LATER
        if answer.is_success:
            return CardOutcome.UPDATED
        return CardOutcome.GONE if isinstance(self._bot.meaning(answer), OutOfReach | Rejected) else CardOutcome.LATER
