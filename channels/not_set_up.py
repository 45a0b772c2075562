"""The channel that is not there: real providers are in use, and nobody has set this one up."""

from __future__ import annotations

from collections.abc import Sequence

from channels.base import Limits
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import OutgoingMessage
from pushpull.ledger.outcomes import ChannelStopped, Evidence, Outcome, Question


class NotSetUp:
    """Takes nothing: its messages wait until it is set up, or until they expire.

    Args:
        channel: which one is missing.
    """

    can_look_up = False

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.limits = Limits(batch_size=1000)

    def send(
        self, messages: Sequence[OutgoingMessage], *, deadline: float, not_before: Sequence[float] = ()
    ) -> Sequence[Outcome]:
        """Hand over nothing. See :class:`channels.base.ChannelAdapter`.

        Raises:
            ChannelStopped: always, unless there is nothing to send.
        """
        if not messages:
            return []
        raise ChannelStopped(
            f"{self.channel} is not set up: add it to PUSHPULL_CHANNELS with its credentials (docs/channels.md), "
            f"then run: pushpull channel resume {self.channel}"
        )

    def look_up(self, questions: Sequence[Question]) -> Sequence[Evidence]:
        """Nothing is known here. See :class:`channels.base.ChannelAdapter`."""
        return []
