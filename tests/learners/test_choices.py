from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert

from pushpull.db import reading, writing
from pushpull.learners.choices import (
    Choices,
    choices_of,
    choose_habit,
    choose_holds,
    choose_recognition,
    pause,
    resume,
)
from pushpull.learners.tables import learner

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def ada(engine: Engine) -> int:
    with writing(engine) as connection:
        connection.execute(
            insert(learner).values(id=1, external_id="p-1", draw=7, active=True, created_at=NOW, updated_at=NOW)
        )
    return 1


def test_who_decided_nothing_has_the_careful_defaults(engine: Engine, ada: int) -> None:
    with reading(engine) as connection:
        found = choices_of(connection, ada)
    assert found == Choices()
    assert not found.is_paused(NOW)
    assert found.rest_days == {5, 6}


def test_each_choice_leaves_the_others_alone(engine: Engine, ada: int) -> None:
    with writing(engine) as connection:
        choose_habit(connection, ada, is_wanted=True, rest_days={0, 6}, at=NOW)
        choose_recognition(connection, ada, is_wanted=True, at=NOW)
        choose_holds(connection, ada, is_wanted=True, at=NOW)
        until = pause(connection, ada, days=3, at=NOW)
        choose_holds(connection, ada, is_wanted=False, at=NOW)
        assert choices_of(connection, ada) == Choices(until, True, frozenset({0, 6}), False, True)


def test_a_pause_ends_by_itself_or_at_a_word(engine: Engine, ada: int) -> None:
    with writing(engine) as connection:
        until = pause(connection, ada, days=2, at=NOW)
        found = choices_of(connection, ada)
        assert (found.is_paused(NOW), found.is_paused(until)) == (True, False)
        assert until == NOW + timedelta(days=2)
        resume(connection, ada, at=NOW)
        assert not choices_of(connection, ada).is_paused(NOW)


@pytest.mark.parametrize("days", [0, -1, 91])
def test_a_pause_is_neither_nothing_nor_for_ever(engine: Engine, ada: int, days: int) -> None:
    with writing(engine) as connection, pytest.raises(ValueError, match="1 to 90"):
        pause(connection, ada, days=days, at=NOW)


@pytest.mark.parametrize("days", [range(7), [7], [-1]])
def test_a_week_of_rest_days_is_no_choice(engine: Engine, ada: int, days: range) -> None:
    with writing(engine) as connection, pytest.raises(ValueError, match="weekdays"):
        choose_habit(connection, ada, is_wanted=True, rest_days=days, at=NOW)
