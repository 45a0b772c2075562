"""The intensity ladder: pushes fall as visits nobody asked for rise, without switching back and forth."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from uuid import uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, insert, update

from pushpull.db import reading, writing
from pushpull.insights.pull import decide_intensity, pull_weeks
from pushpull.ledger.intensity import Decided, Held, IntensityRules, Rung, Week, decide, held, monday_of, note, rung_at
from pushpull.ledger.tables import campaign, contact, delivery_event, handover
from pushpull.ledger.vocabulary import MessageClass, Reason, Touch
from tests.ledger.builders import (
    DAWN,
    MONDAY,
    NOON,
    Sink,
    a_campaign,
    a_lifecycle,
    a_wave,
    drained,
    item_ids,
    learners,
    planned,
    reasons_of,
    was_active,
)

RULES = IntensityRules(least_visits=20)
LADDER = {"intensity": RULES.model_dump(mode="json"), "timezone": "Europe/Berlin"}
LATER = NOON + timedelta(days=14)
FORTNIGHT = MONDAY + timedelta(days=14)


def was_told(
    connection: Connection, campaign_id: int, learner_id: int, *, at: datetime, diverted: bool = False
) -> None:
    """A message was handed over for somebody."""
    handover_id = uuid4()
    connection.execute(
        insert(handover).values(
            id=handover_id,
            wave_id=1,
            rotation=0,
            campaign_id=campaign_id,
            channel="email",
            first_learner_id=learner_id,
            last_learner_id=learner_id,
            size=1,
            intended_at=at,
            as_of=at,
            deadline_at=at,
            accepted=1,
            diverted_to=learner_id if diverted else None,
        )
    )
    connection.execute(
        insert(contact).values(
            learner_id=learner_id, local_day=at.date().toordinal(), handover_id=handover_id, lane="nudge"
        )
    )


def clicked(connection: Connection, campaign_id: int, learner_id: int, *, at: datetime) -> None:
    connection.execute(
        insert(delivery_event).values(
            source="test",
            source_id=str(uuid4()),
            wave_id=1,
            rotation=0,
            learner_id=learner_id,
            campaign_id=campaign_id,
            kind="clicked",
            occurred_at=at,
        )
    )


def week_of(share: float, visits: int = 100, begins: date = MONDAY) -> Week:
    return Week(begins, visits, round(share * visits))


def a_season(shares: list[float], rules: IntensityRules = RULES) -> list[Rung]:
    """The rung of every week, where the weeks' pull shares are these."""
    stands, rungs, weeks = (
        Held(),
        [],
        [week_of(each, begins=MONDAY + timedelta(weeks=n)) for n, each in enumerate(shares)],
    )
    for number in range(2, len(weeks) + 1):
        week = MONDAY + timedelta(weeks=number)
        decided = decide(rules, stands, weeks[number - 2 : number], week=week)
        if decided.rung is not stands.rung:
            stands = Held(decided.rung, week)
        rungs.append(decided.rung)
    return rungs


def switches(rungs: list[Rung]) -> int:
    return sum(one is not other for one, other in pairwise(rungs))


def test_a_rung_is_left_upwards_after_two_weeks_at_its_upper_threshold_and_not_after_one() -> None:
    assert a_season([0.5, 0.4, 0.5, 0.4]) == [Rung.FULL] * 3
    assert a_season([0.1, 0.5, 0.5, 0.5]) == [Rung.FULL, Rung.EASED, Rung.EASED]


def test_a_rung_is_left_downwards_at_its_lower_threshold_and_not_between_the_two() -> None:
    assert a_season([0.6, 0.6, 0.45, 0.45, 0.4, 0.36])[-1] is Rung.EASED
    assert a_season([0.6, 0.6, 0.3, 0.3])[-1] is Rung.FULL


def test_each_rung_takes_two_weeks_that_were_lived_on_the_one_before() -> None:
    assert a_season([0.9] * 6) == [Rung.EASED, Rung.EASED, Rung.LIGHT, Rung.LIGHT, Rung.LIGHT]


def test_weeks_with_few_visits_say_nothing() -> None:
    thin = [week_of(1.0, visits=100), week_of(1.0, visits=19)]
    assert decide(RULES, Held(), thin, week=FORTNIGHT).rung is Rung.FULL
    assert decide(RULES, Held(), [], week=FORTNIGHT).rung is Rung.FULL


def test_noise_around_a_threshold_makes_few_switches() -> None:
    """Shares swing around the upper threshold for a year; whoever follows each week switches about every other week."""
    for seed in range(50):
        noise = Random(seed)
        shares = [min(1.0, max(0.0, noise.gauss(0.5, 0.05))) for _ in range(52)]
        naive = [Rung.EASED if each >= 0.5 else Rung.FULL for each in shares]
        assert switches(naive) >= 12  # 26 expected, standard deviation 3.6: fails by chance once in 10,000 seeds
        # Up once at the most: the way down begins three standard deviations lower, twice running.
        assert switches(a_season(shares)) <= 1


