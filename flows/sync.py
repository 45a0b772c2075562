"""Sync: bring in what learners did, and move everybody to where they stand.

Activity from a learning record store, where one is named; then progress, lifecycles, and the deliveries nobody has
heard of.
"""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.parameters import AsOf, DryRun, LearnerIds, moment
from tasks.activity import import_statements
from tasks.deliver import close_waves
from tasks.reconcile import reap_silent, settle_uncertain
from tasks.state import fold_progress, known_campaigns, move_lifecycles

Source = Annotated[
    str,
    Field(
        title="xAPI source",
        description="File or statements URL of a learning record store. Empty: fold what is there already.",
        json_schema_extra={"position": 4},
    ),
]


@flow(name="sync", persist_result=False, log_prints=False)
async def sync(
    as_of: AsOf = "",
    dry_run: DryRun = False,
    cohort: LearnerIds = [],  # noqa: B006
    source: Source = "",
) -> dict[str, dict[str, int]]:
    """Import, fold, reap and reconcile.

    Returns:
        Learners moved from state to state, by campaign.
    """
    now = moment(as_of)
    if source:
        import_statements(source, now, dry_run=dry_run)
    if dry_run:
        return {}
    fold_progress(now)
    reap_silent()
    settle_uncertain(now)
    close_waves(now)
    return {campaign: move_lifecycles(campaign, now, cohort) for campaign in known_campaigns()}
