"""Planning a stage's waves, and dating its goals."""

from __future__ import annotations

from datetime import datetime, timedelta

from content.campaign import campaign_spec, stage_waves
from pushpull.catalogue.items import item_ids
from pushpull.db import writing
from pushpull.ledger import timing
from pushpull.ledger.campaigns import register
from pushpull.ledger.planning import PlanResult, plan
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.timeline import DatedGoal, assign_goals
from tasks.installation import installation
from tasks.step import step


@step("load campaign")
def load_stage(campaign_key: str, stage: str, as_of: datetime) -> list[WaveSpec]:
    """Register the campaign as its file says, and list the stage's waves of the day.

    Args:
        campaign_key: a campaign of the content folder, or the path of its file.
        stage: launch, onboarding, recommendations or reengagement.
        as_of: the campaign's clock, UTC.
    """
    here = installation()
    campaign = here.campaign(campaign_key)
    with writing(here.engine) as connection:
        register(connection, campaign_spec(campaign), now=as_of)
    grace = timedelta(minutes=here.settings.misfire_grace_minutes)
    waves = stage_waves(campaign, stage, timing.local_day(as_of, campaign.timezone))
    return [wave.model_copy(update={"grace": grace}) for wave in waves]


@step("date goals")
def date_goals(campaign_key: str, as_of: datetime) -> int:
    """Give every learner of the campaign who has none yet their due dates (mission L2).

    Returns:
        How many due dates were given.
    """
    here = installation()
    campaign = here.campaign(campaign_key)
    if timing.local_day(as_of, campaign.timezone) < campaign.start:
        return 0
    with writing(here.engine) as connection:
        campaign_id = register(connection, campaign_spec(campaign), now=as_of)
        keys = [goal.item for goal in campaign.goals if goal.item is not None]
        ids = item_ids(connection, keys)
        goals = [
            DatedGoal(ids[goal.item], goal.due_on(campaign.start)) for goal in campaign.goals if goal.item is not None
        ]
        return assign_goals(
            connection,
            campaign_id,
            campaign.audience,
            goals,
            ends_on=campaign.ends_on,
            timezone=campaign.timezone,
            as_of=as_of,
        )


@step("plan wave", run_name="plan {wave.key}")
def plan_wave(wave: WaveSpec, as_of: datetime, *, dry_run: bool = False) -> PlanResult:
    """Write a row for every learner of the wave, the skipped ones with their reason; again adds nothing."""
    here = installation()
    return plan(here.engine, wave, as_of=as_of, global_holdout=here.settings.global_holdout, dry_run=dry_run)
