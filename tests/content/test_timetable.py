"""When waves are planned: the rules give the days of the calendar, at the local time, in every zone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.server.schemas.schedules import RRuleSchedule
from pydantic import ValidationError

from content.campaign import STAGES, Campaign, Recurrence, When, load_campaign, timetable, waves_on
from content.campaign.model import Planning
from content.campaign.when import Weekday
from content.lint import lint_content
from content.trend import Trend
from tests.content.conftest import CONTENT, EXAMPLE, Edit

FILE = f"campaigns/{EXAMPLE}.yaml"
#: Both hemispheres, half an hour of daylight saving, changes at midnight and on other days, and none at all.
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Pacific/Chatham",
    "UTC",
)
LONGEST = timedelta(weeks=60)


def as_prefect_sees(found: Recurrence) -> list[datetime]:
    """What Prefect's own schedule makes of the rule."""
    schedule = RRuleSchedule(rrule=found.rule, timezone=found.timezone)
    start = datetime.combine(found.days[0], time(), tzinfo=UTC) - timedelta(days=3)
    dates = asyncio.run(schedule.get_dates(n=900, start=start, end=start + LONGEST + timedelta(days=9)))
    return [each.astimezone(UTC) for each in dates]


weekdays = st.lists(st.sampled_from(list(Weekday)), min_size=1, max_size=7, unique=True)
weeks = st.one_of(st.none(), st.integers(1, 56))


@st.composite
def whens(draw: st.DrawFn) -> When:
    form = draw(st.sampled_from(["after_start", "weekly", "inactive", "due", "daily", "daily_goal", "at_cue"]))
    if form == "after_start":
        return When.model_validate(
            {"after_start": {"weeks": draw(st.integers(0, 20)), "days": draw(st.integers(0, 9))}}
        )
    first, last = draw(weeks), draw(weeks)
    if first and last and first > last:
        first, last = last, first
    said: dict[str, object] = {"from_week": first, "until_week": last}
    if form == "weekly":
        said |= {"weekly": draw(weekdays), "every_weeks": draw(st.integers(1, 5))}
    elif form == "inactive":
        said |= {"inactive_days": 5, "inactive_rhythm": 2}
    elif form == "due":
        said |= {"working_days_from_due": draw(st.integers(-3, 3))}
    elif form in ("daily_goal", "at_cue"):
        said |= {form: True}
    else:
        said |= {"daily": True}
    return When.model_validate(said)


