"""Forecast: what is to be expected of a campaign, before it begins, and afterwards how good that was.

The same flows run in simulated time against simulated learners, whose behaviour comes from the company's own past as
far as there is one. Nothing is sent, and nobody's name or address is in what is played with (X4).
"""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from flows.forecasting import Asked, make_forecast
from flows.parameters import CampaignKey, moment
from tasks.forecast import compare_forecast, keep_forecast
from tasks.installation import installation
from tasks.publish import Progress, artifact_key


def _name() -> str:
    given = flow_run.parameters
    return f"{given['campaign']}: {'forecast and what happened' if given.get('compare') else 'forecast'}"


@flow(name="forecast", flow_run_name=_name, persist_result=False, log_prints=False)
async def forecast(
    campaign: CampaignKey,
    runs: Annotated[int, Field(ge=2, le=200)] = 20,
    seed: int = 1,
    as_of: str = "",
    compare: bool = False,
) -> str:
    """Play a campaign many times in simulated time, and say what to expect of it; or compare that with what happened.

    Args:
        campaign: Key of a campaign in content/campaigns, e.g. two-minutes-a-day.
        runs: How many simulated runs; 20 give intervals that hold in nine of ten cases.
        seed: The same seed gives the same forecast of the same people.
        as_of: Instant to forecast from, ISO 8601 with an offset, e.g. 2026-01-11T00:00+01:00. Empty: when scheduled.
        compare: Make no forecast, but hold the latest one against what has happened since.

    Returns:
        In a sentence, what to expect, or how good the forecast was.
    """
    from pushpull.insights.forecast.text import headline, verdict

    now = moment(as_of)
    if compare:
        return verdict(compare_forecast(campaign, now))
    shown = Progress(key=artifact_key("forecast", campaign, "progress"), description=f"Runs of {campaign} played.")
    made = make_forecast(
        installation(),
        Asked(campaign, now, runs=runs, seed=seed),
        on_run=lambda done, all_of: shown.show(100 * done / all_of),
    )
    keep_forecast(made, now)
    return headline(made)
