from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from pushpull.db import writing
from pushpull.learners import habit
from pushpull.learners.habit import (
    TWO_MINUTES,
    DayState,
    Learned,
    Week,
    day_of,
    learned_between,
    met_goal_today,
    week,
    week_of,
)
from pushpull.learners.tables import activity, learner
from pushpull.learners.verbs import GRANTED_VERBS
from tests.learners.population import a_learner, an_activity, an_item

#: A Wednesday.
NOW = datetime(2026, 1, 14, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
ZONES = (
    "UTC",
    "Asia/Kolkata",
    "America/St_Johns",
    "Pacific/Apia",
    "Pacific/Chatham",
    "America/Havana",
    "",
    "Mars/Base",
)


def letters(found: Week) -> str:
    """A week as seven letters: m(et), - (missed), r(esting), p(aused), . (to come)."""
    of = {
        DayState.MET: "m",
        DayState.MISSED: "-",
        DayState.RESTING: "r",
        DayState.PAUSED: "p",
        DayState.TO_COME: ".",
    }
    return "".join(of[day.state] for day in found.days)


def test_a_day_is_met_by_two_minutes_and_not_by_less() -> None:
    learned = [Learned(NOW - 2 * DAY, 1.0), Learned(NOW - 2 * DAY + MINUTE, 1.0), Learned(NOW - DAY, 1.9)]
    found = week(learned, now=NOW, zone="UTC")
    assert letters(found) == "m-...rr"
    assert [day.on for day in found.days][:2] == [date(2026, 1, 12), date(2026, 1, 13)]
    assert (found.today.on, found.met) == (date(2026, 1, 14), 1)


def test_learning_of_unknown_length_meets_the_day() -> None:
    found = week([Learned(NOW - MINUTE, None)], now=NOW, zone="UTC")
    assert (found.today.state, found.today.minutes, found.today.bonus) == (DayState.MET, 0.0, 0.0)


def test_more_is_a_bonus_of_its_day_and_nothing_else() -> None:
    found = week([Learned(NOW - DAY, 60.0)], now=NOW, zone="UTC")
    assert (found.days[1].bonus, found.today.bonus, found.today.state) == (58.0, 0.0, DayState.TO_COME)
    assert found.goal == 2.0


def test_rest_days_and_pauses_are_never_missed_and_can_be_met() -> None:
    monday_and_tuesday = 0b0000011
    assert letters(week([], now=NOW, zone="UTC", rest_days=monday_and_tuesday)) == "rr....."
    assert letters(week([Learned(NOW - DAY, 3.0)], now=NOW, zone="UTC", rest_days=monday_and_tuesday)) == "rm....."
    assert letters(week([], now=NOW, zone="UTC", paused_until=NOW + DAY)) == "pppp.rr"
    assert letters(week([], now=NOW, zone="UTC", paused_until=NOW - 30 * DAY)) == "--...rr"


def test_days_are_those_of_the_learners_own_clock() -> None:
    late_on_tuesday = datetime(2026, 1, 13, 23, 30, tzinfo=UTC)  # Wednesday, 05:00 in Kolkata
    assert letters(week([Learned(late_on_tuesday, 2.0)], now=NOW, zone="UTC")) == "-m...rr"
    assert letters(week([Learned(late_on_tuesday, 2.0)], now=NOW, zone="Asia/Kolkata")) == "--m..rr"


@pytest.mark.parametrize(
    ("zone", "instant", "hours"),
    [
        ("Europe/Berlin", datetime(2026, 3, 29, 12, tzinfo=UTC), 23),
        ("Europe/Berlin", datetime(2026, 10, 25, 12, tzinfo=UTC), 25),
        ("America/Havana", datetime(2026, 3, 8, 12, tzinfo=UTC), 23),  # clocks skip midnight itself
        ("America/Havana", datetime(2026, 11, 1, 12, tzinfo=UTC), 25),  # midnight comes twice
        ("UTC", datetime(2026, 3, 29, 12, tzinfo=UTC), 24),
    ],
)
def test_a_day_on_which_the_clocks_change_is_one_day(zone: str, instant: datetime, hours: int) -> None:
    start, end = day_of(instant, zone)
    assert end - start == timedelta(hours=hours)
    for moment in (start, end - MINUTE):
        assert week([Learned(moment, 2.0)], now=end - MINUTE, zone=zone).today.state is DayState.MET
    assert week([Learned(end, 2.0)], now=end - MINUTE, zone=zone).today.state is not DayState.MET


instants = st.datetimes(datetime(2025, 12, 1), datetime(2026, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001
streams = st.lists(st.builds(Learned, instants, st.none() | st.floats(0, 600)), max_size=40)


@given(streams, instants, st.sampled_from(ZONES), st.integers(0, 127), st.none() | instants)
def test_no_stream_of_events_ever_raises_the_goal(
    learned: list[Learned], now: datetime, zone: str, rest_days: int, paused_until: datetime | None
) -> None:
    found = week(learned, now=now, zone=zone, rest_days=rest_days, paused_until=paused_until)
    assert found.goal == 2.0
    assert [day.on.weekday() for day in found.days] == list(range(7))
    start, end = week_of(now, zone)
    assert start <= now < end
    for day in found.days:
        assert day.bonus >= 0
        assert (day.minutes >= 2.0) <= (day.state is DayState.MET)
        if rest_days >> day.on.weekday() & 1 or day.on >= found.today.on:
            assert day.state is not DayState.MISSED
    # What came before, however much or little, changes nothing of this week.
    here = [each for each in learned if start <= each.at < end]
    assert week(here, now=now, zone=zone, rest_days=rest_days, paused_until=paused_until) == found


@given(streams, instants, st.sampled_from(ZONES))
def test_two_minutes_are_enough_whatever_happened_before(learned: list[Learned], now: datetime, zone: str) -> None:
    assert week([*learned, Learned(now, 2.0)], now=now, zone=zone).today.state is DayState.MET


def test_the_goal_is_assigned_once_and_cannot_be_changed() -> None:
    def assignments() -> Iterator[tuple[str, str]]:
        root = Path(__file__).resolve().parents[2]
        for package in ("pushpull", "content", "channels", "tasks", "flows", "web", "cli", "deployments"):
            for path in sorted((root / package).rglob("*.py")):
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                    targets = (
                        node.targets
                        if isinstance(node, ast.Assign)
                        else [node.target]
                        if isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr)
                        else []
                    )
                    for target in targets:
                        if (isinstance(target, ast.Name) and target.id == "TWO_MINUTES") or (
                            isinstance(target, ast.Attribute) and target.attr == "TWO_MINUTES"
                        ):
                            yield path.name, ast.unparse(node)

    assert list(assignments()) == [("habit.py", "TWO_MINUTES: Final = 2.0")]
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        week([], now=NOW, zone="UTC").goal = 3.0  # type: ignore[misc]
    assert habit.TWO_MINUTES == TWO_MINUTES == 2.0


def test_only_learning_is_read(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        an_activity(conn, ada, "launched", NOW, item_id=course)  # opened, for nobody knows how long
        an_activity(conn, ada, "launched", NOW + MINUTE, item_id=course, minutes=1.5)
        an_activity(conn, ada, "progressed", NOW + 2 * MINUTE, item_id=course)
        an_activity(conn, ada, "progressed", NOW + 3 * MINUTE, item_id=course, minutes=9, voided_at=NOW)
        for verb in ("assigned", "sent", *GRANTED_VERBS):
            an_activity(conn, ada, verb, NOW + 4 * MINUTE, item_id=course)
        an_activity(conn, ada, "progressed", NOW + DAY, item_id=course, minutes=2)
        found = learned_between(conn, ada, NOW, NOW + DAY)
    assert found == (Learned(NOW + MINUTE, 1.5), Learned(NOW + 2 * MINUTE, None))


def test_todays_goal_is_that_of_each_learners_own_day(engine: Engine) -> None:
    now = datetime(2026, 1, 14, 1, tzinfo=UTC)  # still Tuesday evening in Toronto
    with writing(engine) as conn:
        berlin = a_learner(conn, "berlin", timezone="Europe/Berlin")
        toronto = a_learner(conn, "toronto", timezone="America/Toronto")
        nowhere = a_learner(conn, "nowhere")
        idle = a_learner(conn, "idle", timezone="Europe/Berlin")
        other = a_learner(conn, "other")
        for who in (berlin, toronto, nowhere, other):
            an_activity(conn, who, "progressed", now - timedelta(hours=3), minutes=1)
            an_activity(conn, who, "progressed", now - timedelta(hours=2, minutes=30), minutes=1)
        everybody = [berlin, toronto, nowhere, idle]
        assert met_goal_today(conn, everybody, now=now, default_zone="UTC") == {toronto}
        assert met_goal_today(conn, everybody, now=now, default_zone="America/Toronto") == {toronto, nowhere}
        an_activity(conn, idle, "experienced", now)  # nobody knows how long
        an_activity(conn, berlin, "progressed", now + MINUTE, minutes=20)  # later than now
        assert met_goal_today(conn, everybody, now=now, default_zone="UTC") == {toronto, idle}
        assert met_goal_today(conn, [], now=now, default_zone="UTC") == frozenset()


records = st.lists(
    st.tuples(
        st.sampled_from(["progressed", "launched", "satisfied", "failed"]),
        st.integers(0, 60 * 60),  # minutes before now
        st.none() | st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.0]),
        st.booleans(),
    ),
    max_size=6,
)


@given(st.lists(st.tuples(st.sampled_from(ZONES), records), min_size=1, max_size=4), instants)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_says_of_today_what_the_page_says(
    engine: Engine, people: list[tuple[str, list[tuple[Any, ...]]]], now: datetime
) -> None:
    with writing(engine) as conn:
        conn.execute(delete(activity))
        conn.execute(delete(learner))
        said: dict[int, bool] = {}
        for number, (zone, done) in enumerate(people):
            who = a_learner(conn, f"person-{number}", timezone=zone or None)
            for verb, ago, minutes, is_voided in done:
                at = now - ago * MINUTE
                an_activity(conn, who, verb, at, minutes=minutes, voided_at=at if is_voided else None)
            found = week(learned_between(conn, who, *week_of(now, zone)), now=now, zone=zone)
            said[who] = found.today.state is DayState.MET
        met = met_goal_today(conn, list(said), now=now, default_zone="UTC")
    assert met == {who for who, is_met in said.items() if is_met}
