"""What providers tell us, in the ledger's own words: a closed vocabulary that every provider's events are read into.

Reading a provider's events is in `channels.callbacks`; what the news do to the ledger is in
:mod:`pushpull.ledger.inbox`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.conversations import Reference
from pushpull.ledger.vocabulary import EventKind


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One event as a provider told it.

    Args:
        key: the provider's own id of the event, or a hash of it: an event of the same key is the same event.
        body: the event as JSON.
    """

    key: str
    body: str


class Word(StrEnum):
    """What a person said about being written to."""

    STOP = "stop"  # nothing more on this channel
    START = "start"  # takes that back
    REFUSAL = "refusal"  # reads like a stop: nothing more until a person has looked at it
    REPLY = "reply"  # anything else: for a person to read
    OPT_OUT = "opt_out"  # no more of this family on this channel
    OPT_OUT_ALL = "opt_out_all"  # of no family on this channel
    OPT_IN = "opt_in"  # this family on this channel after all


@dataclass(frozen=True, slots=True)
class DeliveryName:
    """A delivery, as it travelled inside the message.

    Args:
        handover_id: the provider request it was part of; None where the provider does not say.
    """

    wave_id: int
    rotation: int
    learner_id: int
    handover_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """An address on a channel, where the provider names no delivery."""

    channel: Channel
    value: str


@dataclass(frozen=True, slots=True)
class Told:
    """A fact about a message, or a word of the person it went to.

    Args:
        about: the delivery, or the address it must be found by.
        key: names the fact itself: the same fact told in another event has the same key.
        at: when it happened, UTC; never after it was received.
        kind: the fact; None where a word is all there is.
        detail: a short code, never personal data.
        suppress: why nothing more may go to the address.
        word: what the person said.
    """

    about: DeliveryName | Address
    key: str
    at: datetime
    kind: EventKind | None = None
    detail: str | None = None
    suppress: SuppressionReason | None = None
    word: Word | None = None


@dataclass(frozen=True, slots=True)
class BotInstalled:
    """A person can be reached by the bot, and how."""

    reference: Reference


@dataclass(frozen=True, slots=True)
class BotRemoved:
    """A person removed the bot."""

    address: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChannelLost:
    """The channel cannot send until a person has seen to it."""

    channel: Channel
    reason: str
    at: datetime


News = Told | BotInstalled | BotRemoved | ChannelLost


def is_urgent(news: News) -> bool:
    """Whether it must stand before the next handover: it may forbid one."""
    match news:
        case Told(kind=kind, suppress=suppress, word=word):
            return bool(suppress or word) or kind in _FORBIDDING
        case BotRemoved() | ChannelLost():
            return True
        case BotInstalled():
            return False


_FORBIDDING = frozenset({EventKind.OPTED_OUT, EventKind.COMPLAINED, EventKind.BOUNCED})
