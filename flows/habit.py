"""The daily habit: two minutes a day for those who asked for it, and reminders at the cues of their own plans.

A nudge comes at the learner's hour, on none of their rest days, once a day at most, and only until the day's two
minutes are done (H1). It becomes rarer for those who learn without it, and stops for those who do not answer (H2). Who
has an if-then plan is reminded when its cue comes (H3). The goal is two minutes for everybody, for ever.
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import CampaignKey, DaysAhead, lateness, moment, stage_run_name
from flows.stages import plan_stage
from pushpull.ledger.planning import PlanResult


@flow(name="habit", flow_run_name=stage_run_name("habit"), persist_result=False, log_prints=False)
async def habit(
    campaign: CampaignKey,
    wave: str = "",
    as_of: str = "",
    days_ahead: DaysAhead = 0,
    dry_run: bool = False,
    cohort: list[str] = [],  # noqa: B006
) -> list[PlanResult]:
    """Plan the daily nudges and the reminders of the day.

    Whether somebody still wants one, has learned meanwhile, rests or is on a pause is asked again before it is sent.

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
        "habit",
        moment(as_of),
        wave=wave,
        days_ahead=days_ahead,
        late_by=lateness(as_of),
        dry_run=dry_run,
        cohort=cohort,
    )
