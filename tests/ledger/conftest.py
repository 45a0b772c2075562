"""One PostgreSQL database for all tests of a module, emptied after each: to copy one takes a hundred times as long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from pushpull.db import open_database
from tests import postgres
from tests.ledger.builders import emptied


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