@st.composite
def campaigns(draw: st.DrawFn) -> Campaign:
    """The example's first trend wave, at any time that a file can name."""
    example = load_campaign(EXAMPLE, CONTENT)
    assert example.stages.recommendations is not None
    wave = example.stages.recommendations.waves[0]
    assert wave.trend is not None
    start = draw(st.dates(date(2025, 1, 1), date(2027, 12, 31)))
    end = start + timedelta(days=draw(st.integers(0, LONGEST.days)))
    when = draw(whens())
    trend = wave.trend if draw(st.booleans()) else None
    stage = example.stages.recommendations.model_copy(
        update={"waves": (wave.model_copy(update={"when": when, "trend": trend}),)}
    )
    minutes = draw(st.integers(5 * 60, 22 * 60 - 1))
    changed = example.model_copy(
        update={
            "start": start,
            "end": end,
            "weeks": None,
            "timezone": draw(st.sampled_from(ZONES)),
            "budget": example.budget.model_copy(update={"weekdays": tuple(draw(weekdays))}),
            "planning": Planning(at=time(minutes // 60, minutes % 60), day_before=draw(st.booleans())),
            "stages": example.stages.model_copy(
                update={**dict.fromkeys(STAGES), ("habit" if when.is_habit else "recommendations"): stage}
            ),
        }
    )
    over = start + timedelta(days=draw(st.integers(0, LONGEST.days)))
    trends: dict[str, Trend] = {
        key: each.model_copy(update={"ends_on": over}) for key, each in example.references.trends.items()
    }
    return changed.referring_to(replace(example.references, trends=trends))


@settings(max_examples=100, deadline=None)
@given(campaigns())
def test_a_rule_gives_exactly_the_days_of_the_calendar(campaign: Campaign) -> None:
    has_the_days_of_the_calendar(campaign)


@pytest.mark.soak
@settings(max_examples=2500, deadline=None)
@given(campaigns())
def test_a_rule_gives_exactly_the_days_of_any_calendar(campaign: Campaign) -> None:
    has_the_days_of_the_calendar(campaign)


def has_the_days_of_the_calendar(campaign: Campaign) -> None:
    length = (campaign.ends_on - campaign.start).days
    days = [campaign.start + timedelta(days=number) for number in range(-40, length + 41)]
    happens = [day for day in days if waves_on(campaign, day)]
    planning = campaign.planning
    ((_, sent),) = campaign.waves()
    ahead = int(planning.day_before or sent.when.is_habit)  # somewhere a cue comes before the day begins here
    zone = ZoneInfo(campaign.timezone)
    wanted = [
        datetime.combine(day - timedelta(days=ahead), planning.at, tzinfo=zone).astimezone(UTC) for day in happens
    ]
    found = timetable(campaign)
    if not wanted:
        assert found == ()
        return
    (one,) = found
    assert as_prefect_sees(one) == wanted
    assert list(one.instants) == wanted
    assert one.days_ahead == ahead


def test_the_local_time_stays_when_clocks_change(edit: Edit, copied: Path) -> None:
    edit(FILE, "start: 2026-01-12            # a Monday\nweeks: 6", "start: 2026-03-23\nweeks: 40")
    found = {each.wave: each for each in timetable(load_campaign(EXAMPLE, copied))}["recovery"]
    instants = as_prefect_sees(found)
    hours = {instant.date(): instant.hour for instant in instants}
    assert (hours[date(2026, 3, 27)], hours[date(2026, 3, 30)]) == (4, 3)  # spring, between Friday and Monday
    assert (hours[date(2026, 10, 23)], hours[date(2026, 10, 26)]) == (3, 4)  # autumn
    assert len(instants) == 200


def test_a_wave_that_happens_once_is_planned_once(campaign: Campaign) -> None:
    announcement = timetable(campaign)[0]
    assert (announcement.stage, announcement.wave, announcement.days_ahead) == ("launch", "announcement", 0)
    assert announcement.rule == "DTSTART:20260112T050500\nRRULE:FREQ=DAILY;COUNT=1"
    assert announcement.timezone == "Europe/Berlin"


def test_all_waves_of_a_campaign_are_there_in_its_order(campaign: Campaign) -> None:
    assert [(each.stage, each.wave) for each in timetable(campaign)] == [
        (stage, wave.key) for stage, wave in campaign.waves()
    ]


def test_a_trend_that_is_over_ends_a_series_before_the_campaign_does(edit: Edit, copied: Path) -> None:
    edit(FILE, "when: {after_start: {weeks: 2, days: 1}}", "when: {weekly: [tue]}")
    edit("trends/ai-at-work.yaml", "ends_on: 2027-12-31", "ends_on: 2026-02-03")
    found = {each.wave: each for each in timetable(load_campaign(EXAMPLE, copied))}["trend-ai"]
    assert found.days[-1] == date(2026, 2, 3)
    assert found.rule.endswith("RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20260203T050500")


def test_a_wave_whose_trend_is_over_before_its_first_day_has_no_rule(campaign: Campaign) -> None:
    references = campaign.references
    ended = {key: each.model_copy(update={"ends_on": date(2026, 1, 13)}) for key, each in references.trends.items()}
    found = timetable(campaign.referring_to(replace(references, trends=ended)))
    assert "recommendations" not in {each.stage for each in found}
    assert "launch" in {each.stage for each in found}


def planning_findings(folder: Path) -> list[str]:
    return [str(each) for each in lint_content(folder) if each.rule == "planning-time"]


def test_the_shipped_campaign_is_planned_at_a_safe_time() -> None:
    assert planning_findings(CONTENT) == []


@pytest.mark.parametrize(
    ("at", "zone", "is_told"),
    [
        ("02:30", "Europe/Berlin", True),
        ("04:59", "Europe/Berlin", True),
        ("22:00", "Europe/Berlin", True),
        ("21:59", "Europe/Berlin", False),
        ("02:30", "Asia/Kolkata", False),  # no daylight saving
    ],
)
def test_a_time_that_clocks_may_skip_is_warned_about(
    edit: Edit, copied: Path, at: str, zone: str, is_told: bool
) -> None:
    edit(FILE, "timezone: Europe/Berlin\n", f'timezone: {zone}\nplanning: {{at: "{at}", day_before: true}}\n')
    found = planning_findings(copied)
    assert bool(found) is is_told
    assert all(f"planning.at: {at} may be skipped or come twice when clocks in {zone}" in each for each in found)


def test_a_plan_that_comes_after_the_hour_of_its_wave_is_warned_about(edit: Edit, copied: Path) -> None:
    edit(FILE, "timezone: Europe/Berlin\n", 'timezone: Europe/Berlin\nplanning: {at: "09:30"}\n')
    found = planning_findings(copied)
    assert any("stages.launch.waves[0].hour: is planned at 09:30" in each for each in found)
    assert not any("stages.launch.waves[1].hour" in each for each in found)  # at ten


def test_a_planning_time_with_an_offset_is_refused() -> None:
    with pytest.raises(ValidationError, match="leave the offset out"):
        Planning.model_validate({"at": "05:05+01:00"})
