"""What other systems tell us at any moment, folded soon after it came."""

from __future__ import annotations

from datetime import datetime

from pushpull.db import writing
from pushpull.importers.xapi.waiting import forget_unknown, replay_unknown
from tasks.installation import installation
from tasks.state import fold_progress, known_campaigns, move_lifecycles
from tasks.step import step


@step("count what came too early")
def count_early(as_of: datetime) -> None:
    """Count statements about people or items that were not known when they came, and are by now; what nothing came of
    for long is not kept."""
    with writing(installation().engine) as connection:
        replay_unknown(connection, now=as_of)
        forget_unknown(connection, now=as_of)


def fold_news(as_of: datetime) -> dict[str, dict[str, int]]:
    """Bring progress and all lifecycles up to date, between two runs of the sync flow and beside them.

    Doing it again changes nothing, and several processes may do it at once: each fold waits for the one before.

    Args:
        as_of: the present, aware; what happened later is left for a later call.

    Returns:
        Learners moved from state to state, by campaign.
    """
    count_early(as_of)
    fold_progress(as_of)
    return {campaign: move_lifecycles(campaign, as_of) for campaign in known_campaigns()}
