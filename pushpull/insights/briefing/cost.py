"""What a wave costs: messages by channel, at the prices an installation has set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pushpull.insights.briefing.counts import Planned
from pushpull.learners.vocabulary import Channel


@dataclass(frozen=True, slots=True)
class Cost:
    """What one channel costs.

    Args:
        units: what is paid for: messages, of text messages their segments.
        price: of one unit; None: no price is known.
    """

    channel: Channel
    messages: int
    units: int
    price: Decimal | None

    @property
    def amount(self) -> Decimal | None:
        """What it comes to; None without a price."""
        return None if self.price is None else self.price * self.units


def costs(
    planned: Sequence[Planned],
    prices: Mapping[Channel, Decimal],
    *,
    segments: Mapping[tuple[str, str], int],
) -> tuple[Cost, ...]:
    """The cost of each channel in use, the channel with most messages first.

    Args:
        prices: of one unit; 0 and what is missing: no price is known.
        segments: of a text message, by language and variant; where it is not known, one.
    """
    messages: dict[Channel, int] = {}
    units: dict[Channel, int] = {}
    for each in planned:
        per_message = segments.get((each.language, each.variant), 1) if each.channel is Channel.SMS else 1
        messages[each.channel] = messages.get(each.channel, 0) + each.count
        units[each.channel] = units.get(each.channel, 0) + each.count * per_message
    return tuple(
        Cost(channel, messages[channel], units[channel], prices.get(channel) or None)
        for channel in sorted(messages, key=lambda channel: (-messages[channel], channel))
    )
