"""Tailored recommendations: a broad trend one week, and the next what of it fits this very person.

Step one is an e-mail on the trend; step two, a week later, a personal message with three items and a reason for each
(R2 to R4), to those whom step one reached. Nothing completed, unavailable or in a language the learner does not read.
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import AsOf, CampaignKey, DryRun, LearnerIds, moment
from flows.stages import plan_stage
from pushpull.ledger.planning import PlanResult


@flow(name="recommendations", flow_run_name="{campaign}: recommendations", persist_result=False, log_prints=False)
async def recommendations(
    campaign: CampaignKey,
    as_of: AsOf = "",
    dry_run: DryRun = False,
    cohort: LearnerIds = [],  # noqa: B006
) -> list[PlanResult]:
    """Plan the recommendation waves of the day; items and reasons are picked while planning."""
    return plan_stage(campaign, "recommendations", moment(as_of), dry_run=dry_run, cohort=cohort)
