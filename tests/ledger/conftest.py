"""One PostgreSQL database for all tests of a module, emptied after each: to copy one takes a hundred times as long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from pushpull.db import open_database, writing
from tests import postgres
from tests.ledger.builders import a_campaign, emptied, item_ids


@pytest.fixture(scope="module")
def ledger_on_postgres(postgres_url: str) -> Iterator[Engine]:
    server, template = postgres_url.split("#")
    with postgres.database(server, template=template) as url:
        engine = open_database(url)
        yield engine
        engine.dispose()


@pytest.fixture
def postgres_engine(ledger_on_postgres: Engine) -> Iterator[Engine]:
    """An empty, migrated PostgreSQL database; ids go on from test to test."""
    yield ledger_on_postgres
    emptied(ledger_on_postgres)


@pytest.fixture
def course_and_quiz(engine: Engine) -> list[int]:
    """A campaign with two items; their ids."""
    with writing(engine) as connection:
        return item_ids(connection, a_campaign(connection, items=("course", "quiz")))
