"""Tailored recommendations: a broad trend one week, and the next what of it fits this very person.

Step one is an e-mail on the trend; step two, a week later, a personal message with three items and a reason for each
(R2 to R4), to those whom step one reached. Nothing completed, unavailable or in a language the learner does not read.
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import CampaignKey, DaysAhead, lateness, moment, stage_run_name
from flows.stages import plan_stage
from pushpull.ledger.planning import PlanResult


@flow(name="recommendations", flow_run_name=stage_run_name("recommendations"), persist_result=False, log_prints=False)
async def recommendations(
    campaign: CampaignKey,
    wave: str = "",
    as_of: str = "",
    days_ahead: DaysAhead = 0,
    dry_run: bool = False,
    cohort: list[str] = [],  # noqa: B006
) -> list[PlanResult]:
    """Plan the recommendation waves of the day; items and reasons are picked while planning.

    Args:
        campaign: Key of a campaign in content/campaigns, e.g. two-minutes-a-day.
        wave: Key of one wave of this stage in the campaign's file, e.g. announcement. Empty: all waves of the day.
        as_of: Instant to plan for, ISO 8601 with an offset, e.g. 2026-01-12T00:05+01:00. Empty: when it was scheduled.
        days_ahead: 1 plans the waves of the day after, which leaves an evening to approve them. 0: those of the day.
        dry_run: Only count whom it would reach; nothing is written.
        cohort: External ids of learners, to plan today's waves again for them alone. Empty: everybody, as planned.
    """
    return plan_stage(
        campaign,
        "recommendations",
        moment(as_of),
        wave=wave,
        days_ahead=days_ahead,
        late_by=lateness(as_of),
        dry_run=dry_run,
        cohort=cohort,
    )
