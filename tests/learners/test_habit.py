from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from pushpull.db import writing
from pushpull.learners import habit
from pushpull.learners.habit import (
    TWO_MINUTES,
    DayState,
    Learned,
    Week,
    day_of,
    learned_between,
    week,
    week_of,
)
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
