"""Planning a stage's waves, and dating its goals."""

from __future__ import annotations

from datetime import datetime, timedelta

from content.campaign import campaign_spec, stage_waves
from pushpull.catalogue.items import item_ids
from pushpull.db import writing
from pushpull.insights.experiments.channels import channels_drawn
from pushpull.insights.experiments.lots import drawn
from pushpull.ledger import timing
from pushpull.ledger.campaigns import register
from pushpull.ledger.planning import PlanResult, plan
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.timeline import DatedGoal, assign_goals
from tasks.installation import installation
from tasks.step import step


@step("load campaign")
def load_stage(campaign_key: str, stage: str, as_of: datetime, wave: str = "", days_ahead: int = 0) -> list[WaveSpec]:
    """Register the campaign as its file says, and list the stage's waves of the day, split as experiments ask for.

    Args:
        campaign_key: a campaign of the content folder, or the path of its file.
        stage: launch, onboarding, recommendations, reengagement or habit.
        as_of: the campaign's clock, UTC.
        wave: key of one of its waves, to leave the others out; empty: all.
        days_ahead: list the waves of so many days after the local day of ``as_of``.

    Raises:
        UnknownWaveError: the stage has no such wave.
    """
    here = installation()
    campaign = here.campaign(campaign_key)
    day = timing.local_day(as_of, campaign.timezone) + timedelta(days=days_ahead)
    waves = stage_waves(campaign, stage, day, wave)
    with writing(here.engine) as connection:
        register(connection, campaign_spec(campaign), now=as_of)
        split = (drawn(connection, each, as_of=as_of) for each in waves)
        waves = tuple(channels_drawn(connection, each, as_of=as_of) for each in split)
    grace = timedelta(minutes=here.settings.misfire_grace_minutes)
    return [each.model_copy(update={"grace": grace}) for each in waves]


@step("date goals")
def date_goals(campaign_key: str, as_of: datetime, days_ahead: int = 0) -> int:
    """Give every learner of the campaign who has none yet their due dates (mission L2).

    Args:
        days_ahead: the waves of so many days after the local day of ``as_of`` are planned next; none is dated before
            the campaign's first day is.

    Returns:
        How many due dates were given.
    """
    here = installation()
    campaign = here.campaign(campaign_key)
    if timing.local_day(as_of, campaign.timezone) + timedelta(days=days_ahead) < campaign.start:
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
def plan_wave(
    wave: WaveSpec, as_of: datetime, *, late_by: timedelta = timedelta(0), dry_run: bool = False
) -> PlanResult:
    """Write a row for every learner of the wave, the skipped ones with their reason; again adds nothing.

    Args:
        late_by: how long after its time this is; beyond the wave's grace a person is asked before it is sent.
    """
    here = installation()
    return plan(
        here.engine,
        wave,
        as_of=as_of,
        late_by=late_by,
        global_holdout=here.settings.global_holdout,
        dry_run=dry_run,
    )
