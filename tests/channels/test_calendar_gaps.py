"""What is offered as free is free, in every zone and over every change of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.calendar import Busy, Gap, free_gaps, offers, office_hours, usual_times
from channels.calendar.office import CLOSES, DAYS_AHEAD, FURTHEST, MOST_OFFERS, OPENS
from pushpull.ledger.timing import known, local_instant

NINE = datetime(2026, 1, 12, 9, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

# --- gaps ---

ZONES = [UTC, *map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"))]
#: The night in which Berlin's clocks go back, to be sure.
NIGHT = datetime(2026, 10, 24, 18, tzinfo=UTC)
instants = st.builds(
    lambda minutes, zone: (NIGHT + timedelta(minutes=minutes)).astimezone(zone),
    st.integers(0, 18 * 60),
    st.sampled_from(ZONES),
)
entries = st.builds(
    Busy, instants, instants, st.sampled_from(["busy", "tentative", "oof", "unknown", "free", "workingElsewhere"])
)


@given(st.lists(entries, max_size=12), instants, instants, st.integers(1, 120))
@settings(max_examples=300, deadline=None)
def test_gaps_are_free_whole_and_complete(taken: list[Busy], one: datetime, other: datetime, minutes: int) -> None:
    window = Gap(min(one, other, key=lambda at: at.astimezone(UTC)), max(one, other, key=lambda at: at.astimezone(UTC)))
    gaps = free_gaps(taken, window, minutes)

    def is_free(at: datetime) -> bool:
        return not any(
            each.blocks and each.starts_at.astimezone(UTC) <= at < each.ends_at.astimezone(UTC) for each in taken
        )

    inside = set()
    for gap in gaps:
        assert gap.starts_at.tzinfo is UTC
        assert gap.minutes >= minutes
        assert gap.starts_at >= window.starts_at.astimezone(UTC)
        assert gap.ends_at <= window.ends_at.astimezone(UTC)
        at = gap.starts_at
        while at < gap.ends_at:
            assert is_free(at)
            inside.add(at)
            at += timedelta(minutes=1)
    assert gaps == sorted(gaps, key=lambda gap: gap.starts_at)
    # Whatever is free and not in a gap is in a stretch too short to be one.
    at, run = window.starts_at.astimezone(UTC), 0
    while at < window.ends_at.astimezone(UTC):
        run = run + 1 if is_free(at) and at not in inside else 0
        assert run < minutes
        at += timedelta(minutes=1)


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1))
    assert free_gaps([], Gap(first, second), 60) == [Gap(first.astimezone(UTC), second.astimezone(UTC))]
    assert free_gaps([Busy(first, second)], Gap(first, second), 1) == []


def test_gaps_need_instants_and_a_length() -> None:
    with pytest.raises(ValueError, match="zone"):
        free_gaps([], Gap(datetime(2026, 1, 1), TEN), 5)  # noqa: DTZ001
    with pytest.raises(ValueError, match="more than 0"):
        free_gaps([], Gap(NINE, TEN), 0)
    assert free_gaps([], Gap(TEN, NINE), 1) == []


# --- office hours ---

STATES = ["busy", "tentative", "oof", "unknown", "free", "workingElsewhere"]
zones = st.sampled_from(sorted(zone for zone in available_timezones() if known(zone)))
#: Any moment, and those around which clocks are changed somewhere.
moments = st.one_of(
    st.datetimes(datetime(2020, 1, 1), datetime(2036, 1, 1)),  # noqa: DTZ001
    st.builds(
        lambda year, at, hours: datetime(year, *at) + timedelta(hours=hours),  # noqa: DTZ001
        st.integers(2020, 2036),
        st.sampled_from([(3, 7), (3, 24), (4, 1), (9, 24), (10, 1), (10, 24), (11, 1)]),
        st.integers(0, 200),
    ),
).map(lambda at: at.replace(tzinfo=UTC))
rest = st.sets(st.integers(0, 6), max_size=6)


@st.composite
def calendars(draw: st.DrawFn, now: datetime, zone: str) -> list[Busy]:
    """Meetings that overlap, last no time or end before they begin, and whole days as calendars and as Graph say."""
    found = []
    for _ in range(draw(st.integers(0, 12))):
        start = now + draw(st.integers(-36 * 60, 9 * 24 * 60)) * MINUTE
        end = start + draw(st.sampled_from([0, 0, 1, 15, 25, 60, 240, 1440, -30])) * MINUTE
        kind = draw(st.sampled_from(["meeting", "meeting", "meeting", "local day", "utc day"]))
        if kind == "local day":
            start, end = (local_instant(zone, (start + days * DAY).date(), time()) for days in (0, 1))
        elif kind == "utc day":
            start = datetime.combine(start.date(), time(), UTC)
            end = start + draw(st.integers(1, 3)) * DAY
        shown = ZoneInfo(draw(st.sampled_from([zone, "UTC", "America/New_York"])))
        found.append(Busy(start.astimezone(shown), end.astimezone(shown), draw(st.sampled_from(STATES))))
    return found


def overlaps(gap: Gap, busy: Busy) -> bool:
    starts_at, ends_at = busy.starts_at.astimezone(UTC), busy.ends_at.astimezone(UTC)
    return busy.blocks and starts_at < ends_at and starts_at < gap.ends_at and ends_at > gap.starts_at


def is_on_a_day_of(gap: Gap, busy: Busy, zone: str) -> bool:
    """Whether it is on one of the dates that an entry from midnight to midnight names."""
    starts_at, ends_at = busy.starts_at.astimezone(UTC), busy.ends_at.astimezone(UTC)
    if not busy.blocks or starts_at >= ends_at or not starts_at.time() == ends_at.time() == time():
        return False
    return starts_at.date() <= gap.starts_at.astimezone(ZoneInfo(zone)).date() < ends_at.date()


def is_at_work(gap: Gap, zone: str, rest_days: set[int]) -> bool:
    at, last = gap.starts_at, gap.ends_at - timedelta(microseconds=1)
    instants = []
    while at < last:
        instants.append(at)
        at += 5 * MINUTE
    local = [each.astimezone(ZoneInfo(zone)) for each in (*instants, last)]
    return all(OPENS <= each.time() < CLOSES and each.weekday() not in rest_days for each in local)


@given(st.data(), moments, zones, rest, st.integers(1, 90))
@settings(max_examples=250, deadline=None)
def test_what_is_offered_is_free_at_work_ahead_and_long_enough(
    data: st.DataObject, now: datetime, zone: str, rest_days: set[int], minutes: int
) -> None:
    busy = data.draw(calendars(now, zone))
    found = offers(iter(busy), now=now, zone=zone, minutes=minutes, rest_days=rest_days)
    hours = office_hours(now, zone, rest_days)
    for gap in found:
        assert gap.minutes >= minutes
        assert now <= gap.starts_at < now + FURTHEST + DAY
        assert gap.starts_at.timestamp() % 300 == 0
        assert any(spell.starts_at <= gap.starts_at and gap.ends_at <= spell.ends_at for spell in hours)
        assert is_at_work(gap, zone, rest_days)
        assert not any(overlaps(gap, each) or is_on_a_day_of(gap, each, zone) for each in busy)
    assert found == sorted(found, key=lambda gap: gap.starts_at)
    assert len(found) <= MOST_OFFERS


@given(moments, zones, rest)
@settings(deadline=None)
def test_whoever_has_an_empty_calendar_is_offered_every_working_day(
    now: datetime, zone: str, rest_days: set[int]
) -> None:
    found = offers([], now=now, zone=zone, minutes=5, rest_days=rest_days)
    days = {gap.starts_at.astimezone(ZoneInfo(zone)).date() for gap in found}
    assert len(days) >= min(DAYS_AHEAD, 7 - len(rest_days)) - 1  # what is left of today may be too short
    assert all(day.weekday() not in rest_days for day in days)


@given(st.data(), moments, zones, rest, st.integers(1, 60))
@settings(max_examples=150, deadline=None)
def test_where_no_calendar_is_known_the_usual_times_are_at_work_and_not_twice_taken(
    data: st.DataObject, now: datetime, zone: str, rest_days: set[int], minutes: int
) -> None:
    held = data.draw(calendars(now, zone))
    cues = data.draw(st.dictionaries(st.integers(0, 6), st.lists(st.times(), max_size=3)))
    found = usual_times(held, now=now, zone=zone, minutes=minutes, rest_days=rest_days, cues=cues)
    for gap in found:
        assert gap.minutes == minutes
        assert now <= gap.starts_at < now + FURTHEST + DAY
        assert is_at_work(gap, zone, rest_days)
        assert not any(overlaps(gap, each) for each in held)
    assert len(found) <= MOST_OFFERS


def at_hours(found: list[Gap], zone: str) -> list[str]:
    return [f"{gap.starts_at.astimezone(ZoneInfo(zone)):%a %d %H:%M}" for gap in found]


def test_the_usual_times_are_those_of_ones_own_plans_first() -> None:
    berlin = "Europe/Berlin"

    def usual(busy: list[Busy], cues: dict[int, list[time]]) -> list[str]:
        found = usual_times(busy, now=NINE, zone=berlin, minutes=5, rest_days={2, 5, 6}, cues=cues)
        return at_hours(found, berlin)

    # It is ten o'clock on Monday; Wednesday is a day of rest.
    some = ["Mon 12 13:30", "Tue 13 09:00", "Tue 13 13:30", "Thu 15 09:00", "Thu 15 13:30", "Fri 16 09:00"]
    assert usual([], {}) == some
    cues = {1: [time(12, 15), time(8, 45), time(12, 15), time(16)], 3: [time(20)], 4: []}
    own = ["Mon 12 13:30", "Tue 13 08:45", "Tue 13 12:15", "Fri 16 09:00", "Fri 16 13:30", "Mon 19 09:00"]
    assert usual([], cues) == own
    taken = Busy(NINE + 3 * timedelta(hours=1), NINE + timedelta(days=1))
    assert usual([taken], {})[0] == "Tue 13 13:30"
    assert usual_times([], now=NINE, zone=berlin, minutes=5, rest_days=range(7), cues={}) == []


def test_a_whole_day_is_taken_wherever_its_owner_is() -> None:
    holiday = Busy(datetime(2026, 1, 13, tzinfo=UTC), datetime(2026, 1, 14, tzinfo=UTC), "oof")
    for zone in ("America/Los_Angeles", "Europe/Berlin", "Pacific/Auckland"):
        found = offers([holiday], now=NINE - DAY, zone=zone, minutes=5, rest_days={5, 6})
        days = {gap.starts_at.astimezone(ZoneInfo(zone)).day for gap in found}
        assert 13 not in days
        assert 15 in days


def test_who_works_one_day_a_week_is_not_offered_a_time_too_far_to_hold() -> None:
    found = offers([], now=NINE, zone="Europe/Berlin", minutes=5, rest_days={0, 1, 2, 3, 5, 6})
    assert at_hours(found, "Europe/Berlin") == ["Fri 16 08:00", "Fri 23 08:00", "Fri 30 08:00", "Fri 06 08:00"]
