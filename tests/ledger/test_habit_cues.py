"""Reminders at a learner's own cue: when they come, and when no longer."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, update

from pushpull.db import writing
from pushpull.learners.tables import cue_plan
from pushpull.ledger.cues import due_minutes
from pushpull.ledger.planning import plan
from pushpull.ledger.vocabulary import DeliveryState, Reason
from tests.ledger.builders import (
    ALWAYS,
    DAWN,
    a_campaign,
    a_learner,
    drained,
    has_completed,
    planned,
    reasons_of,
    rows_of,
    states_of,
    utc,
)
from tests.ledger.habit import DAY, EVENING_BEFORE, a_nudge, a_reminder, learns, plans, someone

pytestmark = pytest.mark.usefixtures("course_and_quiz")


def test_a_reminder_comes_at_the_minute_of_the_earliest_cue_of_the_day_in_the_learners_zone(
    engine: Engine, course_and_quiz: list[int]
) -> None:
    with writing(engine) as connection:
        berlin, york = a_learner(connection), a_learner(connection, zone="America/New_York")
        a_learner(connection)  # no plan
    plans(engine, berlin, 15 * 60)
    plans(engine, berlin, 9 * 60 + 20, item_id=course_and_quiz[1])
    plans(engine, york, 8 * 60 + 5)
    wave_id = planned(engine, a_reminder(), as_of=EVENING_BEFORE)
    rows = rows_of(engine, wave_id)
    assert {each: row.due_at for each, row in rows.items()} == {
        berlin: utc("2026-01-12T08:20"),
        york: utc("2026-01-12T13:05"),
    }
    assert (rows[berlin].item_id, rows[york].item_id) == (course_and_quiz[1], None)
    assert {row.expires_at - row.due_at for row in rows.values()} == {timedelta(minutes=45)}


@pytest.mark.parametrize(
    "fields",
    [
        {"reminds": False},
        {"at_minute": None, "reminds": True},
        {"ended_at": DAWN},
        {"weekdays": 0b1111110},
    ],
)
def test_a_plan_that_does_not_remind_today_is_none(engine: Engine, fields: dict[str, object]) -> None:
    with writing(engine) as connection:
        one = a_learner(connection)
    plans(engine, one, **{"at_minute": 600, **fields})  # type: ignore[arg-type]
    assert plan(engine, a_reminder(), as_of=EVENING_BEFORE).wave_id is None


def test_an_item_that_is_completed_is_not_reminded_of(engine: Engine, course_and_quiz: list[int]) -> None:
    with writing(engine) as connection:
        one = a_learner(connection)
        has_completed(connection, one, course_and_quiz[0])
    plans(engine, one, 600, item_id=course_and_quiz[0])
    assert rows_of(engine, planned(engine, a_reminder()))[one].item_id is None


def test_no_reminder_after_the_two_minutes_nor_where_the_plan_was_changed_or_ended(engine: Engine) -> None:
    with writing(engine) as connection:
        done, ended, moved, stays = (a_learner(connection) for _ in range(4))
    ids = {each: plans(engine, each, 600) for each in (done, ended, moved, stays)}
    wave_id = planned(engine, a_reminder(), as_of=EVENING_BEFORE)
    now = utc("2026-01-12T09:08")
    learns(engine, done, now - timedelta(minutes=20))
    with writing(engine) as connection:
        connection.execute(update(cue_plan).where(cue_plan.c.id == ids[ended]).values(ended_at=now))
        connection.execute(update(cue_plan).where(cue_plan.c.id == ids[moved]).values(at_minute=900))
    drained(engine, wave_id, now=now)
    assert reasons_of(engine, wave_id) == {
        done: Reason.GOAL_MET,
        ended: Reason.NO_LONGER_IN_SEGMENT,
        moved: Reason.NO_LONGER_IN_SEGMENT,
        stays: None,
    }


def test_a_rest_day_does_not_overrule_a_plan_that_names_the_day(engine: Engine) -> None:
    one = someone(engine, rest=[0])
    plans(engine, one, 600)
    assert reasons_of(engine, planned(engine, a_reminder())) == {one: None}


def test_a_reminder_in_quiet_hours_is_given_up_unless_they_end_while_the_cue_is_fresh(engine: Engine) -> None:
    with writing(engine) as connection:
        night, nearly = a_learner(connection), a_learner(connection)
    plans(engine, night, 7 * 60 + 15)
    plans(engine, nearly, 7 * 60 + 50)
    wave_id = planned(engine, a_reminder(), as_of=EVENING_BEFORE)
    assert reasons_of(engine, wave_id) == {night: Reason.QUIET_HOURS, nearly: None}
    drained(engine, wave_id, now=utc("2026-01-12T06:50"))
    assert states_of(engine, wave_id)[nearly] == (DeliveryState.HELD, Reason.QUIET_HOURS)
    drained(engine, wave_id, now=utc("2026-01-12T07:00"))
    assert states_of(engine, wave_id)[nearly][0] == DeliveryState.ACCEPTED


def test_a_reminder_that_could_not_be_sent_is_stale_after_three_quarters_of_an_hour(engine: Engine) -> None:
    with writing(engine) as connection:
        one = a_learner(connection)
    plans(engine, one, 600)
    wave_id = planned(engine, a_reminder())
    drained(engine, wave_id, now=utc("2026-01-12T09:46"))
    assert states_of(engine, wave_id)[one][0] == DeliveryState.SKIPPED


def test_the_daily_nudge_gives_way_to_a_reminder_where_the_campaign_has_both(engine: Engine) -> None:
    both, nudge_only = someone(engine), someone(engine)
    plans(engine, both, 16 * 60)
    assert set(reasons_of(engine, planned(engine, a_nudge(cues_first=True)))) == {nudge_only}
    with writing(engine) as connection:
        a_campaign(connection, "other")
    assert set(reasons_of(engine, planned(engine, a_nudge(campaign="other")))) == {both, nudge_only}


@pytest.mark.parametrize(
    ("on", "minute", "expected"),
    [
        (date(2026, 3, 29), 2 * 60 + 30, "2026-03-29T01:30"),  # skipped: 03:30 by the new clock
        (date(2026, 3, 29), 9 * 60, "2026-03-29T07:00"),
        (date(2026, 10, 25), 2 * 60 + 30, "2026-10-25T00:30"),  # twice: the first
        (date(2026, 10, 25), 9 * 60, "2026-10-25T08:00"),
    ],
)
def test_a_cue_is_a_time_on_the_wall_where_clocks_are_changed(
    engine: Engine, on: date, minute: int, expected: str
) -> None:
    with writing(engine) as connection:
        one = a_learner(connection)
    plans(engine, one, minute, weekdays=0b1000000)
    wave_id = planned(engine, a_reminder(on, window=ALWAYS), as_of=utc(f"{on}T00:00") - DAY)
    assert rows_of(engine, wave_id)[one].due_at == utc(expected)
    for minutes in (-1, 0):
        drained(engine, wave_id, now=utc(expected) + timedelta(minutes=minutes))
        state = states_of(engine, wave_id)[one][0]
        assert state == (DeliveryState.ACCEPTED if minutes == 0 else DeliveryState.PLANNED)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_no_reminder_is_due_for_longer_than_its_life_in_any_minute_of_a_year(zone: str) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    while moment.year == 2026:
        day, first, last = due_minutes(moment, zone)
        local = moment.astimezone(ZoneInfo(zone))
        assert (day, last) == (local.date(), local.hour * 60 + local.minute)
        assert (
            first <= last or local.utcoffset() != (moment - timedelta(hours=2)).astimezone(ZoneInfo(zone)).utcoffset()
        )
        assert last - first <= 45 + 60
        moment += timedelta(minutes=37)
