"""Cards in chats that still ask for what their learner has done by now: which they are, and that they were changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, func, select

from pushpull.db import insert_new
from pushpull.learners.tables import learner, lifecycle
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.tables import card_update, conversation, delivery, wave
from pushpull.ledger.vocabulary import DeliveryState

#: Between the conversation and the activity in a card's provider id; neither contains it.
_BETWEEN = "|"

#: The longest provider id a delivery row holds.
_LONGEST = 255

#: Nobody scrolls back further, and Teams does not change messages for ever.
OLDEST = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class SentCard:
    """A card as it was sent.

    Args:
        service_url: where the Bot Connector of its conversation answers; empty: not known.
        language: the card's, BCP 47; empty: not known.
    """

    wave_id: int
    rotation: int
    learner_id: int
    conversation_id: str
    activity_id: str
    service_url: str
    language: str


def card_id(conversation_id: str, activity_id: str) -> str | None:
    """The provider id by which a sent card is found again; None where there is none, or none short enough."""
    found = f"{conversation_id}{_BETWEEN}{activity_id}"
    return found if conversation_id and activity_id and len(found) <= _LONGEST else None


def cards_to_close(connection: Connection, *, now: datetime, limit: int) -> list[SentCard]:
    """Teams cards whose learners completed the campaign after getting them, oldest first, that still ask for it.

    Args:
        now: the campaign's clock, UTC; completions after it have not happened yet.
        limit: how many at most.
    """
    found = connection.execute(
        select(
            delivery.c.wave_id,
            delivery.c.rotation,
            delivery.c.learner_id,
            delivery.c.provider_id,
            delivery.c.language,
            conversation.c.service_url,
        )
        .join(wave, wave.c.id == delivery.c.wave_id)
        .join(
            lifecycle,
            and_(lifecycle.c.campaign_id == wave.c.campaign_id, lifecycle.c.learner_id == delivery.c.learner_id),
        )
        .join(learner, learner.c.id == delivery.c.learner_id)
        .outerjoin(
            conversation,
            and_(
                conversation.c.channel == Channel.TEAMS.value, conversation.c.address == func.lower(learner.c.teams_id)
            ),
        )
        .outerjoin(
            card_update,
            and_(
                card_update.c.wave_id == delivery.c.wave_id,
                card_update.c.rotation == delivery.c.rotation,
                card_update.c.learner_id == delivery.c.learner_id,
            ),
        )
        .where(
            # The second follows from those below it; said, so that the database need not look at everybody who is done.
            lifecycle.c.completed_at <= now,
            lifecycle.c.completed_at >= now - OLDEST,
            lifecycle.c.completed_at >= delivery.c.settled_at,
            delivery.c.channel == Channel.TEAMS.value,
            delivery.c.state.in_([DeliveryState.ACCEPTED.value, DeliveryState.DELIVERED.value]),
            delivery.c.provider_id.contains(_BETWEEN),
            delivery.c.settled_at >= now - OLDEST,
            card_update.c.wave_id.is_(None),
        )
        .order_by(delivery.c.wave_id, delivery.c.rotation, delivery.c.learner_id)
        .limit(limit)
    )
    return [
        SentCard(
            row.wave_id,
            row.rotation,
            row.learner_id,
            *_parts(row.provider_id),
            row.service_url or "",
            row.language or "",
        )
        for row in found
    ]


def record_closed(connection: Connection, outcomes: Iterable[tuple[SentCard, str]], *, at: datetime) -> int:
    """Keep what became of cards, so that nobody touches them again; returns how many that is news of.

    Args:
        outcomes: ``updated`` or ``gone``.
    """
    return insert_new(
        connection,
        card_update,
        [
            {
                "wave_id": card.wave_id,
                "rotation": card.rotation,
                "learner_id": card.learner_id,
                "outcome": outcome,
                "updated_at": at,
            }
            for card, outcome in outcomes
        ],
    )


def _parts(provider_id: str) -> tuple[str, str]:
    conversation_id, _, activity_id = provider_id.rpartition(_BETWEEN)
    return conversation_id, activity_id
