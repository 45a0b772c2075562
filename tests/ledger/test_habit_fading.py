"""How the daily nudge fades: with success, without an answer, and never to more than one a day."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, insert, select, update

from pushpull.db import reading, writing
from pushpull.learners.choices import choose_habit
from pushpull.learners.habit import TWO_MINUTES
from pushpull.learners.segments import EVERYONE
from pushpull.learners.tables import learner
from pushpull.ledger.habit import last_nudges
from pushpull.ledger.planning import plan
from pushpull.ledger.rotations import Cohort, CohortKind, rotate
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import contact, handover, wave
from pushpull.ledger.terms import Terms
from pushpull.ledger.vocabulary import DeliveryState, Reason
from tests.ledger.builders import (
    ALWAYS,
    DAWN,
    MONDAY,
    NO_CAPS,
    NOON,
    Sink,
    a_campaign,
    a_wave,
    dispatched,
    drained,
    planned,
    reasons_of,
    states_of,
    utc,
)
from tests.ledger.habit import DAY, EVENING_BEFORE, a_nudge, a_reminder, asks, contacts, got, learns, plans, someone

pytestmark = pytest.mark.usefixtures("course_and_quiz")


def play(
    engine: Engine, learner_id: int, days: Iterable[int], *, learns_at: int | None, name: str = "daily"
) -> list[int]:
    """A nudge is due every noon; the learner learns every day so many hours after it, or never.

    Returns:
        The numbers of the days on which a nudge went out.
    """
    sent = []
    for number in days:
        noon = NOON + number * DAY
        if learns_at is not None:
            learns(engine, learner_id, noon + timedelta(hours=learns_at))
        spec = a_wave("habit.daily", on=MONDAY + number * DAY, daily_goal=True, window=ALWAYS)
        wave_id = planned(engine, spec, as_of=DAWN + number * DAY)
        drained(engine, wave_id, now=noon)
        if states_of(engine, wave_id)[learner_id][0] == DeliveryState.ACCEPTED:
            sent.append(number)
    return sent


def has_learned(engine: Engine, learner_id: int, days_ago: Iterable[int]) -> None:
    for ago in days_ago:
        learns(engine, learner_id, NOON - ago * DAY)


def test_who_learns_only_after_the_nudge_gets_it_every_day(engine: Engine) -> None:
    assert play(engine, someone(engine, rest=()), range(9), learns_at=3) == list(range(9))


def test_who_learns_before_it_is_due_gets_none_at_all(engine: Engine) -> None:
    assert play(engine, someone(engine, rest=()), range(9), learns_at=-3) == []


def test_after_a_week_of_habit_it_comes_every_other_day_and_after_two_once_a_week(engine: Engine) -> None:
    one = someone(engine, rest=())
    has_learned(engine, one, range(1, 6))
    assert play(engine, one, range(21), learns_at=3) == [0, 2, 4, 6, 13, 20]


def test_it_comes_every_day_again_when_the_learning_stops(engine: Engine) -> None:
    one = someone(engine, rest=())
    has_learned(engine, one, range(1, 15))
    assert play(engine, one, range(8), learns_at=None) == [0, 3, 4, 5, 6]


def test_without_any_answer_it_comes_once_a_week_after_five_and_stops_after_eight(engine: Engine) -> None:
    one = someone(engine, rest=())
    assert play(engine, one, range(33), learns_at=None) == [0, 1, 2, 3, 4, 11, 18, 25]
    spec = a_nudge(MONDAY + 60 * DAY)
    wave_id = planned(engine, spec, as_of=DAWN + 60 * DAY)
    assert reasons_of(engine, wave_id) == {one: Reason.UNANSWERED}


@pytest.mark.parametrize("sign", ["learning", "opening", "choosing"])
def test_a_sign_of_the_learner_begins_afresh(engine: Engine, sign: str) -> None:
    one = someone(engine, rest=())
    assert len(play(engine, one, (0, 1, 2, 3, 4, 11, 18, 25, 29), learns_at=None)) == 8
    at = NOON + 30 * DAY
    if sign == "choosing":
        with writing(engine) as connection:
            choose_habit(connection, one, is_wanted=True, rest_days=[], at=at)
    else:
        learns(engine, one, at, minutes=None, verb="progressed" if sign == "learning" else "launched")
    assert play(engine, one, range(31, 38), learns_at=None) == [31, 32, 33, 34, 35]


def test_what_a_system_says_of_a_learner_is_no_sign(engine: Engine) -> None:
    one = someone(engine, rest=())
    play(engine, one, (0, 1, 2, 3, 4, 11, 18, 25), learns_at=None)
    learns(engine, one, NOON + 30 * DAY, minutes=None, verb="assigned")
    assert play(engine, one, (31, 38), learns_at=None) == []


def test_the_eighth_message_knows_that_it_is_the_last(engine: Engine) -> None:
    silent, answers = someone(engine, rest=()), someone(engine, rest=())
    last = []
    for number in (0, 1, 2, 3, 4, 11, 18, 25):
        now = NOON + number * DAY
        spec = a_wave("habit.daily", on=MONDAY + number * DAY, daily_goal=True, window=ALWAYS)
        wave_id = planned(engine, spec, as_of=DAWN + number * DAY)
        before = _last_nudges(engine, spec, wave_id, now)
        drained(engine, wave_id, now=now)
        # Written again by another worker after it was handed over, it says the same.
        assert _last_nudges(engine, spec, wave_id, now) == before
        learns(engine, answers, now + timedelta(hours=1))
        last += [(number, each) for each in before]
    assert {each for _, each in last} == {silent}
    assert states_of(engine, wave_id)[silent][0] == DeliveryState.ACCEPTED
    assert (25, silent) in last


def _last_nudges(engine: Engine, spec: WaveSpec, wave_id: int, now: datetime) -> set[int]:
    with reading(engine) as connection:
        campaign_id = connection.execute(select(wave.c.campaign_id).where(wave.c.id == wave_id)).scalar_one()
        rules = Terms(spec=spec, campaign_id=campaign_id, item_ids=(), as_of=now)
        return set(connection.execute(last_nudges(rules, lambda column: column > 0)).scalars())


def test_four_days_are_no_habit_yet(engine: Engine) -> None:
    one = someone(engine, rest=())
    has_learned(engine, one, range(1, 5))
    assert play(engine, one, range(2), learns_at=None) == [0, 1]


def test_a_surplus_is_worth_no_more_than_two_minutes(engine: Engine) -> None:
    much = someone(engine, rest=())
    learns(engine, much, NOON - DAY, minutes=600)
    assert TWO_MINUTES == 2.0
    assert reasons_of(engine, planned(engine, a_nudge())) == {much: None}


def expected_gap(met: frozenset[int], told: frozenset[int]) -> int:
    """The rule of the module's docstring, over days counted back from today."""

    def is_habit(days: range) -> bool:
        done = met & frozenset(days)
        return len(done) >= 5 and len(done - told) >= 2

    return (7 if is_habit(range(8, 15)) else 2) if is_habit(range(1, 8)) else 1