def test_push_falls_as_pull_rises_and_comes_back_as_it_falls() -> None:
    """Pull rises from a tenth to nine tenths and falls again, noisily: each rung is taken once and left once."""
    rise = [0.1 + 0.8 * week / 25 for week in range(26)]
    for seed in range(50):
        noise = Random(seed)
        shares = [min(1.0, max(0.0, each + noise.gauss(0, 0.04))) for each in (*rise, *reversed(rise))]
        rungs = a_season(shares)
        assert rungs[0] is Rung.FULL
        assert rungs[24:28] == [Rung.LIGHT] * 4
        assert rungs[-1] is Rung.FULL
        assert switches(rungs) == 4


def test_thresholds_without_a_gap_or_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="back and forth"):
        IntensityRules.model_validate({"eased": {"up": 0.4, "down": 0.4}})
    with pytest.raises(ValidationError, match="higher thresholds"):
        IntensityRules.model_validate({"light": {"up": 0.45, "down": 0.2}})


def test_a_week_is_decided_once_and_what_holds_is_the_last_decision(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection, items=("course",), definition=LADDER)
        first = Decided(MONDAY, Rung.EASED, (week_of(0.6),), "because")
        assert note(connection, campaign_id, first, at=DAWN)
        assert not note(connection, campaign_id, Decided(MONDAY, Rung.FULL, (), "no"), at=DAWN)
        note(connection, campaign_id, Decided(FORTNIGHT, Rung.EASED, (), "still"), at=LATER)
        assert rung_at(connection, campaign_id, as_of=DAWN - timedelta(days=1)) is Rung.FULL
        assert rung_at(connection, campaign_id, as_of=LATER) is Rung.EASED
        assert held(connection, campaign_id, before=FORTNIGHT + timedelta(days=7)) == Held(Rung.EASED, MONDAY)
        a_campaign(connection, items=("course",), definition={})
        assert rung_at(connection, campaign_id, as_of=LATER) is Rung.FULL  # the file asks for no ladder any more


def _four(engine: Engine, rung: Rung, **fields: object) -> tuple[int, list[int]]:
    """A campaign on a rung; one came by themselves, one after a message, one after a click, one not at all."""
    with writing(engine) as connection:
        campaign_id = a_campaign(connection, items=("course",), definition=LADDER, **fields)
        course = item_ids(connection, campaign_id)[0]
        people = learners(connection, 4, timezone="Asia/Kolkata")
        note(connection, campaign_id, Decided(MONDAY, rung, (), "test"), at=DAWN)
        came = LATER - timedelta(days=5)
        for each in people[:3]:
            was_active(connection, each, course, at=came)
        was_told(connection, campaign_id, people[1], at=came - timedelta(hours=47))
        was_told(connection, campaign_id, people[0], at=came - timedelta(hours=49))
        was_told(connection, campaign_id, people[0], at=came - timedelta(hours=1), diverted=True)
        clicked(connection, campaign_id, people[2], at=came - timedelta(minutes=1))
    return campaign_id, people


@pytest.mark.parametrize(
    ("rung", "left_out"), [(Rung.FULL, []), (Rung.EASED, [0]), (Rung.LIGHT, [0, 1, 2])], ids=["full", "eased", "light"]
)
def test_a_push_leaves_out_who_needs_none(engine: Engine, rung: Rung, left_out: list[int]) -> None:
    _, people = _four(engine, rung)
    wave_id = planned(engine, a_wave(on=FORTNIGHT), as_of=LATER - timedelta(hours=6))
    expected = {each: Reason.INTENSITY if place in left_out else None for place, each in enumerate(people)}
    assert reasons_of(engine, wave_id) == expected


def test_pulls_obligations_and_service_messages_are_never_left_out(engine: Engine) -> None:
    _, people = _four(engine, Rung.LIGHT)
    for name, fields in (
        ("launch.pull", {"touch": Touch.PULL}),
        ("launch.duty", {"message_class": MessageClass.MANDATORY}),
        ("launch.service", {"message_class": MessageClass.SERVICE}),
    ):
        wave_id = planned(engine, a_wave(name, on=FORTNIGHT, **fields), as_of=LATER - timedelta(hours=6))
        assert reasons_of(engine, wave_id) == dict.fromkeys(people)


def test_who_comes_between_planning_and_sending_gets_no_push(engine: Engine) -> None:
    campaign_id, people = _four(engine, Rung.EASED)
    wave_id = planned(engine, a_wave(on=FORTNIGHT), as_of=LATER - timedelta(hours=6))
    with writing(engine) as connection:
        course = item_ids(connection, campaign_id)[0]
        was_active(connection, people[3], course, at=LATER - timedelta(hours=5))
    sink = Sink()
    assert drained(engine, wave_id, sink, now=LATER).skipped == {Reason.INTENSITY: 1}
    assert len(sink.received) == 2


