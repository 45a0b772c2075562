"""Forecasts in the database: kept with what they are about, and what they were worth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from pushpull.insights.forecast.comparing import Comparison
from pushpull.insights.forecast.together import Forecast, forecast_of
from pushpull.insights.tables import forecast
from pushpull.ledger.campaigns import campaign_id_of


class NoForecastError(LookupError):
    """There is no forecast of a campaign."""

    def __init__(self, campaign_key: str) -> None:
        super().__init__(f"there is no forecast of {campaign_key} yet: `pushpull forecast {campaign_key}` makes one")


@dataclass(frozen=True)
class Stored:
    """A forecast as it is kept.

    Args:
        content_hash: of the campaign's file it is about.
        comparison: as :meth:`Comparison.as_json` says; None: not compared yet.
    """

    id: int
    made_at: datetime
    content_hash: str
    forecast: Forecast
    comparison: dict[str, Any] | None


def save(connection: Connection, made: Forecast, *, content_hash: str, at: datetime) -> int:
    """Keep a forecast.

    Args:
        content_hash: of the campaign's file.
        at: when it was made, UTC.

    Returns:
        Its id.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, made.campaign_key)
    result = connection.execute(
        insert(forecast).values(
            campaign_id=campaign_id,
            made_at=at,
            content_hash=content_hash,
            runs=made.runs,
            parameters=made.parameters.as_json(),
            figures=made.as_json(),
        )
    )
    (key,) = result.inserted_primary_key or (0,)
    return int(key)


def latest(connection: Connection, campaign_key: str, *, as_of: datetime | None = None) -> Stored:
    """The latest forecast of a campaign.

    Args:
        as_of: made up to then (aware); None: ever.

    Raises:
        NoForecastError: there is none.
        UnknownCampaignError: there is no such campaign.
    """
    wanted = select(forecast).where(forecast.c.campaign_id == campaign_id_of(connection, campaign_key))
    if as_of is not None:
        wanted = wanted.where(forecast.c.made_at <= as_of)
    row = connection.execute(wanted.order_by(forecast.c.made_at.desc(), forecast.c.id.desc()).limit(1)).one_or_none()
    if row is None:
        raise NoForecastError(campaign_key)
    made = forecast_of(campaign_key, row.parameters, row.figures)
    return Stored(row.id, row.made_at, row.content_hash, made, row.comparison)


def save_comparison(connection: Connection, forecast_id: int, found: Comparison, *, at: datetime) -> None:
    """Keep what a forecast was worth; a later look replaces an earlier one."""
    connection.execute(
        update(forecast).where(forecast.c.id == forecast_id).values(compared_at=at, comparison=found.as_json())
    )
