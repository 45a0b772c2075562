"""If-then plans and wished-for times, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, update

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners import holds
from pushpull.learners.choices import choose_holds
from pushpull.learners.hold_attempts import ATTEMPT, begin, due_holds, let_go, made, not_asked, refused, taken_out
from pushpull.learners.holds import FURTHEST, MOST_OPEN, HoldError, entry_minutes, hold_of, holds_ahead, transaction_id
from pushpull.learners.plans import Plan, PlanError, add, change, choices, end, open_plans
from pushpull.learners.tables import calendar_hold, progress
from pushpull.learners.vocabulary import Cue, HoldState
from tests.ledger.builders import DAWN, NOON, a_learner, an_item, has_completed

WEEK = 0b0011111
BEFORE_MAIL = Plan(Cue.BEFORE_EMAIL)
MINUTE = timedelta(minutes=1)


# --- plans ---


def test_a_plan_is_kept_changed_and_ended(engine: Engine) -> None:
    with writing(engine) as connection:
        who, thing = a_learner(connection), an_item(connection, "breaks")
        own = Plan(Cue.OWN, "After the stand-up", thing, 9 * 60 + 15, 0b0000101, reminds=True)
        first = add(connection, who, BEFORE_MAIL, at=DAWN)
        second = add(connection, who, own, at=DAWN)
        assert [(each.id, each.plan, each.title) for each in open_plans(connection, who)] == [
            (first, BEFORE_MAIL, ""),
            (second, own, "Breaks"),
        ]
        assert add(connection, who, own, at=NOON) == second  # a form that was sent twice
        assert change(connection, who, first, Plan(Cue.AFTER_LUNCH))
        assert end(connection, who, second, at=NOON)
        assert not end(connection, who, second, at=NOON)
        assert not change(connection, who, second, BEFORE_MAIL)
        assert [each.plan for each in open_plans(connection, who)] == [Plan(Cue.AFTER_LUNCH)]


def test_nobody_changes_the_plan_of_another(engine: Engine) -> None:
    with writing(engine) as connection:
        one, other = a_learner(connection), a_learner(connection)
        plan_id = add(connection, one, BEFORE_MAIL, at=DAWN)
        assert not change(connection, other, plan_id, Plan(Cue.AFTER_LUNCH))
        assert not end(connection, other, plan_id, at=NOON)
        assert [each.plan for each in open_plans(connection, one)] == [BEFORE_MAIL]
        assert open_plans(connection, other) == ()


def test_five_plans_are_enough_even_when_forms_come_at_once(engine: Engine) -> None:
    with writing(engine) as connection:
        who = a_learner(connection)

    def one_more(number: int) -> bool:
        try:
            with writing(engine) as connection:
                add(connection, who, Plan(Cue.OWN, f"cue {number}"), at=DAWN)
        except PlanError as error:
            return error.field != "plans"
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one_more, range(8))) == 5
    with writing(engine) as connection:
        there = open_plans(connection, who)
        assert len(there) == 5
        end(connection, who, there[0].id, at=NOON)
    assert one_more(9)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("cue_text", {"cue": Cue.OWN, "cue_text": "  "}),
        ("cue_text", {"cue": Cue.OWN, "cue_text": "x" * 121}),
        ("cue_text", {"cue": Cue.OWN, "cue_text": "two\nlines"}),
        ("weekdays", {"weekdays": 0}),
        ("weekdays", {"weekdays": 128}),
        ("at_minute", {"at_minute": 1440}),
        ("at_minute", {"at_minute": -1}),
        ("at_minute", {"reminds": True}),
    ],
)
def test_a_plan_that_does_not_fit_together_says_where(field: str, values: dict[str, object]) -> None:
    with pytest.raises(PlanError) as caught:
        Plan(**{"cue": Cue.AFTER_LUNCH, **values})  # type: ignore[arg-type]
    assert caught.value.field == field


def test_what_can_be_chosen_is_open_and_theirs(engine: Engine) -> None:
    with writing(engine) as connection:
        who = a_learner(connection)
        begun, offered, done, stranger, gone, later = (an_item(connection) for _ in range(6))
        connection.execute(update(item).values(url="https://courses.example/x", minutes=4))
        connection.execute(update(item).where(item.c.id == gone).values(active=False))
        connection.execute(update(item).where(item.c.id == later).values(available_from=NOON + MINUTE))
        connection.execute(progress.insert().values(learner_id=who, item_id=begun, status="started", started_at=DAWN))
        has_completed(connection, who, done)
        found = choices(connection, who, also=(offered, begun, done, gone, later), now=NOON)
        assert [(each.item_id, each.minutes) for each in found] == [(begun, 4), (offered, 4)]
        assert stranger not in {each.item_id for each in found}


# --- wished-for times ---


def a_wish(engine: Engine, who: int, *, at: datetime = NOON, thing: int | None = None, now: datetime = DAWN) -> int:
    with writing(engine) as connection:
        return holds.want(connection, who, starts_at=at, item_id=thing, minutes=10, now=now)


def someone(engine: Engine, *, agrees: bool = True) -> int:
    with writing(engine) as connection:
        who = a_learner(connection)
        if agrees:
            choose_holds(connection, who, is_wanted=True, at=DAWN)
        return who


def states(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(select(calendar_hold.c.state).order_by(calendar_hold.c.id)).scalars())


def test_a_wish_that_comes_twice_is_one(engine: Engine) -> None:
    who = someone(engine)
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: a_wish(engine, who), range(8)))) == 1
    with reading(engine) as connection:
        (hold,) = holds_ahead(connection, who, now=DAWN)
    assert (hold.starts_at, hold.ends_at, hold.state) == (NOON, NOON + 10 * MINUTE, HoldState.WANTED)
    assert hold.transaction_id == transaction_id(who, NOON, None)


@given(st.none() | st.floats(0, 10_000))
def test_an_entry_is_neither_too_short_to_see_nor_too_long_to_keep(minutes: float | None) -> None:
    length = entry_minutes(minutes)
    assert 5 <= length <= 60
    if minutes is not None and 5 <= minutes <= 60:
        assert minutes <= length < minutes + 1


def test_times_that_cannot_be_held_say_why(engine: Engine) -> None:
    who = someone(engine)

    def key(at: datetime, now: datetime = DAWN) -> str:
        with pytest.raises(HoldError) as caught:
            a_wish(engine, who, at=at, now=now)
        return caught.value.key

    assert key(DAWN) == "past"
    assert key(DAWN + FURTHEST + MINUTE) == "too_far"
    a_wish(engine, who)
    assert key(NOON + 9 * MINUTE) == "taken"
    for number in range(1, MOST_OPEN):
        a_wish(engine, who, at=NOON + 10 * number * MINUTE)
    assert key(NOON + timedelta(days=2)) == "too_many"
    assert a_wish(engine, who, at=NOON + timedelta(days=2), now=NOON + timedelta(days=1))  # the others are over


def test_a_wish_that_was_taken_back_is_another_one_later(engine: Engine) -> None:
    who = someone(engine)
    first = a_wish(engine, who)
    with writing(engine) as connection:
        assert not holds.take_back(connection, who + 1, first, at=DAWN)
        assert holds.take_back(connection, who, first, at=DAWN)
        assert not holds.take_back(connection, who, first, at=DAWN)
    second = a_wish(engine, who)
    assert first != second
    assert states(engine) == ["cancelled", "wanted"]
    with reading(engine) as connection:
        one, other = (hold_of(connection, who, each) for each in (first, second))
        assert hold_of(connection, who + 1, first) is None
    assert one
    assert other
    assert one.transaction_id != other.transaction_id


def test_one_process_works_on_an_entry_at_a_time(engine: Engine) -> None:
    who = someone(engine)
    a_wish(engine, who)
    with writing(engine) as connection:
        [due] = due_holds(connection, now=DAWN, limit=9)
        assert begin(connection, due, now=DAWN)
        assert not begin(connection, due, now=DAWN)
        assert due_holds(connection, now=DAWN + MINUTE, limit=9) == ()
        [again] = due_holds(connection, now=DAWN + ATTEMPT, limit=9)  # whoever began has died
        assert begin(connection, again, now=DAWN + ATTEMPT)
        assert not begin(connection, again, now=DAWN + ATTEMPT)
        not_asked(connection, again)
    assert states(engine) == ["uncertain"]  # the first attempt may have made it


def test_what_was_taken_back_while_a_calendar_was_asked_stays_taken_back(engine: Engine) -> None:
    who = someone(engine)
    hold_id = a_wish(engine, who)
    with writing(engine) as connection:
        [due] = due_holds(connection, now=DAWN, limit=9)
        begin(connection, due, now=DAWN)
        assert holds.take_back(connection, who, hold_id, at=DAWN)
        # It may be on its way: nobody can say yet that it is not there.
        assert due_holds(connection, now=DAWN + MINUTE, limit=9) == ()
        made(connection, due, "AAMk1", at=DAWN)
        [left] = due_holds(connection, now=DAWN + MINUTE, limit=9)
        assert (left.state, left.event_id) == (HoldState.UNWANTED, "AAMk1")
        refused(connection, due, at=DAWN)  # news of an older attempt changes nothing
        taken_out(connection, left, at=NOON)
    assert states(engine) == ["cancelled"]


def test_who_no_longer_agrees_gets_no_entry(engine: Engine) -> None:
    one, other = someone(engine), someone(engine, agrees=False)
    a_wish(engine, one)
    asked = a_wish(engine, one, at=NOON + timedelta(hours=1))
    a_wish(engine, other)
    with writing(engine) as connection:
        due = next(each for each in due_holds(connection, now=DAWN, limit=9) if each.id == asked)
        begin(connection, due, now=DAWN)
        choose_holds(connection, one, is_wanted=False, at=DAWN)
        let_go(connection, now=DAWN)
    assert states(engine) == ["cancelled", "unwanted", "cancelled"]


def test_a_time_that_came_is_not_put_into_a_calendar_any_more(engine: Engine) -> None:
    a_wish(engine, someone(engine))
    with writing(engine) as connection:
        let_go(connection, now=NOON)
        assert due_holds(connection, now=NOON, limit=9) == ()
    assert states(engine) == ["refused"]


@given(st.integers(1, 10**9), st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)), st.integers(0, 9))  # noqa: DTZ001
def test_the_name_of_an_entry_is_of_learner_instant_and_item(who: int, at: datetime, again: int) -> None:
    instant = at.replace(tzinfo=UTC, microsecond=0)
    name = transaction_id(who, instant, 7, again=again)
    assert name == transaction_id(who, instant.astimezone(), 7, again=again)
    others = {
        transaction_id(who + 1, instant, 7, again=again),
        transaction_id(who, instant + MINUTE, 7, again=again),
        transaction_id(who, instant, None, again=again),
        transaction_id(who, instant, 7, again=again + 1),
    }
    assert name not in others
    assert len(name) <= 64
