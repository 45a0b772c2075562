from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import available_timezones

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushpull.ledger import timing
from pushpull.ledger.specs import SendWindow
from tests.ledger.zone_oracle import microseconds, oracle

OFFICE = SendWindow()
EVERY_DAY = frozenset(range(7))
#: Files list their changes up to 2037; beyond it they give a rule that the oracle does not read.
FIRST, LAST = datetime(1970, 1, 10, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)
ZONES = sorted(zone for zone in available_timezones() if zone not in ("localtime", "posixrules", "Factory"))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ---- local instants


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        ("Europe/Berlin", date(2026, 1, 12), time(9), "2026-01-12T08:00"),
        ("Europe/Berlin", date(2026, 7, 13), time(9), "2026-07-13T07:00"),
        ("Europe/Berlin", date(2026, 3, 29), time(2, 30), "2026-03-29T01:30"),  # skipped: 03:30 by the new clock
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), "2026-10-25T00:30"),  # twice: the first
        ("Asia/Kolkata", date(2026, 1, 12), time(9), "2026-01-12T03:30"),
        ("Asia/Kathmandu", date(2026, 1, 12), time(9), "2026-01-12T03:15"),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), "2026-10-03T15:45"),  # a gap of half an hour
        ("Pacific/Apia", date(2011, 12, 30), time(9), "2011-12-30T19:00"),  # a day that never was: the 31st
    ],
)
def test_a_local_time_becomes_one_instant(zone: str, day: date, at: time, expected: str) -> None:
    assert timing.local_instant(zone, day, at) == utc(expected)


def test_a_skipped_local_time_moves_forward_by_the_gap() -> None:
    moved = timing.local_instant("America/New_York", date(2026, 3, 8), time(2, 30))
    assert moved.astimezone(timing._zone("America/New_York")).time() == time(3, 30)


@pytest.mark.parametrize(
    "zone", ["", "Mars/Olympus", "Europe", "../etc/passwd", "\0", "Europe/Berlin ", "é", "x" * 300]
)
def test_names_that_are_no_zone_are_unknown(zone: str) -> None:
    assert not timing.known(zone)


@pytest.mark.parametrize("zone", ZONES[::40])
def test_zones_of_the_database_are_known(zone: str) -> None:
    assert timing.known(zone)


def test_the_local_day_is_the_learners_own() -> None:
    assert timing.local_day(utc("2026-01-12T23:30"), "Asia/Tokyo") == date(2026, 1, 13)
    assert timing.local_day(utc("2026-01-12T03:30"), "America/Los_Angeles") == date(2026, 1, 11)


# ---- the window


def test_the_window_is_shut_from_its_closing_minute_on() -> None:
    assert timing.is_open(utc("2026-01-12T18:59:59"), "Europe/Berlin", OFFICE)
    assert not timing.is_open(utc("2026-01-12T19:00"), "Europe/Berlin", OFFICE)
    assert timing.closes_at(utc("2026-01-12T12:00"), "Europe/Berlin", OFFICE) == utc("2026-01-12T19:00")


def test_friday_evening_waits_for_monday_morning() -> None:
    assert timing.next_open(utc("2026-01-16T22:00"), "Europe/Berlin", OFFICE) == utc("2026-01-19T07:00")


def test_an_open_instant_is_its_own_next_opening_and_a_shut_one_its_own_closing() -> None:
    now, night = utc("2026-01-12T12:00"), utc("2026-01-12T23:00")
    assert timing.next_open(now, "Europe/Berlin", OFFICE) == now
    assert timing.closes_at(night, "Europe/Berlin", OFFICE) == night


def test_a_zone_that_skipped_the_only_allowed_day_opens_a_week_later() -> None:
    fridays = SendWindow(weekdays=frozenset({4}))
    opening = timing.next_open(utc("2011-12-30T00:00") + timedelta(hours=8), "Pacific/Apia", fridays)
    assert timing.local_day(opening, "Pacific/Apia") == date(2012, 1, 6)


def test_clocks_set_back_into_the_window_open_it_again() -> None:
    early = SendWindow(opens=time(1), closes=time(2, 30), weekdays=EVERY_DAY)
    shut = utc("2026-10-25T00:45")  # 02:45 by summer time, a quarter of an hour before it becomes 02:00 again
    assert timing.next_open(shut, "Europe/Berlin", early) == utc("2026-10-25T01:00")
    assert timing.closes_at(utc("2026-10-25T01:10"), "Europe/Berlin", early) == utc("2026-10-25T01:30")


