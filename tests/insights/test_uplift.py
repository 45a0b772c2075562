"""Uplift on the ledger: everybody as assigned, what was before taken out, and "cannot tell" where nothing can."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import Engine, insert

from pushpull.db import reading, writing
from pushpull.insights.uplift import Outcome, Said, Uplift, uplift, uplift_of_all
from pushpull.insights.uplift.estimates import difference
from pushpull.learners.segments import parse_segment
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import delivery, handover
from pushpull.ledger.vocabulary import Arm, MessageClass, Touch
from tests.insights.assigned import BEGINS, DAY, Person, a_campaign, a_wave, assign

END = BEGINS + 56 * DAY


def company(treated: int, held_out: int, *, raised: float = 0.0, seed: int = 1) -> list[Person]:
    """People who learn about as often as they did before; so many more of the treated complete."""
    chance = random.Random(seed)
    people = []
    for number in range(treated + held_out):
        arm = Arm.TREATED if number < treated else Arm.HOLDOUT
        habit = chance.random()
        before = [-day - 0.5 for day in range(1, 29) if chance.random() < habit]
        learned = [day + 0.5 for day in range(28) if chance.random() < habit]
        completes = chance.random() < 0.2 + 0.4 * habit + (raised if arm is Arm.TREATED else 0.0)
        people.append(Person(arm, learned, before, chance.uniform(1, 50) if completes else None))
    return people


def play(engine: Engine, people: list[Person]) -> None:
    with writing(engine) as conn:
        campaign_id = a_campaign(conn)
        assign(conn, campaign_id, a_wave(conn, campaign_id), people)


def found(engine: Engine, *, day: float = 60, **prices: object) -> Uplift:
    with reading(engine) as conn:
        return uplift(conn, "compared", as_of=BEGINS + day * DAY, **prices)


def test_a_planted_rise_is_found_and_the_outcomes_agree_with_the_ledger(engine: Engine) -> None:
    people = company(150, 150, raised=0.4)
    play(engine, people)
    said = found(engine)
    assert said.is_final
    assert said.said is Said.MORE
    primary = said.primary
    assert primary.outcome is Outcome.COMPLETED_ALL
    done = [[one for one in people[part] if one.completed is not None] for part in (slice(150), slice(150, 300))]
    assert primary.treated.mean == pytest.approx(len(done[0]) / 150)
    assert primary.difference == pytest.approx((len(done[0]) - len(done[1])) / 150)
    days = said[Outcome.ACTIVE_DAYS]
    assert days.treated.mean == pytest.approx(sum(len(one.learned) for one in people[:150]) / 150)
    assert said[Outcome.MINUTES].treated.mean == pytest.approx(10 * days.treated.mean)
    assert said[Outcome.COMPLETED_ANY].difference == primary.difference
    assert Outcome.SCORE not in {each.outcome for each in said.outcomes}  # nobody has one


def test_what_was_before_narrows_the_interval_of_a_steady_habit_by_a_third(engine: Engine) -> None:
    play(engine, company(150, 150))
    days = found(engine)[Outcome.ACTIVE_DAYS]
    assert days.narrowing is not None
    assert days.narrowing > 1 / 3
    assert days.said is Said.CANNOT_TELL
    assert "would have shown" in days.why


def test_who_had_completed_before_the_start_is_left_out_on_both_sides(engine: Engine) -> None:
    play(engine, [*company(40, 40), *(Person(arm, completed=-3) for arm in (Arm.TREATED, Arm.HOLDOUT))])
    said = found(engine)
    assert said.left_out == 2
    assert (said.primary.treated.people, said.primary.holdout.people) == (40, 40)


def test_nothing_after_the_end_is_counted_so_that_the_verdict_stays(engine: Engine) -> None:
    people = company(40, 40)
    play(engine, [*people, *(Person(completed=57) for _ in range(10))])
    on_the_day, later = found(engine, day=56), found(engine, day=90)
    assert on_the_day.outcomes == later.outcomes
    assert on_the_day.is_final
    assert not found(engine, day=55.9).is_final


def test_before_the_end_only_what_holds_at_every_look_speaks(engine: Engine) -> None:
    play(engine, company(150, 150, raised=0.25))
    look = found(engine, day=20).primary
    assert look.sequential_interval is not None
    assert look.adjusted_interval is not None
    assert look.sequential_interval.low < look.adjusted_interval.low
    assert look.sequential_interval.high > look.adjusted_interval.high
    assert look.said is (Said.CANNOT_TELL if look.sequential_interval.holds(0) else Said.MORE)


@pytest.mark.parametrize(("treated", "held_out"), [(0, 0), (20, 0), (0, 20), (20, 4), (4, 20)])
def test_too_few_on_a_side_say_so_and_show_nobody(engine: Engine, treated: int, held_out: int) -> None:
    play(engine, company(treated, held_out))
    said = found(engine)
    assert said.said is Said.CANNOT_TELL
    assert said.primary.difference is None
    assert f"{treated} treated and {held_out} held out" in said.primary.why
    small = said.primary.treated if treated < 5 else said.primary.holdout
    assert small.mean is None


@pytest.mark.parametrize("completed", [None, 5])
def test_where_nobody_or_everybody_completes_nothing_is_claimed(engine: Engine, completed: float | None) -> None:
    people = [Person(arm, completed=completed) for arm in (Arm.TREATED, Arm.HOLDOUT) for _ in range(30)]
    play(engine, people)
    primary = found(engine).primary
    assert primary.difference == 0
    assert primary.interval is not None
    assert primary.interval.holds(0.0)
    assert primary.interval.high > 0  # no certainty from nothing
    assert primary.adjusted_interval is None
    assert primary.sequential_interval is None
    assert primary.said is Said.CANNOT_TELL
    assert "too little" in primary.why


def test_a_wave_that_picks_people_by_what_they_did_assigns_nobody(engine: Engine) -> None:
    spec = WaveSpec(
        campaign_key="compared",
        key="reengagement.back@2026-01-20",
        series="reengagement.back",
        stage="reengagement",
        message_key="m",
        touch=Touch.PUSH,
        message_class=MessageClass.NUDGE,
        family="learning",
        audience=parse_segment({"everyone": True}),
        on=(BEGINS + 15 * DAY).date(),
        channels=(Channel.EMAIL,),
        languages=("en",),
    )
    kinds = {
        "silence": (spec.model_copy(update={"inactive_days": 7.0}), 80),
        "state": (spec.model_copy(update={"target": parse_segment({"lifecycle": ["aware"]})}), 80),
        "department": (spec.model_copy(update={"target": parse_segment({"field": "department", "is": "Sales"})}), 81),
    }
    with writing(engine) as conn:
        campaign_id = a_campaign(conn)
        ids = assign(conn, campaign_id, a_wave(conn, campaign_id), [*company(40, 40), Person()])
        conn.execute(delivery.delete().where(delivery.c.learner_id == ids[-1]))
    for name, (each, expected) in kinds.items():
        with writing(engine) as conn:
            stored = each.model_dump(mode="json")
            wave_id = a_wave(conn, campaign_id, f"reengagement.{name}", day=15, spec=stored)
            row = {"rotation": 0, "state": "accepted", "arm": "treated", "attempt": 0, "epoch": 0}
            conn.execute(insert(delivery).values(wave_id=wave_id, learner_id=ids[-1], **row))
        primary = found(engine).primary
        assert primary.treated.people + primary.holdout.people == expected, name


def test_the_first_assignment_counts_whatever_a_later_file_says(engine: Engine) -> None:
    with writing(engine) as conn:
        campaign_id = a_campaign(conn)
        ids = assign(conn, campaign_id, a_wave(conn, campaign_id), company(30, 30))
        later = a_wave(conn, campaign_id, "launch.later", day=7)
        row = {"rotation": 0, "state": "skipped", "reason": "holdout", "arm": "holdout", "attempt": 0, "epoch": 0}
        conn.execute(insert(delivery), [{"wave_id": later, "learner_id": each, **row} for each in ids[:10]])
    assert found(engine).primary.treated.people == 30


def test_everything_together_is_measured_against_the_global_holdout_alone(engine: Engine) -> None:
    people = company(40, 20)
    everywhere = [Person(Arm.GLOBAL_HOLDOUT, one.learned, one.before, one.completed) for one in company(0, 30, seed=2)]
    play(engine, [*people, *everywhere])
    with reading(engine) as conn:
        said = uplift_of_all(conn, since=BEGINS, as_of=BEGINS + 30 * DAY)
    assert (said.primary.treated.people, said.primary.holdout.people) == (60, 30)
    assert not said.is_final
    assert said.primary.outcome is Outcome.COMPLETED_ANY


def test_an_additional_completer_has_a_price_where_there_are_any(engine: Engine) -> None:
    play(engine, company(150, 150, raised=0.4))
    with writing(engine) as conn:
        sent = {"wave_id": 1, "rotation": 0, "campaign_id": 1, "channel": "email", "first_learner_id": 1}
        conn.execute(
            insert(handover).values(
                id=uuid4(),
                **sent,
                last_learner_id=150,
                size=150,
                intended_at=BEGINS,
                as_of=BEGINS,
                deadline_at=BEGINS + timedelta(hours=1),
                accepted=150,
            )
        )
    assert found(engine).price is None
    said = found(engine, prices={Channel.EMAIL: Decimal("0.10"), Channel.SMS: Decimal(0)})
    assert said.price is not None
    assert said.price.total == Decimal("15.00")
    assert said.price.each == (Decimal(15) / Decimal(str(said.price.additional))).quantize(Decimal("0.01"))
    assert said.price.at_least is not None
    assert said.price.at_most is not None
    assert said.price.at_least < said.price.each < said.price.at_most


def test_one_person_who_alone_was_active_before_does_not_keep_the_rest_from_being_compared() -> None:
    chance = np.random.default_rng(1)
    for size in range(20, 80):  # by size, rounding makes of their leverage 1 or a little less
        is_treated = np.arange(2 * size) % 2 == 0
        before = np.zeros((2 * size, 2))
        before[:2] = (4.0, 3.7)  # one on each side
        outcome = (chance.random(2 * size) < 0.5).astype(float)
        plain, adjusted = difference(outcome, is_treated), difference(outcome, is_treated, before)
        assert plain is not None
        assert adjusted == plain
