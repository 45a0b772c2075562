"""Re-engagement: after silence that is long by the learner's own rhythm, a gentle way back.

A ladder over channels with growing pauses, always a small restart, never a reproach; it stops at once when the learner
returns, and starts afresh only with a new absence.
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import AsOf, CampaignKey, DryRun, LearnerIds, moment
from flows.stages import plan_stage
from pushpull.ledger.planning import PlanResult
from tasks.state import move_lifecycles


@flow(name="reengagement", flow_run_name="{campaign}: re-engagement", persist_result=False, log_prints=False)
async def reengagement(
    campaign: CampaignKey,
    as_of: AsOf = "",
    dry_run: DryRun = False,
    cohort: LearnerIds = [],  # noqa: B006
) -> list[PlanResult]:
    """Look who fell silent, then plan the rungs of the day."""
    now = moment(as_of)
    if not dry_run:
        move_lifecycles(campaign, now)
    return plan_stage(campaign, "reengagement", now, dry_run=dry_run, cohort=cohort)
