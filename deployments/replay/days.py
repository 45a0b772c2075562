"""One day of a replay: its instants, and what was sent on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock_time

from deployments.replay import dataset
from deployments.replay.dataset import DAY_ZERO, TIMEZONE
from pushpull.ledger import timing

#: When the flows run, local.
MORNING = clock_time(0, 5)


@dataclass
class Day:
    """What is needed to play a day a second time.

    Args:
        number: of days since the presentation began.
        dispatched_at: the instants at which something was sent.
    """

    number: int
    dispatched_at: list[datetime] = field(default_factory=list)

    @property
    def date(self) -> date:
        """Its date."""
        return DAY_ZERO + timedelta(days=self.number)

    @property
    def morning(self) -> datetime:
        """When the flows run."""
        return timing.local_instant(TIMEZONE, self.date, MORNING)

    @property
    def start(self) -> datetime:
        """From when records belong to it."""
        return self.noon - timedelta(hours=12)

    @property
    def noon(self) -> datetime:
        """When its records come in."""
        return dataset.noon(self.number)

    @property
    def end(self) -> datetime:
        """When the flows of the day after run."""
        return timing.local_instant(TIMEZONE, self.date + timedelta(days=1), MORNING)

    @property
    def midnight(self) -> datetime:
        """Until when records belong to it."""
        return self.noon + timedelta(hours=12)
