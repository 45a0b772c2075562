"""The rules behind a barrier hypothesis: same inputs, same answer, and nobody has one without evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from pushpull.db import writing
from pushpull.learners.barriers import Behaviour, hypothesis_of
from pushpull.learners.declared import declare, facts_of
from pushpull.learners.signature import learn_signatures
from pushpull.learners.vocabulary import Barrier, FactKind, FactSource
from tests.learners.doings import NOW, did, messages, somebody, something, stands

INSULTED = Behaviour(easy_finishes=2, left_basics=1, begun=1, finished=2)
EXPOSED = Behaviour(begun=1, failed_tries=2)
HURRIED = Behaviour(begun=1, visits=4, short_visits=3, visits_at_work=4)
UNAWARE = Behaviour(reached=3.0)


@pytest.mark.parametrize(
    ("seen", "barrier"),
    [
        (INSULTED, Barrier.INSULTED),
        (EXPOSED, Barrier.EXPOSURE),
        (replace(EXPOSED, failed_tries=0, quiz_openings=3), Barrier.EXPOSURE),
        (HURRIED, Barrier.NO_TIME),
        (replace(HURRIED, short_visits=0, visits_at_work=0), Barrier.NO_TIME),
        (UNAWARE, Barrier.UNAWARE),
        # just not enough
        (Behaviour(), None),
        (replace(INSULTED, easy_finishes=1), None),
        (replace(INSULTED, left_basics=0), None),
        (replace(EXPOSED, failed_tries=1), None),
        (replace(EXPOSED, finished_quizzes=1), None),
        (replace(HURRIED, visits=3), None),
        (replace(HURRIED, short_visits=2), None),
        (replace(HURRIED, finished=1), None),
        (replace(UNAWARE, reached=2.9), None),
        (replace(UNAWARE, answered=0.5), None),
        (replace(UNAWARE, visits=1, visits_at_work=1), None),
    ],
)
def test_each_rule_holds_from_its_threshold_on(seen: Behaviour, barrier: Barrier | None) -> None:
    found = hypothesis_of(seen)
    assert (found[0] if found else None) is barrier


_few = st.integers(0, 6)


@given(
    st.builds(Behaviour, st.floats(0, 50), st.floats(0, 5), _few, _few, _few, _few, _few, _few, _few, _few, _few, _few)
)
def test_the_same_behaviour_gives_the_same_answer_with_a_confidence(seen: Behaviour) -> None:
    found = hypothesis_of(seen)
    assert found == hypothesis_of(seen)
    if found is not None:
        assert 0.5 <= found[1] < 1


def barrier_of(connection: Connection, who: int) -> tuple[str, str] | None:
    found = [(each.value, each.source.value) for each in facts_of(connection, who) if each.kind is FactKind.BARRIER]
    return found[0] if found else None


def at(days_ago: int, hour: int = 14) -> datetime:
    return NOW.replace(hour=hour, minute=5) - timedelta(days=days_ago)


def test_behaviour_becomes_a_learned_fact(engine: Engine) -> None:
    with writing(engine) as connection:
        people = {each: somebody(connection) for each in (*Barrier, None)}
        course = something(connection, format="course", minutes=60)
        quiz = something(connection, format="Quiz", minutes=10)
        basics = something(connection, level="Beginner", minutes=30)
        for n in range(5):
            did(connection, people[Barrier.NO_TIME], at(2 + n), "suspended", item_id=course, minutes=4)
        stands(connection, people[Barrier.NO_TIME], course)
        for n in range(3):
            did(connection, people[Barrier.EXPOSURE], at(2 + n), "launched", item_id=quiz)
        stands(connection, people[Barrier.EXPOSURE], quiz)
        for _ in range(2):
            easy = something(connection, minutes=40)
            did(connection, people[Barrier.INSULTED], at(5), "completed", item_id=easy, minutes=12)
            stands(connection, people[Barrier.INSULTED], easy, status="completed", completed_at=at(5), score=0.95)
        did(connection, people[Barrier.INSULTED], at(3), item_id=basics, minutes=1)
        stands(connection, people[Barrier.INSULTED], basics)
        messages(connection, people[Barrier.UNAWARE], {"email": 0.0}, each=6)
        did(connection, people[None], at(4), "completed", item_id=course, minutes=55)
        stands(connection, people[None], course, status="completed", completed_at=at(4), score=0.8)
        learn_signatures(connection, as_of=NOW)
        for barrier, who in people.items():
            assert barrier_of(connection, who) == (None if barrier is None else (barrier.value, "learned"))


def test_a_finished_item_takes_the_hypothesis_back(engine: Engine) -> None:
    with writing(engine) as connection:
        who = somebody(connection)
        quiz = something(connection, format="quiz")
        for n in range(2):
            did(connection, who, at(2 + n), "failed", item_id=quiz)
        learn_signatures(connection, as_of=NOW)
        assert barrier_of(connection, who) == ("exposure", "learned")
        stands(connection, who, quiz, status="completed", completed_at=at(1))
        learn_signatures(connection, as_of=NOW)
        assert barrier_of(connection, who) is None


def test_a_declared_barrier_stays_beside_what_behaviour_says(engine: Engine) -> None:
    with writing(engine) as connection:
        who = somebody(connection)
        declare(connection, who, FactKind.BARRIER, ["no_time"], at=NOW)
        messages(connection, who, {"email": 0.0}, each=6)
        learn_signatures(connection, as_of=NOW)
        found = {(each.value, each.source) for each in facts_of(connection, who)}
        assert found == {("no_time", FactSource.DECLARED), ("unaware", FactSource.LEARNED)}
        with pytest.raises(ValueError, match="is one of exposure, insulted, no_time, unaware"):
            declare(connection, who, FactKind.BARRIER, ["lazy"], at=NOW)
