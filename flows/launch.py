"""Launch push: one clear, uniform message to everybody, and a timeline of dated goals.

Everyone in the audience gets the same simple message (L1), goals of their own with reminders before and after each due
date, stopped by completion (L2), and "start in 60 seconds" until the first use (L5).
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import CampaignKey, moment
from flows.stages import plan_stage
from pushpull.ledger.planning import PlanResult
from tasks.plan import date_goals


@flow(name="launch", flow_run_name="{campaign}: launch", persist_result=False, log_prints=False)
async def launch(
    campaign: CampaignKey,
    as_of: str = "",
    dry_run: bool = False,
    cohort: list[str] = [],  # noqa: B006
) -> list[PlanResult]:
    """Date the goals of everybody who has none yet, then plan the launch waves of the day.

    The planned messages leave with the next dispatch, each in its learner's own morning.

    Args:
        campaign: Key of a campaign in content/campaigns, e.g. two-minutes-a-day.
        as_of: Instant to plan for, ISO 8601 with an offset, e.g. 2026-01-12T00:05+01:00. Empty: when it was scheduled.
        dry_run: Only count whom it would reach; nothing is written.
        cohort: External ids of learners, to plan today's waves again for them alone. Empty: everybody, as planned.
    """
    now = moment(as_of)
    if not dry_run:
        date_goals(campaign, now)
    return plan_stage(campaign, "launch", now, dry_run=dry_run, cohort=cohort)
