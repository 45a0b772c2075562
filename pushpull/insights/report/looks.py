"""All other looks at a campaign together: each is taken, and its result made printable (:mod:`.gathered`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from pushpull.insights.dropoff import drop_off
from pushpull.insights.engagement import engagement_paths
from pushpull.insights.forecast.comparing import Comparison, compare
from pushpull.insights.forecast.storing import NoForecastError, latest
from pushpull.insights.pull import pull_weeks
from pushpull.insights.report.chart_catalogue import Spread
from pushpull.insights.report.chart_forecast import Expected
from pushpull.insights.report.chart_paths import Path
from pushpull.insights.report.chart_pull import Week
from pushpull.insights.report.chart_sections import Section
from pushpull.insights.report.gate import Gate
from pushpull.insights.report.gathered import forecast_of, paths_of, sections_of, spread_of, weeks_of
from pushpull.ledger.tables import campaign


@dataclass(frozen=True)
class Looks:
    """What was found; words where there is nothing to draw, and why."""

    sections: Sequence[Section] | str
    paths: Sequence[Path] | str
    weeks: Sequence[Week] | str
    forecast: Sequence[Expected] | str
    spread: Spread | str


def looks_of(connection: Connection, campaign_key: str, *, as_of: datetime, gate: Gate) -> Looks:
    """Take all looks.

    Args:
        as_of: what happened later (aware) is not seen.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    from pushpull.catalogue.audit.facts import read_catalogue
    from pushpull.catalogue.audit.use import utilisation  # it needs numpy, which only who writes a report must carry

    return Looks(
        sections=sections_of(drop_off(connection, campaign_key, as_of=as_of), gate),
        paths=paths_of(engagement_paths(connection, campaign_key, as_of=as_of), gate),
        weeks=weeks_of(pull_weeks(connection, campaign_key, as_of=as_of), gate),
        forecast=forecast_of(_compared(connection, campaign_key, as_of=as_of), gate),
        spread=spread_of(utilisation(read_catalogue(connection, as_of=as_of)), gate),
    )


def _compared(connection: Connection, campaign_key: str, *, as_of: datetime) -> Comparison | None:
    """The last forecast that was made before the campaign began, against what happened; None: there is none."""
    starts_at = connection.scalar(select(campaign.c.starts_at).where(campaign.c.key == campaign_key))
    try:
        made = latest(connection, campaign_key, as_of=min(as_of, starts_at or as_of))
    except NoForecastError:
        return None
    return compare(connection, made.forecast, as_of=as_of)
