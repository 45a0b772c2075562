from __future__ import annotations

import json

from sqlalchemy import Engine

from pushpull.db import writing
from tests.cli.conftest import Command
from tests.insights.test_engagement_paths import Office


def test_paths_are_told_as_a_correlation_and_name_nobody(pushpull: Command, ledger: Engine) -> None:
    with writing(ledger) as connection:
        office = Office(connection)
        for number, each in enumerate(office.people):
            if number < 15:
                office.act(each, "registered", 2, item_id=office.webinar)
            for day in range(14, 14 + (9 + number % 3 if number < 15 else number % 3)):
                office.act(each, "progressed", day)
    told = pushpull("insights", "paths", "safety", "--as-of", "2026-03-20T12:00+00:00")
    assert told.code == 0, told.err
    assert "correlation" in told.out
    assert "said they would come to an event" in told.out
    assert "stands out" in told.out
    assert "learner-" not in told.out
    as_json = pushpull("insights", "paths", "safety", "--as-of", "2026-03-20T12:00+00:00", "--json")
    assert json.loads(as_json.out)["paths"]["kind"] == "correlation"


def test_a_campaign_that_has_just_begun_has_no_paths_yet(launched: Command) -> None:
    told = launched("insights", "paths", "two-minutes-a-day", "--as-of", "2026-01-14T12:00+00:00")
    assert told.code == 0, told.err
    assert "0 people" in told.out
    assert "No message is old enough" in told.out
