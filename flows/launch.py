"""Launch push: one clear, uniform message to everybody, and a timeline of dated goals.

Everyone in the audience gets the same simple message (L1), goals of their own with reminders before and after each due
date, stopped by completion (L2), and "start in 60 seconds" until the first use (L5).
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import AsOf, CampaignKey, DryRun, LearnerIds, moment
from flows.stages import plan_stage
from pushpull.ledger.planning import PlanResult
from tasks.plan import date_goals


@flow(name="launch", flow_run_name="{campaign}: launch", persist_result=False, log_prints=False)
async def launch(
    campaign: CampaignKey,
    as_of: AsOf = "",
    dry_run: DryRun = False,
    cohort: LearnerIds = [],  # noqa: B006
) -> list[PlanResult]:
    """Date the goals of everybody who has none yet, then plan the launch waves of the day.

    The planned messages leave with the next dispatch, each in its learner's own morning.
    """
    now = moment(as_of)
    if not dry_run:
        date_goals(campaign, now)
    return plan_stage(campaign, "launch", now, dry_run=dry_run, cohort=cohort)
