"""What a provider's answer means: one outcome per message, and one error for what stops a whole channel.

A channel returns outcomes; the ledger settles them. Nothing else crosses that seam.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Accepted:
    """Positive evidence that the provider took the message.

    Args:
        provider_id: the provider's own id of this message, where it names one per message.
        request_id: the provider's own id of the request, where one request carries many messages.
    """

    provider_id: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refused this recipient or this message for good.

    Args:
        reason: a short code, never personal data.
        suppress: a :class:`pushpull.learners.vocabulary.SuppressionReason` when the address itself is unusable.
    """

    reason: str
    suppress: str | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Proof that the provider did not process the message: it may be tried again.

    Args:
        reason: a short code that names the proof, e.g. ``connection_refused`` or ``throttled``.
        retry_at: not before this instant (UTC), where the provider said so.
    """

    reason: str
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The provider may have processed the message; only evidence settles it.

    Args:
        reason: a short code, e.g. ``read_timeout``.
    """

    reason: str


Outcome = Accepted | Rejected | NotSent | Uncertain

#: The reason of :class:`NotSent` when a provider asks everybody to slow down: its ``retry_at`` holds for all workers.
THROTTLED = "throttled"
#: The reason of :class:`NotSent` for messages whose turn did not come before the call had to be over.
DEADLINE_PASSED = "deadline_passed"
#: The reason of :class:`NotSent` for messages that came too late for their slot in the provider's rate.
TURN_PASSED = "turn_passed"
#: The reason of :class:`NotSent` for messages that were not tried because their channel had stopped.
CHANNEL_STOPPED = "channel_stopped"


class Finding(StrEnum):
    """What a look-up at the provider established about one message."""

    ACCEPTED = "accepted"
    ABSENT = "absent"  # the provider does not know it: proof once its own delay is over
    CANCELLED = "cancelled"  # the provider was told never to send it, and agreed: proof at once
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Question:
    """A handover whose outcome nobody knows, as its channel is asked about it.

    Args:
        wave_id: which wave's messages it carried.
        addresses: delivery id to the address it was sent to; None where the address may have changed since.
        request_id: what the provider calls the request, where it was named before it was made.
        intended_at: when it was about to be made, the database's clock, UTC.
        asked_at: the database's clock now.
        send_at: for planned mail, when the provider is to send it.
        shared: deliveries whose mailbox other learners have, too: a message there may be somebody else's.
    """

    handover_id: UUID
    wave_id: int
    addresses: Mapping[str, str | None]
    intended_at: datetime
    asked_at: datetime
    request_id: str | None = None
    send_at: datetime | None = None
    shared: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Evidence:
    """The answer of a look-up for one delivery of one handover."""

    delivery_id: str
    handover_id: str
    finding: Finding
    provider_id: str | None = None


class ChannelStopped(Exception):
    """The whole channel cannot send: bad credentials, a broken contract.

    Args:
        message: what happened and what to do about it; shown to ops as it stands.
        outcomes: of the call's messages, in order, where some had been handed over before the channel stopped; empty:
            nothing of the call was processed.
    """

    def __init__(self, message: str, outcomes: Sequence[Outcome] = ()) -> None:
        super().__init__(message)
        self.outcomes = tuple(outcomes)
