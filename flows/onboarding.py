"""Onboarding pull: for everyone who was told but is not under way, the one link that takes them further.

Invited but not active → a deep link. A failed first session → one recovery, and then quiet (L6). Dropped off → resume
at the very place (O1); activity between planning and sending cancels it.
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import CampaignKey, DaysAhead, lateness, moment, stage_run_name
from flows.stages import plan_stage
from pushpull.ledger.planning import PlanResult
from tasks.state import move_lifecycles


@flow(name="onboarding", flow_run_name=stage_run_name("onboarding"), persist_result=False, log_prints=False)
async def onboarding(
    campaign: CampaignKey,
    wave: str = "",
    as_of: str = "",
    days_ahead: DaysAhead = 0,
    dry_run: bool = False,
    cohort: list[str] = [],  # noqa: B006
) -> list[PlanResult]:
    """Look where everybody stands now, then plan the onboarding waves of the day.

    Args:
        campaign: Key of a campaign in content/campaigns, e.g. two-minutes-a-day.
        wave: Key of one wave of this stage in the campaign's file, e.g. announcement. Empty: all waves of the day.
        as_of: Instant to plan for, ISO 8601 with an offset, e.g. 2026-01-12T00:05+01:00. Empty: when it was scheduled.
        days_ahead: 1 plans the waves of the day after, which leaves an evening to approve them. 0: those of the day.
        dry_run: Only count whom it would reach; nothing is written.
        cohort: External ids of learners, to plan today's waves again for them alone. Empty: everybody, as planned.
    """
    now = moment(as_of)
    if not dry_run:
        move_lifecycles(campaign, now)
    return plan_stage(
        campaign,
        "onboarding",
        now,
        wave=wave,
        days_ahead=days_ahead,
        late_by=lateness(as_of),
        dry_run=dry_run,
        cohort=cohort,
    )
