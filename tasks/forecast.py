"""Forecasts kept and shown: in the database, as artifacts of a run, and in the briefing of a wave."""

from __future__ import annotations

from datetime import datetime

from content.campaign import campaign_spec
from pushpull.db import reading, writing
from pushpull.insights.forecast.comparing import Comparison, compare
from pushpull.insights.forecast.storing import NoForecastError, latest, save, save_comparison
from pushpull.insights.forecast.text import (
    as_markdown,
    compared_rows,
    comparison_as_markdown,
    said,
    verdict,
    wave_rows,
)
from pushpull.insights.forecast.together import Forecast
from pushpull.ledger.campaigns import UnknownCampaignError
from tasks.installation import installation
from tasks.publish import artifact_key, publish_markdown, publish_table
from tasks.step import step


@step("keep the forecast")
def keep_forecast(made: Forecast, at: datetime) -> int:
    """Store a forecast, and show it.

    Args:
        at: when it was made, UTC.

    Returns:
        Its id.
    """
    here = installation()
    content_hash = campaign_spec(here.campaign(made.campaign_key)).content_hash
    with writing(here.engine) as connection:
        key = save(connection, made, content_hash=content_hash, at=at)
    publish_markdown(
        key=artifact_key("forecast", made.campaign_key),
        markdown=as_markdown(made),
        description=f"What to expect of {made.campaign_key}, from {made.runs} simulated runs.",
    )
    publish_table(
        key=artifact_key("forecast", "waves", made.campaign_key),
        table=wave_rows(made),
        description=f"Messages to expect of each wave of {made.campaign_key}: median and interval.",
    )
    return key


@step("compare the forecast")
def compare_forecast(campaign_key: str, as_of: datetime) -> Comparison:
    """Hold the latest forecast against what happened, keep what came of it, and show it.

    Args:
        as_of: what happened later is not counted, UTC.

    Raises:
        NoForecastError: there is none.
    """
    here = installation()
    with reading(here.engine) as connection:
        stored = latest(connection, campaign_key, as_of=as_of)
        found = compare(connection, stored.forecast, as_of=as_of)
    with writing(here.engine) as connection:
        save_comparison(connection, stored.id, found, at=as_of)
    publish_markdown(
        key=artifact_key("forecast", "compared", campaign_key),
        markdown=comparison_as_markdown(found),
        description=f"The forecast of {campaign_key} and what happened: {verdict(found)}",
    )
    publish_table(
        key=artifact_key("forecast", "compared", "rows", campaign_key),
        table=compared_rows(found),
        description=f"The forecast of {campaign_key} and what happened, wave by wave.",
    )
    return found


def forecast_in_a_line(campaign_key: str, wave_key: str, as_of: datetime) -> str:
    """What the latest forecast says of a wave, for its briefing; empty where there is none.

    Args:
        as_of: the campaign's clock, UTC.
    """
    try:
        with reading(installation().engine) as connection:
            stored = latest(connection, campaign_key, as_of=as_of)
    except (NoForecastError, UnknownCampaignError):
        return ""
    made = stored.forecast
    of_wave = made.waves.get(wave_key)
    this = f"{said(of_wave)} messages in this wave and " if of_wave else ""
    return (
        f"The forecast of {stored.made_at:%d %b %Y} ({made.runs} runs) expects {this}{said(made.sends)} in the whole "
        f"campaign, and {said(made.steps['completed'])} people to complete it."
    )
