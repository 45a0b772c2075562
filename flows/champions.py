"""Champions: colleagues who vouch for a campaign are found by what they did, invited, and relieved after their term.

Nobody is asked who has an interest of their own in it: owners of its items, learning staff, vendors, whoever decides
about it (H7). Those who agreed to be named are thanked for their effort, on the wall and in a channel, each once (H10).
"""

from __future__ import annotations

from prefect import flow

from flows.parameters import CampaignKey, DaysAhead, lateness, moment, stage_run_name
from flows.stages import plan_stage
from pushpull.ledger.planning import PlanResult
from tasks.champions import give_thanks, post_thanks, rotate_champions


@flow(name="champions", flow_run_name=stage_run_name("champions"), persist_result=False, log_prints=False)
async def champions(
    campaign: CampaignKey,
    wave: str = "",
    as_of: str = "",
    days_ahead: DaysAhead = 0,
    dry_run: bool = False,
    cohort: list[str] = [],  # noqa: B006
) -> list[PlanResult]:
    """Relieve champions whose term is over, plan the invitations of the day, and thank in public who agreed to it.

    Args:
        campaign: Key of a campaign in content/campaigns, e.g. two-minutes-a-day.
        wave: Key of one wave of this stage in the campaign's file, e.g. announcement. Empty: all waves of the day.
        as_of: Instant to plan for, ISO 8601 with an offset, e.g. 2026-01-12T00:05+01:00. Empty: when it was scheduled.
        days_ahead: 1 plans the waves of the day after, which leaves an evening to approve them. 0: those of the day.
        dry_run: Only count whom it would reach; nothing is written.
        cohort: External ids of learners, to plan today's waves again for them alone. Empty: everybody, as planned.
    """
    now = moment(as_of)
    if not dry_run and not cohort:
        rotate_champions(campaign, now)
    plans = plan_stage(
        campaign,
        "champions",
        now,
        wave=wave,
        days_ahead=days_ahead,
        late_by=lateness(as_of),
        dry_run=dry_run,
        cohort=cohort,
    )
    if not dry_run and not cohort:
        give_thanks(campaign, now)
        post_thanks(campaign, now)
    return plans