def test_a_window_that_falls_into_the_skipped_hour_waits_for_the_next_day() -> None:
    skipped = SendWindow(opens=time(2), closes=time(3), weekdays=EVERY_DAY)
    assert timing.next_open(utc("2026-03-28T12:00"), "Europe/Berlin", skipped) == utc("2026-03-30T00:00")


# ---- send instants


@pytest.mark.parametrize(
    ("hour", "expected"),
    [(9, "2026-01-12T08:00"), (3, "2026-01-12T07:00"), (22, "2026-01-12T18:00"), (20, "2026-01-12T18:00")],
)
def test_the_hour_moves_into_the_window_on_its_day(hour: int, expected: str) -> None:
    assert timing.send_instant("Europe/Berlin", date(2026, 1, 12), hour, OFFICE) == utc(expected)


def test_a_saturday_moves_to_monday_at_the_same_hour() -> None:
    assert timing.send_instant("Asia/Kolkata", date(2026, 1, 17), 11, OFFICE) == utc("2026-01-19T05:30")


def test_a_narrow_window_takes_any_hour_of_its_day() -> None:
    narrow = SendWindow(opens=time(0, 5), closes=time(0, 35))
    for hour in range(24):
        assert timing.send_instant("UTC", date(2026, 1, 12), hour, narrow) == utc("2026-01-12T00:05")


def test_what_is_late_is_sent_at_the_next_open_instant() -> None:
    late = utc("2026-01-12T19:30")
    assert timing.send_instant("Europe/Berlin", date(2026, 1, 12), 9, OFFICE, late) == utc("2026-01-13T07:00")
    in_time = utc("2026-01-12T10:17")
    assert timing.send_instant("Europe/Berlin", date(2026, 1, 12), 9, OFFICE, in_time) == in_time


def test_each_distinct_zone_gets_one_instant_and_unknown_ones_the_organisations() -> None:
    found = timing.instants(
        ["Asia/Tokyo", "", "Asia/Tokyo", "Mars/Olympus"],
        day=date(2026, 1, 12),
        hour=9,
        window=OFFICE,
        default="Europe/Berlin",
    )
    assert found == {
        "Asia/Tokyo": utc("2026-01-12T00:00"),
        "": utc("2026-01-12T08:00"),
        "Mars/Olympus": utc("2026-01-12T08:00"),
    }


# ---- unknown zones


def test_a_learner_of_unknown_zone_is_texted_when_it_is_day_everywhere() -> None:
    zones = ["Europe/Berlin", "America/New_York"]
    assert timing.unknown_window(OFFICE, zones, date(2026, 1, 12)) == (utc("2026-01-12T13:00"), utc("2026-01-12T19:00"))
    instant = timing.unknown_instant(zones, date(2026, 1, 12), 9, OFFICE, default="Europe/Berlin")
    assert instant == utc("2026-01-12T13:00")


def test_zones_without_a_common_hour_have_no_window() -> None:
    zones = ["Pacific/Auckland", "Europe/London", "America/Los_Angeles"]
    nine_to_five = SendWindow(opens=time(9), closes=time(17))
    assert timing.unknown_window(nine_to_five, zones, date(2026, 1, 14)) is None
    assert timing.unknown_instant(zones, date(2026, 1, 14), 9, nine_to_five, default="Europe/London") is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(ZONES), min_size=1, max_size=4), st.dates(date(2000, 1, 1), date(2036, 1, 1)))
