from __future__ import annotations

import json

from sqlalchemy import Engine

from pushpull.db import writing
from tests.cli.conftest import Command
from tests.insights.test_risk import a_course


def test_risk_is_told_by_day_and_band_and_names_nobody(pushpull: Command, ledger: Engine) -> None:
    import numpy as np

    rng = np.random.default_rng(4)
    with writing(ledger) as connection:
        a_course(connection, "past", people=75, start=0, weeks=4, rng=rng)
        a_course(connection, "other", people=75, start=1, weeks=4, rng=rng)
        a_course(connection, "now", people=30, start=40, weeks=4, rng=rng)
    told = pushpull("insights", "risk", "now", "--as-of", "2026-03-10T12:00+00:00")
    assert told.code == 0, told.err
    assert "AUC rule" in told.out
    assert "held-out courses" in told.out
    assert "risk on day 17" in told.out
    assert "now-3" not in told.out
    as_json = pushpull("insights", "risk", "now", "--as-of", "2026-03-10T12:00+00:00", "--json")
    assert json.loads(as_json.out)["trials"][0]["day"] == 14


def test_without_a_past_the_days_without_activity_are_told(launched: Command) -> None:
    told = launched("insights", "risk", "two-minutes-a-day", "--as-of", "2026-01-20T12:00+00:00")
    assert told.code == 0, told.err
    assert "No campaign is over" in told.out
    assert "without activity" in told.out
    assert "no campaign 'nothing'" in launched("insights", "risk", "nothing").error
