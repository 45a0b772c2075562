"""What a forecast assumes of people: drawn anew for each run, learned where there is a past, and named by source."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from pushpull.db import reading
from pushpull.insights.forecast.learning import learn, learned
from pushpull.insights.forecast.parameters import ASSUMED_EVENTS, Parameters, a_share, assumed, parameters_of
from pushpull.insights.forecast.past import Past, PersonsPast, Sitting, read_past
from pushpull.insights.simulate import ASSUMED
from pushpull.insights.simulate.surroundings import ReceivedMessage
from pushpull.insights.simulate.temperament import FATIGUE, WEEKEND
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.tables import delivery_event
from pushpull.ledger.vocabulary import EventKind
from tests.insights.conftest import Played

START = datetime(2026, 1, 12, 8, tzinfo=UTC)
DAY = timedelta(days=1)


def a_past(
    seed: int, *, people: int = 300, days: int = 60, pull: float = 1.0, returns: float = 1.0, reads_on: float = 0.8
) -> Past:
    """People drawn from the mixture that is assumed, with what is planted multiplied: a mail every third day."""
    rng = random.Random(seed)
    kinds = rng.choices(ASSUMED.temperaments, weights=[each.share for each in ASSUMED.temperaments], k=people)
    found = []
    for number, kind in enumerate(kinds):
        person, was_there = PersonsPast(), None
        for day in range(days):
            at = START + day * DAY
            if day % 3 == 0:
                message = ReceivedMessage(str(day), day, 0, number, 1, "email", 1, at, earlier=min(day // 3, 4))
                person.received.append(message)
                if rng.random() < min(0.95, kind.clicks * 0.9 * pull * FATIGUE**message.earlier):
                    person.clicks[day, 0] = at + timedelta(hours=kind.hesitates)
                    if rng.random() < kind.sits_down:
                        began = person.clicks[day, 0] + timedelta(seconds=30)
                        read = ((1, "two", rng.random() < reads_on, 2.75), (1, "last", False, None))
                        person.sittings.append(Sitting(began, began + timedelta(minutes=5), True, read))
                        was_there = day
                        continue
            if was_there is None:
                likely = kind.discovers
            else:
                likely = kind.returns * returns * 2.718281828 ** (-(day - was_there) / kind.forgets)
            if rng.random() < likely * (WEEKEND if at.weekday() >= 5 else 1):
                person.sittings.append(Sitting(at, at, False))
                was_there = day
        found.append(person)
    return Past(START, START + days * DAY, tuple(found), {1: "last"}, {1: "item"})


def test_without_a_past_all_is_as_assumed_and_says_so() -> None:
    parameters = learned(Past(None, START, (), {}, {}))
    assert parameters == assumed()
    assert {each.source for each in parameters.of} == {"default"}
    expected = parameters.behaviour()
    assert expected.channel_pull == ASSUMED.channel_pull
    assert [each.share for each in expected.temperaments] == pytest.approx(
        [each.share for each in ASSUMED.temperaments]
    )
    assert expected.dead_mailbox == pytest.approx(ASSUMED.dead_mailbox)


def test_each_run_draws_its_own_and_the_same_seed_draws_the_same() -> None:
    parameters = assumed()
    pulls = [parameters.behaviour(random.Random(seed)).channel_pull["email"] for seed in range(300)]
    assert len(set(pulls)) == 300
    assert parameters.behaviour(random.Random(5)) == parameters.behaviour(random.Random(5))
    low, high = parameters["clicks:email"].interval(0.9)
    inside = sum(low <= pull / ASSUMED.channel_pull[Channel.EMAIL] <= high for pull in pulls)
    assert 245 <= inside <= 292  # binomial(300, 0.9): outside of it less than once in 10,000 seeds


def test_what_was_seen_is_added_to_what_is_assumed_as_if_that_had_been_seen_before() -> None:
    share = a_share("x", "x", 0.1, people=50).seen(30, 20, n=50)
    assert share.mean == pytest.approx((5 + 30) / 100)
    assert share.source == "own past, n = 50"
    factor = assumed()["returns"].seen(100, 50, n=900)
    assert factor.mean == pytest.approx((ASSUMED_EVENTS + 100) / (ASSUMED_EVENTS + 50))
    assert factor.seen(1, 1, n=0) is factor  # nobody was there to see


def test_parameters_survive_being_stored() -> None:
    parameters = learned(a_past(1, people=60, days=20))
    assert parameters_of(parameters.as_json()) == parameters
    assert parameters.known > 5


@pytest.fixture(scope="module")
def twice_as_eager() -> Parameters:
    return learned(a_past(3, pull=2.0, returns=1.5, reads_on=0.3))


def test_planted_behaviour_is_found_again(twice_as_eager: Parameters) -> None:
    low, high = twice_as_eager["clicks:email"].interval(0.99)
    assert low > 1.2  # twice as many clicks are never mistaken for as many as usual
    assert 1.5 < twice_as_eager["clicks:email"].mean < 2.5
    assert high < 3.0
    assert twice_as_eager["returns"].mean > 1.15
    name = "reads on:item/two"
    assert twice_as_eager[name].mean == pytest.approx(0.3, abs=0.08)
    assert twice_as_eager.sections == (("item", "two"),)  # nothing is read on to after the last one
    assert twice_as_eager["clicks:sms"].source == "default"


def test_people_who_are_as_assumed_stay_so() -> None:
    parameters = learned(a_past(4))
    for name in ("clicks:email", "sits down", "returns", "minutes"):
        low, high = parameters[name].interval(0.999)
        assert low < 1 < high, name
    assert parameters["hesitates"].mean == pytest.approx(1.0, abs=0.25)


@pytest.mark.soak
def test_intervals_of_what_is_learned_hold_the_truth() -> None:
    inside, rounds = {"clicks:email": 0, "returns": 0}, 100
    for seed in range(rounds):
        parameters = learned(a_past(1000 + seed, pull=1.4, returns=1.2))
        for name, truth in (("clicks:email", 1.4), ("returns", 1.2)):
            low, high = parameters[name].interval(0.9)
            inside[name] += low <= truth <= high
    print(f"90 % intervals that hold the truth, of {rounds}: {inside}")
    assert min(inside.values()) >= 0.8 * rounds  # the prior pulls towards 1 a little


def test_the_past_is_read_from_the_ledger_as_it_is(played: Played) -> None:
    with reading(played.engine) as connection:
        past = read_past(connection, as_of=played.now)
        clicked = connection.execute(
            select(func.count()).select_from(delivery_event).where(delivery_event.c.kind == EventKind.CLICKED.value)
        ).scalar_one()
        parameters = learn(connection, as_of=played.now)
    assert sum(len(each.clicks) for each in past.people) == clicked == played.done["clicked"]
    asked = [one for each in past.people for one in each.sittings if one.is_asked]
    unasked = sum(len(each.sittings) for each in past.people) - len(asked)
    assert 0 < len(asked) <= clicked
    assert unasked >= 0.8 * played.done["unasked"]  # some run into the session before them
    low, high = parameters["clicks:email"].interval(0.999)
    assert low < 1 < high  # they were played as assumed
    assert parameters["clicks:email"].n > 20
    assert "own past" in parameters["dead mailbox"].source


def test_nothing_later_is_looked_at(played: Played) -> None:
    with reading(played.engine) as connection:
        past = read_past(connection, as_of=played.now - 60 * DAY)
    assert past.first is None
    assert not any(each.clicks for each in past.people)
