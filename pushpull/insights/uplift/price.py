"""What one additional completer cost: the messages' price over the people who completed because of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, func, select

from pushpull.insights.proportions import Interval
from pushpull.insights.uplift.people import People
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.tables import handover


@dataclass(frozen=True, slots=True)
class Price:
    """What messages cost, and what they were worth.

    Args:
        total: of all accepted messages whose price is known; of a text message one segment.
        additional: people who completed because of them: the difference times the treated.
        each: of one of them; None where it cannot be told that there are any.
        at_least, at_most: by the interval of the difference; None like ``each``.
    """

    total: Decimal
    additional: float
    each: Decimal | None
    at_least: Decimal | None
    at_most: Decimal | None


def price_of(
    connection: Connection,
    campaign_id: int,
    best: tuple[float, Interval] | None,
    found: People,
    prices: Mapping[Channel, Decimal],
    *,
    until: datetime,
) -> Price | None:
    """The price of an additional completer; None without prices, or without a difference to divide by.

    Args:
        best: the difference in completion and its interval.
        prices: of one message.
        until: messages handed over later are not counted.
    """
    known = {channel.value: price for channel, price in prices.items() if price > 0}
    if not known or best is None:
        return None
    sent = connection.execute(
        select(handover.c.channel, func.coalesce(func.sum(handover.c.accepted), 0))
        .where(handover.c.campaign_id == campaign_id, handover.c.as_of <= until, handover.c.diverted_to.is_(None))
        .group_by(handover.c.channel)
    )
    total = sum((known.get(channel, Decimal(0)) * int(count) for channel, count in sent), Decimal(0))
    value, interval = best
    treated = int(found.is_treated.sum())

    def per_head(share: float) -> Decimal:
        return (total / Decimal(str(share * treated))).quantize(Decimal("0.01"))

    if interval.low <= 0:
        return Price(total, value * treated, None, None, None)
    return Price(total, value * treated, per_head(value), per_head(interval.high), per_head(interval.low))
