"""The interface every channel has, and nothing else.

A channel takes addressed, written messages and returns one outcome for each. It never retries, opens no database
transaction and raises only :class:`pushpull.ledger.outcomes.ChannelStopped`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import OutgoingMessage
from pushpull.ledger.outcomes import Evidence, Outcome


@dataclass(frozen=True, slots=True)
class Limits:
    """What a channel takes.

    Args:
        batch_size: messages per provider request.
        per_second: messages per second the provider allows; None where nothing is known.
    """

    batch_size: int
    per_second: float | None = None


class ChannelAdapter(Protocol):
    """One way to reach learners."""

    @property
    def channel(self) -> Channel:
        """Which channel this is."""

    @property
    def limits(self) -> Limits:
        """What it takes."""

    @property
    def can_look_up(self) -> bool:
        """Whether :meth:`look_up` can find evidence."""

    def send(self, messages: Sequence[OutgoingMessage], *, deadline: float) -> Sequence[Outcome]:
        """Hand the messages to the provider in one request.

        Args:
            messages: at most ``limits.batch_size``.
            deadline: monotonic seconds (:func:`time.monotonic`) after which the answer no longer counts.

        Returns:
            One outcome per message, in order.

        Raises:
            ChannelStopped: the whole channel cannot send.
        """

    def look_up(self, handovers: Sequence[tuple[UUID, Sequence[str]]]) -> Sequence[Evidence]:
        """What the provider knows about the deliveries of these handovers.

        Args:
            handovers: pairs of a handover's id and the delivery ids in doubt.
        """
