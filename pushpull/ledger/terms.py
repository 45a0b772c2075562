"""What the rules of one wave need to know at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select

from pushpull.learners.segments import SegmentContext
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import campaign_item

#: Whether a column of learner ids is of the learners of a batch: narrows what is read before their messages are sent.
Among = Callable[[ColumnElement[int]], ColumnElement[bool]]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """All the rules need to know about one wave at one moment.

    Args:
        item_ids: the campaign's items, in order.
        as_of: the campaign's clock, UTC.
        global_holdout: share of learners, 0 to 0.5, who get no nudge of any campaign.
        planned_as_of: when the wave was planned; None while it is being planned.
    """

    spec: WaveSpec
    campaign_id: int
    item_ids: tuple[int, ...]
    as_of: datetime
    global_holdout: float = 0.0
    planned_as_of: datetime | None = None

    @property
    def context(self) -> SegmentContext:
        """What segments need to know."""
        return SegmentContext(campaign_id=self.campaign_id, item_ids=self.item_ids, as_of=self.as_of)


def campaign_items(connection: Connection, campaign_id: int) -> tuple[int, ...]:
    """The ids of the campaign's items, in order."""
    statement = select(campaign_item.c.item_id).where(campaign_item.c.campaign_id == campaign_id)
    return tuple(connection.execute(statement.order_by(campaign_item.c.position)).scalars())
