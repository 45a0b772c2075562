from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

from pushpull.db import reading
from pushpull.insights.forecast.storing import latest
from tests.cli.conftest import CAMPAIGN, Command

BEFORE, AFTER = "2026-01-11T12:00+00:00", "2026-01-14T12:00+00:00"


def test_a_forecast_is_made_kept_and_later_compared(launched: Command) -> None:
    said = launched("forecast", CAMPAIGN, "--runs", "2", "--days", "1", "--processes", "1", "--as-of", BEFORE)
    assert said.code == 0, said.err
    assert "2 runs; intervals hold in 33% of cases" in said.out
    for title in ("Funnel", "Channels", "Waves", "Days (UTC)", "What is assumed of people", "launch.announcement"):
        assert title in said.out, title
    assert "example.org" not in said.out
    from flows.forecast import forecast
    from tasks.forecast import forecast_in_a_line
    from tasks.installation import installation

    with reading(installation().engine) as connection:
        stored = latest(connection, CAMPAIGN)
    assert stored.made_at == datetime(2026, 1, 11, 12, tzinfo=UTC)
    assert stored.forecast.runs == 2
    line = forecast_in_a_line(CAMPAIGN, "launch.announcement@2026-01-12", datetime(2026, 1, 12, tzinfo=UTC))
    assert line.startswith("The forecast of 11 Jan 2026 (2 runs) expects")
    assert "in this wave" in line
    compared = launched("forecast", "compare", CAMPAIGN, "--as-of", AFTER, "--json")
    assert compared.code == 0, compared.err
    told = json.loads(compared.out)
    assert told["waves"][0]["what"] == "launch.announcement@2026-01-12"
    assert "lie inside" in asyncio.run(forecast.fn(campaign=CAMPAIGN, as_of=AFTER, compare=True))


def test_what_cannot_be_forecast_is_said_in_words(launched: Command) -> None:
    assert "was over on" in launched("forecast", CAMPAIGN, "--as-of", "2027-01-01T00:00+00:00").error
    assert "there is no forecast" in launched("forecast", "compare", CAMPAIGN).error
