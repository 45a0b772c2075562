"""A profile says of each field who says so, how old and how sure it is; the better source wins."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert, update

from pushpull.db import reading, writing
from pushpull.learners.consent import UnknownLearner
from pushpull.learners.declared import declare
from pushpull.learners.profile import WEIGHTS, profile_of
from pushpull.learners.signature import learn_signatures
from pushpull.learners.tables import learner, profile_fact
from pushpull.learners.vocabulary import FactKind, FactSource
from tests.learners.doings import NOW, learns_at, somebody, something


@pytest.fixture
def ada(engine: Engine) -> int:
    with writing(engine) as connection:
        return somebody(connection, preferred_language="fr")


def says(engine: Engine, who: int, kind: str, value: str, source: str, days_ago: int = 0, sure: float = 1.0) -> None:
    with writing(engine) as connection:
        connection.execute(
            insert(profile_fact).values(
                learner_id=who,
                kind=kind,
                value=value,
                source=source,
                confidence=sure,
                recorded_at=NOW - timedelta(days=days_ago),
            )
        )


def test_declared_beats_hr_and_hr_beats_what_was_learned(engine: Engine, ada: int) -> None:
    says(engine, ada, "format", "video", "learned", sure=0.4)
    with reading(engine) as connection:
        found = profile_of(connection, ada, as_of=NOW)[FactKind.FORMAT]
    assert found is not None
    assert (found.values, found.source, found.confidence) == (("video",), FactSource.LEARNED, 0.4)
    for value, source in (("course", "hr"), ("article", "declared")):
        says(engine, ada, "format", value, source, days_ago=3)
        with reading(engine) as connection:
            found = profile_of(connection, ada, as_of=NOW)[FactKind.FORMAT]
        assert found is not None
        assert (found.values, found.source.value, found.age_days) == ((value,), source, 3)


def test_several_goals_are_one_field(engine: Engine, ada: int) -> None:
    says(engine, ada, "goal", "speak", "declared", days_ago=8)
    says(engine, ada, "goal", "rest", "declared", days_ago=2)
    says(engine, ada, "goal", "lead", "hr", days_ago=1)
    with reading(engine) as connection:
        found = profile_of(connection, ada, as_of=NOW)[FactKind.GOAL]
    assert found is not None
    assert (found.values, found.age_days) == (("speak", "rest"), 2)


def test_what_stands_in_the_row_alone_came_from_hr(engine: Engine, ada: int) -> None:
    with writing(engine) as connection:
        connection.execute(update(learner).values(preferred_hour=11, updated_at=NOW - timedelta(days=5)))
        declare(connection, ada, FactKind.LANGUAGE, ["de"], at=NOW - timedelta(days=1))
        found = profile_of(connection, ada, as_of=NOW)
    hour, language = found[FactKind.HOUR], found[FactKind.LANGUAGE]
    assert hour is not None
    assert language is not None
    assert (hour.values, hour.source) == (("11",), FactSource.HR)
    assert (language.values, language.source, language.age_days) == (("de",), FactSource.DECLARED, 1)


def test_what_was_learned_is_in_the_profile_with_its_confidence(engine: Engine, ada: int) -> None:
    with writing(engine) as connection:
        learns_at(connection, ada, 15, what=something(connection, format="video", tags=("writing",)))
        learn_signatures(connection, as_of=NOW)
        found = profile_of(connection, ada, as_of=NOW + timedelta(days=4))
    hour = found[FactKind.HOUR]
    assert hour is not None
    assert (hour.values, hour.source, hour.age_days) == (("15",), FactSource.LEARNED, 4)
    assert 0.3 < hour.confidence < 1


def test_coverage_is_the_weight_of_what_is_known(engine: Engine, ada: int) -> None:
    with reading(engine) as connection:
        found = profile_of(connection, ada, as_of=NOW)
    assert found.coverage == WEIGHTS[FactKind.LANGUAGE]
    assert FactKind.GOAL in found.missing
    assert FactKind.LANGUAGE not in found.missing
    for kind in WEIGHTS:
        says(engine, ada, kind.value, "fr" if kind is FactKind.LANGUAGE else "10", "hr")
    with reading(engine) as connection:
        found = profile_of(connection, ada, as_of=NOW)
    assert found.coverage == 1.0
    assert found.missing == ()
    says(engine, ada, "why", "because", "declared")
    says(engine, ada, "barrier", "no_time", "learned")
    with reading(engine) as connection:
        found = profile_of(connection, ada, as_of=NOW)
    assert found.coverage == 1.0
    assert found[FactKind.BARRIER] is not None


def test_the_weights_make_a_whole() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)


def test_there_is_no_profile_of_nobody(engine: Engine) -> None:
    with reading(engine) as connection, pytest.raises(UnknownLearner):
        profile_of(connection, 99, as_of=NOW)