def test_the_rule_holds_for_any_past_and_more_days_met_never_bring_more_nudges(engine: Engine) -> None:
    """Sixty pairs of pasts; the second learner of each pair did on more days what the first one did."""
    dice = random.Random(7)
    pasts: dict[int, tuple[frozenset[int], frozenset[int]]] = {}
    pairs = []
    for _ in range(60):
        often = dice.choice([0.4, 0.7, 0.9])
        met = frozenset(day for day in range(1, 16) if dice.random() < often)
        more = met | frozenset(day for day in range(1, 16) if dice.random() < 0.3)
        told = frozenset(day for day in range(1, 16) if dice.random() < dice.choice([0.1, 0.4, 0.8]))
        zone = dice.choice(["Europe/Berlin", "America/New_York", "Asia/Kolkata", None])
        pair = [someone(engine, rest=(), zone=zone) for _ in range(2)]
        pasts |= {pair[0]: (met, told), pair[1]: (more, told)}
        pairs.append(pair)
    earlier = uuid4()
    with writing(engine) as connection:
        wave_id, campaign_id = _bare_wave(connection)
        connection.execute(insert(handover).values(_bare_handover(earlier, wave_id, campaign_id)))
        days = [
            {"learner_id": each, "local_day": MONDAY.toordinal() - ago, "handover_id": earlier, "lane": "nudge"}
            for each, (_, told) in pasts.items()
            for ago in told
        ]
        connection.execute(insert(contact), days)
    for each, (met, _) in pasts.items():
        for ago in met:  # three in the afternoon in India is nine in the morning in New York
            learns(engine, each, utc("2026-01-12T14:00") - ago * DAY, minutes=dice.choice([2.0, None, 30.0]))
    spec = a_wave("habit.daily", daily_goal=True, window=ALWAYS, hour=15)
    wave_id = planned(engine, spec, as_of=utc("2026-01-12T09:00"))
    at_planning = {each: reason is None for each, reason in reasons_of(engine, wave_id).items()}
    gap = {each: expected_gap(*past) for each, past in pasts.items()}
    nudged = {each: not any(ago < gap[each] for ago in told) for each, (_, told) in pasts.items()}
    assert at_planning == nudged
    assert set(gap.values()) == {1, 2, 7}
    for fewer_days, more_days in pairs:
        assert gap[more_days] >= gap[fewer_days]
        assert nudged[more_days] <= nudged[fewer_days]


