"""Who followed a link, told to the ledger once it is sure that it was a person."""

from __future__ import annotations

from datetime import datetime

from pushpull.db import writing
from pushpull.ledger.fetches import record_clicks
from tasks.installation import installation
from tasks.step import step


@step("fold clicks")
def fold_clicks(now: datetime) -> int:
    """Tell the openings of links that have settled; see :func:`pushpull.ledger.fetches.record_clicks`.

    Args:
        now: UTC; the real time, for links are opened in real time.

    Returns:
        How many clicks were new.
    """
    with writing(installation().engine) as connection:
        return record_clicks(connection, now=now)
