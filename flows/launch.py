"""Launch push: one clear, uniform message to everybody, and a timeline of dated goals.

Everyone in the audience gets the same simple message (L1), goals of their own with reminders before and after each due
date, stopped by completion (L2), and "start in 60 seconds" until the first use (L5).
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import CampaignKey, DaysAhead, lateness, moment, stage_run_name
from flows.stages import plan_stage
from pushpull.ledger.planning import PlanResult
from tasks.plan import date_goals


@flow(name="launch", flow_run_name=stage_run_name("launch"), persist_result=False, log_prints=False)
async def launch(
    campaign: CampaignKey,
    wave: str = "",
    as_of: str = "",
    days_ahead: DaysAhead = 0,
    dry_run: bool = False,
    cohort: list[str] = [],  # noqa: B006
) -> list[PlanResult]:
    """Date the goals of everybody who has none yet, then plan the launch waves of the day.

    The planned messages leave with the next dispatch, each in its learner's own morning.

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
        date_goals(campaign, now, days_ahead)
    return plan_stage(
        campaign,
        "launch",
        now,
        wave=wave,
        days_ahead=days_ahead,
        late_by=lateness(as_of),
        dry_run=dry_run,
        cohort=cohort,
    )
