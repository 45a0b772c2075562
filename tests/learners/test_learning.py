"""What was learned is written into profiles: never over what somebody declared or what came with them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, select, update

from pushpull.db import insert_new, reading, writing
from pushpull.learners.consent import tombstone_of
from pushpull.learners.declared import declare, facts_of, withdraw
from pushpull.learners.signature import evidence, learn_everybody, learn_signatures
from pushpull.learners.tables import activity, learner, profile_fact
from pushpull.learners.vocabulary import FactKind, FactSource
from tests.learners.doings import NOW, did, learns_at, messages, somebody, something

LATER = NOW + timedelta(days=1)


def learned(connection: Connection, who: int) -> dict[str, str]:
    return {each.kind.value: each.value for each in facts_of(connection, who) if each.source is FactSource.LEARNED}


def row(connection: Connection, who: int) -> tuple[int | None, str | None]:
    found = connection.execute(
        select(learner.c.preferred_hour, learner.c.preferred_channel).where(learner.c.id == who)
    ).one()
    return found.preferred_hour, found.preferred_channel


def everything(connection: Connection) -> list[tuple[object, ...]]:
    facts = connection.execute(select(profile_fact).order_by(*profile_fact.primary_key)).all()
    rows = connection.execute(select(learner).order_by(learner.c.id)).all()
    return [tuple(each) for each in (*facts, *rows)]


def learn(engine: Engine, at: datetime = NOW, **whose: object) -> None:
    with writing(engine) as connection:
        learn_signatures(connection, as_of=at, **whose)  # type: ignore[arg-type]


@pytest.fixture
def ada(engine: Engine) -> int:
    """Learns at three in the afternoon, with videos about writing, and answers on Teams."""
    with writing(engine) as connection:
        who = somebody(connection)
        what = something(connection, format="video", tags=("writing",))
        learns_at(connection, who, 15, what=what)
        messages(connection, who, {"teams": 0.9, "email": 0.0})
    return who


def test_what_somebody_does_becomes_learned_facts_and_moves_their_row(engine: Engine, ada: int) -> None:
    with writing(engine) as connection:
        done = learn_signatures(connection, as_of=NOW)
    with reading(engine) as connection:
        found = learned(connection, ada)
        assert found == {
            "hour": "15", "channel": "teams", "format": "video", "topic": "writing", "session_minutes": "6"
        }  # fmt: skip
        assert row(connection, ada) == (15, "teams")
        confidences = {each.confidence for each in facts_of(connection, ada)}
        assert all(0 < each < 1 for each in confidences)
    assert (done.learners, done.known, done.facts, done.written, done.removed, done.rows) == (1, 1, 5, 5, 0, 1)


def test_learning_twice_changes_nothing_and_a_value_that_stays_keeps_its_age(engine: Engine, ada: int) -> None:
    learn(engine)
    with reading(engine) as connection:
        before = everything(connection)
    learn(engine)
    assert learn_everybody(engine, as_of=NOW).written == 0
    with reading(engine) as connection:
        assert everything(connection) == before
    learn(engine, LATER)
    with reading(engine) as connection:
        assert {each.recorded_at for each in facts_of(connection, ada)} == {NOW}


def test_what_becomes_unknown_is_removed_from_profile_and_row(engine: Engine, ada: int) -> None:
    learn(engine)
    learn(engine, NOW + timedelta(days=120))
    with reading(engine) as connection:
        assert learned(connection, ada) == {}
        assert row(connection, ada) == (None, None)


def test_a_new_habit_moves_the_row_along(engine: Engine, ada: int) -> None:
    learn(engine)
    with writing(engine) as connection:
        connection.execute(activity.delete())
        learns_at(connection, ada, 19)
    learn(engine, LATER)
    with reading(engine) as connection:
        assert row(connection, ada)[0] == 19
        assert learned(connection, ada)["hour"] == "19"


def test_voided_and_later_records_and_those_of_systems_count_for_nothing(engine: Engine) -> None:
    with writing(engine) as connection:
        voided, later, told = (somebody(connection) for _ in range(3))
        for day in range(1, 25):
            did(connection, voided, NOW - timedelta(days=day), voided_at=NOW)
            did(connection, later, NOW + timedelta(days=day))
            did(connection, told, NOW - timedelta(days=day), "assigned")
        learn_signatures(connection, as_of=NOW)
        assert connection.execute(select(profile_fact)).all() == []


def test_a_declared_hour_stands_and_the_learned_one_comes_when_it_is_withdrawn(engine: Engine, ada: int) -> None:
    with writing(engine) as connection:
        declare(connection, ada, FactKind.HOUR, ["9"], at=NOW)
        declare(connection, ada, FactKind.CHANNEL, ["slack"], at=NOW)
        learn_signatures(connection, as_of=NOW)
        assert row(connection, ada) == (9, "slack")
        assert learned(connection, ada)["hour"] == "15"
        withdraw(connection, ada, FactKind.HOUR, at=LATER)
        withdraw(connection, ada, FactKind.CHANNEL, at=LATER)
        assert row(connection, ada) == (15, "teams")
        before = everything(connection)
        learn_signatures(connection, as_of=NOW)
        assert [each[:5] for each in everything(connection)] == [each[:5] for each in before]
        learn_signatures(connection, as_of=NOW + timedelta(days=120))  # it is known as learned, and goes again
        assert row(connection, ada) == (None, None)


def test_declaring_and_withdrawing_over_a_learned_hour_brings_it_back(engine: Engine, ada: int) -> None:
    learn(engine)
    with writing(engine) as connection:
        declare(connection, ada, FactKind.HOUR, ["9"], at=NOW)
        assert row(connection, ada)[0] == 9
        withdraw(connection, ada, FactKind.HOUR, at=LATER)
        assert row(connection, ada)[0] == 15
        assert learned(connection, ada)["hour"] == "15"


def test_declaring_what_was_learned_makes_it_declared(engine: Engine, ada: int) -> None:
    learn(engine)
    with writing(engine) as connection:
        declare(connection, ada, FactKind.HOUR, ["15"], at=LATER)
        learn_signatures(connection, as_of=LATER)
        assert "hour" not in learned(connection, ada)
        learn_signatures(connection, as_of=NOW + timedelta(days=120))
        assert row(connection, ada)[0] == 15


@pytest.mark.parametrize("given", [11, 15])
def test_an_hour_that_came_with_the_person_is_never_learned_over(engine: Engine, ada: int, given: int) -> None:
    with writing(engine) as connection:
        connection.execute(update(learner).values(preferred_hour=given, preferred_channel="email"))
        learn_signatures(connection, as_of=NOW)
        assert row(connection, ada) == (given, "email")
        # Another habit, and then none: the given hour stays, also where it was once the learned one.
        connection.execute(activity.delete())
        learns_at(connection, ada, 8)
        learn_signatures(connection, as_of=LATER)
        assert row(connection, ada)[0] == given
        learn_signatures(connection, as_of=NOW + timedelta(days=120))
        assert row(connection, ada) == (given, "email")


def test_a_given_hour_survives_a_declaration_in_between(engine: Engine, ada: int) -> None:
    with writing(engine) as connection:
        connection.execute(update(learner).values(preferred_hour=15))
        declare(connection, ada, FactKind.HOUR, ["9"], at=NOW)
        learn_signatures(connection, as_of=NOW)
        withdraw(connection, ada, FactKind.HOUR, at=LATER)
        learn_signatures(connection, as_of=NOW + timedelta(days=120))
        assert row(connection, ada)[0] == 15


def test_who_left_or_was_erased_is_left_out(engine: Engine) -> None:
    with writing(engine) as connection:
        gone, erased, there = somebody(connection, active=False), somebody(connection), somebody(connection)
        connection.execute(
            update(learner).where(learner.c.id == erased).values(active=False, external_id=tombstone_of(erased))
        )
        for who in (gone, erased, there):
            learns_at(connection, who, 10)
        done = learn_signatures(connection, as_of=NOW, learner_ids=[there, gone, erased])
        assert done.learners == 1
        assert {each.learner_id for each in connection.execute(select(profile_fact))} == {there}


def test_only_those_asked_for_are_learned_about_and_batches_do_not_show(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(engine) as connection:
        people = [somebody(connection) for _ in range(7)]
        for at, who in enumerate(people):
            learns_at(connection, who, 8 + at, days=20)
            messages(connection, who, {"teams": 0.1 * at, "email": 0.5}, each=6)
        learn_signatures(connection, as_of=NOW, learner_ids=people[:2])
        assert {each.learner_id for each in connection.execute(select(profile_fact))} <= set(people[:2])
        learn_signatures(connection, as_of=NOW)
        whole = everything(connection)
        connection.execute(profile_fact.delete())
        connection.execute(update(learner).values(preferred_hour=None, preferred_channel=None))
        monkeypatch.setattr("pushpull.learners.signature.learning.BATCH", 2)
        assert evidence.BATCH > 2
        done = learn_signatures(connection, as_of=NOW)
        assert done.learners == 7
        assert everything(connection) == whole


def test_former_learned_facts_go_and_those_of_other_kinds_and_sources_stay(engine: Engine, ada: int) -> None:
    with writing(engine) as connection:
        kept = {"learner_id": ada, "confidence": 0.5, "recorded_at": NOW}
        insert_new(
            connection,
            profile_fact,
            [
                {**kept, "kind": "need", "value": "statistics", "source": "learned"},
                {**kept, "kind": "format", "value": "podcast", "source": "learned"},
                {**kept, "kind": "format", "value": "article", "source": "declared"},
                {**kept, "kind": "topic", "value": "writing", "source": "hr"},
            ],
        )
        learn_signatures(connection, as_of=NOW)
        found = {(each.kind.value, each.value, each.source.value) for each in facts_of(connection, ada)}
    assert found >= {("need", "statistics", "learned"), ("format", "article", "declared"), ("topic", "writing", "hr")}
    assert ("format", "video", "learned") in found
    assert not any(value == "podcast" for _, value, _ in found)
    assert ("topic", "writing", "learned") not in found
