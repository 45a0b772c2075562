"""What every finder is given, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from pushpull.insights.loop.finding import Found


@dataclass(frozen=True)
class Look:
    """One look at a campaign.

    Args:
        connection: one that reads.
        definition: the campaign's file as it is in the ledger.
        as_of: the campaign's clock, UTC; what happened later is not seen.
    """

    connection: Connection
    campaign_id: int
    campaign_key: str
    definition: dict[str, object]
    as_of: datetime


#: Looks at one kind of result.
Finder = Callable[[Look], Iterable[Found]]
