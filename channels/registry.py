"""Which adapter carries which channel. A new channel is one file beside this one and one line in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from channels.base import ChannelAdapter
from channels.sandbox import SandboxChannel
from pushpull.learners.vocabulary import Channel
from pushpull.settings import Settings


class UnknownChannelSet(ValueError):
    """The settings name a channel set that does not exist.

    Args:
        name: what PUSHPULL_CHANNELS says.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"PUSHPULL_CHANNELS is {name!r}; the channel sets are: sandbox")


def adapters(settings: Settings, *, clock: Callable[[], datetime] | None = None) -> Mapping[Channel, ChannelAdapter]:
    """The adapters of this installation, one per channel.

    Args:
        clock: gives sandboxed e-mails their Date, for replays in another time than today's.

    Raises:
        UnknownChannelSet: the settings name a set that does not exist.
    """
    if settings.channels == "sandbox":
        return {channel: SandboxChannel(channel, settings.outbox_dir, clock=clock) for channel in Channel}
    raise UnknownChannelSet(settings.channels)