def _bare_wave(connection: Connection) -> tuple[int, int]:
    """A wave of the stage that was sent earlier, by another campaign."""
    campaign_id = a_campaign(connection, "earlier")
    spec = a_wave("habit.daily", campaign="earlier", on=MONDAY - 20 * DAY, daily_goal=True)
    values = {
        "campaign_id": campaign_id,
        "key": spec.key,
        "series": spec.series,
        "on_day": spec.on,
        "stage": spec.stage,
        "message_key": spec.message_key,
        "touch": spec.touch.value,
        "message_class": spec.message_class.value,
        "family": spec.family,
        "scheduled_for": DAWN,
        "expires_at": DAWN,
        "spec": spec.model_dump(mode="json"),
    }
    return int(connection.execute(insert(wave).values(values)).inserted_primary_key[0]), campaign_id


def _bare_handover(identity: UUID, wave_id: int, campaign_id: int) -> dict[str, object]:
    stamps = dict.fromkeys(("intended_at", "as_of", "deadline_at"), DAWN)
    numbers = {"rotation": 0, "first_learner_id": 1, "last_learner_id": 1, "size": 1}
    return {"id": identity, "wave_id": wave_id, "campaign_id": campaign_id, "channel": "email", **numbers, **stamps}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 10))])
def test_whatever_happens_nobody_gets_two_messages_of_the_stage_on_one_day(engine: Engine, seed: int) -> None:
    """Ten days of chance: two campaigns, both kinds of wave, re-runs, moves, changed minds, learning at any time."""
    dice = random.Random(seed)
    with writing(engine) as connection:
        a_campaign(connection, "other")
    zones = ["Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kolkata"]
    people = [
        someone(engine, rest=(), zone=dice.choice(zones), preferred_hour=dice.choice([None, 8, 17])) for _ in range(6)
    ]
    for each in people[:3]:
        plans(engine, each, dice.randrange(9 * 60, 19 * 60), weekdays=0b1111111)
    sink = Sink()
    for number in range(10):
        on, dawn = MONDAY + number * DAY, EVENING_BEFORE + number * DAY
        for campaign in ("safety", "other"):
            for make in (a_nudge, a_reminder):
                plan(engine, make(on, campaign=campaign, window=ALWAYS), as_of=dawn)
        for hours in sorted(dice.sample(range(40), 5)):
            now = dawn + timedelta(hours=hours)
            who = dice.choice(people)
            match dice.randrange(5):
                case 0:
                    learns(engine, who, now, minutes=dice.choice([0.5, 2.0, None, 45.0]))
                case 1:
                    asks(engine, who, is_wanted=dice.random() < 0.8, rest=dice.sample(range(7), 1))
                case 2:
                    with writing(engine) as connection:
                        connection.execute(
                            update(learner).where(learner.c.id == who).values(timezone=dice.choice(zones))
                        )
                case 3:
                    _again(engine, now)
            dispatched(engine, sink, now=now, caps=NO_CAPS)
    days = contacts(engine)
    assert len(days) > 10
    assert max(Counter(days).values()) == 1
    assert len(days) == got(sink)


def _again(engine: Engine, now: datetime) -> None:
    """Everybody of the latest wave is asked for once more."""
    with reading(engine) as connection:
        latest = connection.execute(select(wave.c.id).order_by(wave.c.id.desc()).limit(1)).scalar_one()
    cohort = Cohort(kind=CohortKind.SEGMENT, segment=EVERYONE)
    rotate(engine, latest, cohort, reason="again", requested_by="ada", as_of=now)
