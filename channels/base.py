"""The interface every channel has, and nothing else.

A channel takes addressed, written messages and returns one outcome for each. It never retries, opens no database
transaction and raises only :class:`pushpull.ledger.outcomes.ChannelStopped`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import OutgoingMessage
from pushpull.ledger.outcomes import Evidence, Outcome, Question


@dataclass(frozen=True, slots=True)
class Limits:
    """What a channel takes.

    Args:
        batch_size: messages per handover; whether they travel in one request or in one each is the channel's business.
        per_second: messages per second all workers together may hand over; None: as many as they can.
        can_plan_ahead: whether the provider keeps messages until the instant they are to be sent at.
        takes_shared_bodies: whether it takes e-mails as a template and values, many in one request; a handover then
            holds messages of one template only.
    """

    batch_size: int
    per_second: float | None = None
    can_plan_ahead: bool = False
    takes_shared_bodies: bool = False


class ChannelAdapter(Protocol):
    """One way to reach learners. An adapter may be called by several threads at once."""

    @property
    def channel(self) -> Channel:
        """Which channel this is."""

    @property
    def limits(self) -> Limits:
        """What it takes."""

    @property
    def can_look_up(self) -> bool:
        """Whether :meth:`look_up` can find evidence."""

    def send(
        self, messages: Sequence[OutgoingMessage], *, deadline: float, not_before: Sequence[float] = ()
    ) -> Sequence[Outcome]:
        """Hand over the messages of one handover.

        Args:
            messages: at most ``limits.batch_size``.
            deadline: monotonic seconds (:func:`time.monotonic`) after which no byte may leave and no answer counts.
            not_before: monotonic seconds per message: its slot in the provider's rate; empty: at once.

        Returns:
            One outcome per message, in order.

        Raises:
            ChannelStopped: the whole channel cannot send.
        """

    def look_up(self, questions: Sequence[Question]) -> Sequence[Evidence]:
        """What the provider knows about the deliveries of these handovers.

        Returns:
            Evidence for the deliveries it could find out about; what is missing is unknown. A provider that cannot be
            asked now is no error: nothing is known then.
        """


class PlanningAdapter(ChannelAdapter, Protocol):
    """A channel whose provider keeps messages until they are to be sent (``limits.can_plan_ahead``)."""

    def reserve(self, count: int) -> Sequence[str]:
        """Names for requests that are about to be made, by which the provider can be told to forget them.

        Raises:
            ChannelStopped: the whole channel cannot send.
            channels.wire.Failure: the provider gave no name now; nothing was sent.
        """