def test_a_common_window_is_open_in_every_zone_from_end_to_end(zones: list[str], day: date) -> None:
    spell = timing.unknown_window(OFFICE, zones, day)
    if spell is None:
        start = microseconds(utc(day.isoformat()))
        minutes = np.arange(start, start + 86_400_000_000, 60_000_000)
        local_days = [oracle(zone).local(minutes // 1_000_000) // 86_400 for zone in zones]
        ordinal = (day - date(1970, 1, 1)).days
        on_day = np.logical_or.reduce([days == ordinal for days in local_days])
        assert not (np.logical_and.reduce([oracle(zone).open(minutes, OFFICE) for zone in zones]) & on_day).any()
        return
    minutes = np.arange(microseconds(spell[0]), microseconds(spell[1]), 60_000_000)
    for zone in zones:
        assert oracle(zone).open(minutes, OFFICE).all()
    assert not timing.open_everywhere(spell[1], zones, OFFICE)


# ---- random zones, instants and rules against the oracle


def _window(draw: random.Random) -> SendWindow:
    if draw.random() < 0.2:
        return OFFICE
    opens, closes = sorted(draw.sample(range(24 * 60), 2))
    days = frozenset(draw.sample(range(7), draw.choice((1, 2, 5, 5, 6, 7, 7))))
    return SendWindow(opens=time(*divmod(opens, 60)), closes=time(*divmod(closes, 60)), weekdays=days)


def _instant(draw: random.Random, zone: str) -> datetime:
    jumps = oracle(zone).jumps
    if jumps and draw.random() < 0.5:
        near = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=draw.choice(jumps) + draw.randint(-90_000, 90_000))
        if FIRST < near < LAST:
            return near
    return FIRST + timedelta(seconds=draw.randint(0, int((LAST - FIRST).total_seconds())))


@pytest.mark.parametrize("cases", [20_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_random_cases_are_all_inside_hours_and_as_early_as_can_be(cases: int) -> None:
    draw = random.Random(20260112)
    windows = [_window(draw) for _ in range(2000)]
    for _ in range(cases):
        zone, window = draw.choice(ZONES), draw.choice(windows)
        instant = _instant(draw, zone)
        if draw.random() < 0.5:
            found, wanted = timing.next_open(instant, zone, window), True
        else:
            found, wanted = timing.closes_at(instant, zone, window), False
        start, end = microseconds(instant), microseconds(found)
        assert start <= end
        # the find itself, the last microsecond before it, and every minute on the way
        before = np.arange(start, end, 60_000_000)
        assert oracle(zone).open(np.array([end]), window)[0] == wanted, (zone, window, instant, found)
        if end > start:
            before = np.append(before, end - 1)
            assert (oracle(zone).open(before, window) != wanted).all(), (zone, window, instant, found)


def test_send_instants_are_inside_hours_and_not_before_their_bound() -> None:
    draw = random.Random(7)
    for _ in range(10_000):
        zone, window = draw.choice(ZONES), _window(draw)
        day, hour = _instant(draw, zone).date(), draw.randrange(24)
        bound = _instant(draw, zone) if draw.random() < 0.3 else None
        found = timing.send_instant(zone, day, hour, window, bound)
        assert oracle(zone).open(np.array([microseconds(found)]), window)[0], (zone, window, day, hour, bound)
        assert bound is None or found >= bound
        if bound is None:
            assert timing.local_day(found, zone) >= day


# ---- working days


def test_working_days_skip_weekends_and_holidays() -> None:
    friday, holiday = date(2026, 1, 9), date(2026, 1, 12)
    assert timing.add_working_days(friday, 1) == date(2026, 1, 12)
    assert timing.add_working_days(friday, 1, {holiday}) == date(2026, 1, 13)
    assert timing.add_working_days(date(2026, 1, 12), -1) == friday
    assert timing.add_working_days(date(2026, 1, 11), -1) == friday
    assert timing.add_working_days(date(2026, 1, 10), 0) == date(2026, 1, 12)
    assert timing.add_working_days(friday, 0) == friday


@settings(max_examples=400, deadline=None)
@given(
    on=st.dates(date(2000, 1, 1), date(2050, 1, 1)),
    offset=st.integers(-15, 15),
    off=st.sets(st.integers(-30, 30), max_size=8),
)
def test_the_due_days_of_a_day_are_exactly_those_that_lead_to_it(on: date, offset: int, off: set[int]) -> None:
    holidays = frozenset(on + timedelta(days=days) for days in off)
    expected = {
        due
        for due in (on + timedelta(days=days) for days in range(-60, 61))
        if timing.add_working_days(due, offset, holidays) == on
    }
    assert timing.due_days_for(on, offset, holidays) == expected


@given(st.dates(date(2000, 1, 1), date(2050, 1, 1)), st.integers(-40, 40))
def test_every_due_day_is_reminded_on_exactly_one_working_day(due: date, offset: int) -> None:
    on = timing.add_working_days(due, offset)
    assert timing.is_working_day(on)
    assert due in timing.due_days_for(on, offset)
