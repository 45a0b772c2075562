"""What a provider's answer means: one outcome per message, and one error for what stops a whole channel.

A channel returns outcomes; the ledger settles them. Nothing else crosses that seam.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Accepted:
    """Positive evidence that the provider took the message.

    Args:
        provider_id: the provider's own id of this message, where it names one per message.
    """

    provider_id: str | None = None


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


class Finding(StrEnum):
    """What a look-up at the provider established about one message."""

    ACCEPTED = "accepted"
    ABSENT = "absent"  # the provider surely has not got it
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The answer of a look-up for one delivery of one handover."""

    delivery_id: str
    handover_id: str
    finding: Finding
    provider_id: str | None = None


class ChannelStopped(Exception):
    """The whole channel cannot send: bad credentials, a broken contract. Nothing of the call was processed.

    Args:
        message: what happened and what to do about it; shown to ops as it stands.
    """
