"""What a drain needs of the floors above: somebody who writes messages and carries them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from pushpull.ledger.claims import Batch
from pushpull.ledger.handovers import Handover
from pushpull.ledger.outcomes import Outcome


class Courier(Protocol):
    """What a drain needs of the floors above: messages written, and carried. Several threads may use it at once."""

    def request_size(self, channel: str) -> int:
        """How many messages of a channel go into one handover."""

    def per_second(self, channel: str) -> float | None:
        """How many messages per second all workers together may hand over; None: as many as they can."""

    def group_of(self, message: object) -> Hashable:
        """What messages must have in common to share a handover."""

    def write(self, connection: Connection, batch: Batch) -> Mapping[int, object]:
        """Write the messages of a batch, by learner id; who is missing could not be written for.

        Those of a batch that is diverted are addressed to that learner alone.
        """

    def reserve(self, channel: str, count: int) -> Sequence[str]:
        """Names by which planned requests can be called back; asked for planned mail only.

        Raises:
            ChannelStopped: the whole channel cannot send.
            NotReadyError: the provider gives none now.
        """

    def carry(
        self,
        channel: str,
        handover: Handover,
        messages: Sequence[object],
        *,
        deadline: float,
        not_before: Sequence[float],
        send_at: datetime | None,
    ) -> Sequence[Outcome]:
        """Hand written messages to the channel, in the order of the handover's learners.

        Args:
            deadline: monotonic seconds at which everything must be over.
            not_before: monotonic seconds per message: its slot in the provider's rate; empty: at once.
            send_at: for planned mail, when the provider is to send it, UTC.

        Raises:
            ChannelStopped: the whole channel cannot send.
        """


class NotReadyError(Exception):
    """A provider could not be prepared for a request; nothing was sent, and a later try may do.

    Args:
        code: what happened, as a short code.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