def test_a_push_left_out_takes_no_pull_after_it_away(engine: Engine) -> None:
    _, people = _four(engine, Rung.EASED)
    push = planned(engine, a_wave("launch.trend", on=FORTNIGHT), as_of=LATER - timedelta(hours=6))
    drained(engine, push, now=LATER)
    follow = a_wave("launch.picks", on=FORTNIGHT + timedelta(days=1), touch=Touch.PULL, after=("launch.trend",))
    assert reasons_of(engine, planned(engine, follow, as_of=LATER + timedelta(hours=12))) == dict.fromkeys(people)


def test_a_second_deed_of_a_day_is_no_visit_of_its_own(engine: Engine) -> None:
    """Who came after a message and learned on, hours after the message lost its credit, did not come by themselves."""
    with writing(engine) as connection:
        campaign_id = a_campaign(connection, items=("course",), definition=LADDER)
        course = item_ids(connection, campaign_id)[0]
        (who,) = learners(connection, 1, timezone="America/New_York")
        note(connection, campaign_id, Decided(MONDAY, Rung.EASED, (), "test"), at=DAWN)
        morning = datetime(2026, 1, 14, 14, 0, tzinfo=UTC)  # nine in New York
        was_told(connection, campaign_id, who, at=morning - timedelta(hours=47))
        was_active(connection, who, course, at=morning)
        was_active(connection, who, course, at=morning + timedelta(hours=14))  # eleven in the evening, a UTC day later
    wave_id = planned(engine, a_wave(on=date(2026, 1, 19)), as_of=datetime(2026, 1, 19, 4, tzinfo=UTC))
    assert reasons_of(engine, wave_id) == {who: None}


def test_the_weekly_look_counts_visits_of_the_reached_and_moves_the_rung_once(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection, items=("course",), definition=LADDER)
        course = item_ids(connection, campaign_id)[0]
        for number, each in enumerate(learners(connection, 30, timezone="Europe/Berlin")):
            if number < 20:  # the others were never reached
                a_lifecycle(connection, campaign_id, each, reached_at=DAWN)
            for day in (2, 4, 9, 11):
                at = NOON + timedelta(days=day)
                was_active(connection, each, course, at=at)
                if number < 8:
                    was_told(connection, campaign_id, each, at=at - timedelta(hours=2))
        tuesday = NOON + timedelta(days=15)
        first, second, third = pull_weeks(connection, "safety", as_of=tuesday)
        assert (first.learners, first.visits, first.unprompted, first.is_whole) == (20, 40, 24, True)
        assert (second.share, third.share, third.is_whole) == (0.6, None, False)
        assert first.interval is not None
        assert first.interval.holds(0.6)
        assert decide_intensity(connection, "safety", as_of=tuesday, dry_run=True)
        assert decide_intensity(connection, "safety", as_of=tuesday)
        assert not decide_intensity(connection, "safety", as_of=tuesday + timedelta(days=1))
        assert rung_at(connection, campaign_id, as_of=tuesday) is Rung.EASED
        assert pull_weeks(connection, "safety", as_of=tuesday)[-1].rung is Rung.EASED


def test_a_campaign_that_ends_on_a_monday_at_midnight_has_no_week_after_it(engine: Engine) -> None:
    midnight = datetime(2026, 1, 18, 23, tzinfo=UTC)  # of the 19th in Berlin
    with writing(engine) as connection:
        campaign_id = a_campaign(connection, items=("course",), definition=LADDER)
        connection.execute(update(campaign).where(campaign.c.id == campaign_id).values(ends_at=midnight))
        weeks = pull_weeks(connection, "safety", as_of=midnight + timedelta(days=30))
    assert weeks[-1].begins == date(2026, 1, 12)


def test_weeks_of_fewer_than_five_learners_are_not_shown_and_others_ask_for_no_ladder(engine: Engine) -> None:
    with writing(engine) as connection:
        campaign_id = a_campaign(connection, items=("course",), definition={})
        course = item_ids(connection, campaign_id)[0]
        for each in learners(connection, 4):
            a_lifecycle(connection, campaign_id, each, reached_at=DAWN)
            was_active(connection, each, course, at=NOON)
    with reading(engine) as connection:
        week = pull_weeks(connection, "safety", as_of=NOON)[0]
        assert (week.learners, week.visits, week.share, week.interval) == (None, None, None, None)
        assert pull_weeks(connection, "safety", as_of=DAWN - timedelta(days=30)) == ()
        assert not decide_intensity(connection, "safety", as_of=LATER)


def test_a_week_begins_on_its_monday_where_the_campaign_is() -> None:
    late_on_sunday = datetime(2026, 1, 11, 23, 30, tzinfo=UTC)
    assert monday_of(late_on_sunday, "Europe/Berlin") == date(2026, 1, 12)
    assert monday_of(late_on_sunday, "UTC") == date(2026, 1, 5)
