"""The habit stage: who gets a daily nudge, who needs none, and never two on one day."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, select, update

from pushpull.db import reading, writing
from pushpull.learners.habit import DayState, is_zone, learned_between, week, week_of
from pushpull.learners.tables import learner
from pushpull.ledger.budget import OrganisationCaps
from pushpull.ledger.planning import plan
from pushpull.ledger.specs import Caps, WaveSpec
from pushpull.ledger.tables import delivery
from pushpull.ledger.vocabulary import DeliveryState, Reason
from tests.ledger.builders import (
    ALWAYS,
    DAWN,
    MONDAY,
    NO_CAPS,
    NOON,
    Sink,
    a_campaign,
    a_learner,
    a_wave,
    dispatched,
    drained,
    has_completed,
    planned,
    reasons_of,
    rows_of,
    states_of,
    utc,
)
from tests.ledger.habit import DAY, EVENING_BEFORE, a_nudge, asks, contacts, got, learns, someone

pytestmark = pytest.mark.usefixtures("course_and_quiz")


# ---- who gets a daily nudge


def test_only_those_who_asked_belong_to_the_wave(engine: Engine) -> None:
    wants = someone(engine)
    refused = someone(engine)
    asks(engine, refused, is_wanted=False)
    with writing(engine) as connection:
        a_learner(connection)  # never said anything
    assert reasons_of(engine, planned(engine, a_nudge())) == {wants: None}
    assert plan(engine, a_nudge(campaign="safety", on=MONDAY), as_of=DAWN).was_planned_before


def test_nobody_asked_so_no_wave_is_planned(engine: Engine) -> None:
    with writing(engine) as connection:
        a_learner(connection)
    result = plan(engine, a_nudge(), as_of=DAWN)
    assert (result.wave_id, result.audience) == (None, 0)


def test_it_comes_at_the_hour_the_learner_responds_in_their_zone(engine: Engine) -> None:
    early = someone(engine, zone="Asia/Tokyo", preferred_hour=10)
    usual = someone(engine, zone="America/New_York")
    rows = rows_of(engine, planned(engine, a_nudge(), as_of=EVENING_BEFORE))
    assert rows[early].due_at == utc("2026-01-12T01:00")
    assert rows[usual].due_at == utc("2026-01-12T14:00")


def test_nobody_is_nudged_on_a_rest_day_of_theirs(engine: Engine) -> None:
    rests = someone(engine, rest=[0])
    works = someone(engine, rest=[1, 5, 6])
    assert reasons_of(engine, planned(engine, a_nudge())) == {rests: Reason.RESTING, works: None}


def test_a_rest_day_is_that_of_the_learners_zone(engine: Engine) -> None:
    """It is Monday in Auckland while it is Sunday still in New York."""
    sunday_off = [6]
    east = someone(engine, zone="Pacific/Auckland", rest=sunday_off)
    west = someone(engine, zone="America/New_York", rest=sunday_off)
    wave_id = planned(engine, a_nudge(window=ALWAYS), as_of=EVENING_BEFORE - timedelta(hours=8))
    assert set(reasons_of(engine, wave_id).values()) == {None}
    with writing(engine) as connection:  # whoever moves is judged where they are when it is sent
        connection.execute(update(learner).where(learner.c.id == east).values(timezone="Pacific/Honolulu"))
    drained(engine, wave_id, now=utc("2026-01-11T20:30"))
    assert reasons_of(engine, wave_id) == {east: Reason.RESTING, west: None}


def test_a_rest_day_chosen_after_planning_is_kept(engine: Engine) -> None:
    one = someone(engine)
    wave_id = planned(engine, a_nudge())
    asks(engine, one, rest=[0])
    drained(engine, wave_id)
    assert reasons_of(engine, wave_id) == {one: Reason.RESTING}


def test_who_takes_it_back_before_it_is_sent_gets_none(engine: Engine) -> None:
    one = someone(engine)
    wave_id = planned(engine, a_nudge())
    asks(engine, one, is_wanted=False)
    drained(engine, wave_id)
    assert reasons_of(engine, wave_id) == {one: Reason.NO_LONGER_IN_SEGMENT}


# ---- it stops after success


@pytest.mark.parametrize(
    ("minutes", "verb", "is_done"),
    [
        ([2.0], "progressed", True),
        ([1.0, 1.0], "progressed", True),
        ([1.9], "progressed", False),
        ([None], "progressed", True),  # learned, nobody knows how long
        ([None], "launched", False),  # opened, nothing more
        ([5.0], "assigned", False),  # said by a system
        ([60.0], "progressed", True),
    ],
)
def test_two_minutes_before_planning_are_enough(
    engine: Engine, minutes: list[float | None], verb: str, is_done: bool
) -> None:
    one = someone(engine)
    for each in minutes:
        learns(engine, one, DAWN - timedelta(minutes=30), minutes=each, verb=verb)
    wave_id = planned(engine, a_nudge())
    assert reasons_of(engine, wave_id) == {one: Reason.GOAL_MET if is_done else None}


def test_two_minutes_between_planning_and_sending_are_enough(engine: Engine) -> None:
    done, not_yet, yesterday = someone(engine), someone(engine), someone(engine)
    wave_id = planned(engine, a_nudge(), as_of=EVENING_BEFORE)
    learns(engine, done, NOON - timedelta(hours=1))
    learns(engine, not_yet, NOON + timedelta(hours=1))  # recorded for later: it has not happened
    learns(engine, yesterday, utc("2026-01-11T22:59:59"))  # one second to midnight in Berlin
    sink = Sink()
    drained(engine, wave_id, sink)
    assert reasons_of(engine, wave_id) == {done: Reason.GOAL_MET, not_yet: None, yesterday: None}
    assert got(sink) == 2


def page_says_met(connection: Connection, learner_id: int) -> bool:
    zone = connection.execute(select(learner.c.timezone).where(learner.c.id == learner_id)).scalar_one()
    zone = zone if zone and is_zone(zone) else "Europe/Berlin"
    days = week(learned_between(connection, learner_id, *week_of(NOON, zone)), now=NOON, zone=zone)
    return days.today.state is DayState.MET


def test_the_ledger_and_the_learners_page_agree_on_who_has_met_the_goal(engine: Engine) -> None:
    moments = [NOON - timedelta(hours=hours) for hours in (0, 1, 5, 11, 13, 20, 30)]
    people = [
        someone(engine, zone=zone, rest=())
        for zone in ("Europe/Berlin", "America/New_York", "Pacific/Auckland", None, "Nowhere/Land")
        for _ in range(6)
    ]
    for number, learner_id in enumerate(people):
        for minutes in ((1.0, 1.5), (None,), (0.5,), (3.0,), (), (2.0, None))[number % 6]:
            learns(engine, learner_id, moments[(number * 5) % 7], minutes=minutes)
    wave_id = planned(engine, a_nudge(window=ALWAYS, hour=0), as_of=EVENING_BEFORE - DAY)
    with writing(engine) as connection:
        values = {"due_at": DAWN, "expires_at": NOON + DAY}
        connection.execute(update(delivery).where(delivery.c.wave_id == wave_id).values(values))
    drained(engine, wave_id)
    with reading(engine) as connection:
        met = {each for each in people if page_says_met(connection, each)}
    done = {each for each, reason in reasons_of(engine, wave_id).items() if reason == Reason.GOAL_MET}
    assert done == met
    assert 0 < len(met) < len(people)


def test_it_stops_for_good_when_the_campaign_is_completed(engine: Engine, course_and_quiz: list[int]) -> None:
    one = someone(engine)
    with writing(engine) as connection:
        for each in course_and_quiz:
            has_completed(connection, one, each)
    assert reasons_of(engine, planned(engine, a_nudge())) == {one: Reason.COMPLETED}


# ---- never more than one a day, and never the day after


def test_a_nudge_is_for_its_day_alone(engine: Engine) -> None:
    one = someone(engine)
    spec = a_nudge(expires_after=2 * DAY)
    wave_id = planned(engine, spec)
    assert rows_of(engine, wave_id)[one].expires_at == utc("2026-01-12T23:00")
    drained(engine, wave_id, now=NOON, caps=OrganisationCaps(nudge=Caps(per_day=1), mandatory=Caps()))
    drained(engine, wave_id, now=NOON + DAY)
    assert len(contacts(engine)) == 1


def test_what_is_capped_is_given_up_and_not_moved_to_the_next_day(engine: Engine) -> None:
    one = someone(engine)
    caps = OrganisationCaps(nudge=Caps(per_day=1, per_week=9, per_month=9), mandatory=Caps())
    drained(engine, planned(engine, a_wave("launch.hello")), caps=caps)
    wave_id = planned(engine, a_nudge())
    drained(engine, wave_id, caps=caps)
    assert states_of(engine, wave_id) == {one: (DeliveryState.SKIPPED, Reason.CAPPED)}


def test_two_campaigns_and_re_runs_come_to_one_nudge_a_day(engine: Engine) -> None:
    someone(engine)
    with writing(engine) as connection:
        a_campaign(connection, "other")
    sink = Sink()
    for spec in (a_nudge(), a_nudge(campaign="other"), a_wave("habit.again", daily_goal=True)):
        planned(engine, spec)
    for hours in range(4):
        dispatched(engine, sink, now=NOON + timedelta(hours=hours), caps=NO_CAPS)
    assert got(sink) == 1


def test_planning_and_sending_again_adds_nothing(engine: Engine) -> None:
    someone(engine)
    sink = Sink()
    for _ in range(3):
        result = plan(engine, a_nudge(), as_of=DAWN)
        dispatched(engine, sink, now=NOON)
    assert result.was_planned_before
    assert got(sink) == 1


# ---- what a wave may be


@pytest.mark.parametrize(
    "fields",
    [
        {"daily_goal": True, "at_cue": True},
        {"daily_goal": True, "stage": "onboarding"},
        {"at_cue": True, "due_offset": -1},
    ],
)
def test_a_wave_is_one_of_both_and_belongs_to_the_stage(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        a_wave("habit.daily", **fields)


def test_a_stored_wave_of_before_reads_as_one_without_habit() -> None:
    stored = a_wave().model_dump(mode="json")
    for name in ("daily_goal", "at_cue", "cues_first"):
        del stored[name]
    assert not WaveSpec.model_validate(stored).is_habit
