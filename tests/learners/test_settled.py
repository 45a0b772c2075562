"""Up to which id activity is complete, while others are still writing."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Timer

import pytest
from sqlalchemy import Connection, Engine, insert

from pushpull.db import writing
from pushpull.learners.settled import settled_activity
from pushpull.learners.tables import activity, learner

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)


@pytest.fixture
def somebody(engine: Engine) -> Engine:
    with writing(engine) as connection:
        connection.execute(insert(learner).values(id=1, external_id="a", draw=1, created_at=NOW, updated_at=NOW))
    return engine


def does(connection: Connection, number: int) -> None:
    values = {"learner_id": 1, "source": "s", "verb": "progressed", "occurred_at": NOW, "stored_at": NOW}
    connection.execute(insert(activity).values(id=number, source_id=str(number), **values))


def test_without_anybody_writing_all_there_is_is_settled(somebody: Engine) -> None:
    with writing(somebody) as connection:
        assert settled_activity(connection) == 0
        does(connection, 3)
        assert settled_activity(connection) == 3


def test_nothing_is_settled_while_somebody_writes_who_may_have_a_lower_id(somebody: Engine) -> None:
    if somebody.dialect.name == "sqlite":
        pytest.skip("on SQLite nobody else writes during a transaction that does")
    with somebody.connect() as slow, slow.begin():
        does(slow, 1)
        with writing(somebody) as quick:
            does(quick, 2)
        with writing(somebody) as connection:
            assert settled_activity(connection) is None


def test_a_short_request_is_waited_for(somebody: Engine) -> None:
    if somebody.dialect.name == "sqlite":
        pytest.skip("on SQLite nobody else writes during a transaction that does")
    slow = somebody.connect()
    does(slow, 1)
    end = Timer(0.2, slow.commit)
    end.start()
    with writing(somebody) as connection:
        does(connection, 2)
        assert settled_activity(connection) == 2
    end.join()
    slow.close()
