"""A campaign that has been played, once per database, for tests that only read."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from pushpull.db import open_database
from pushpull.insights.sample import Company
from tests import postgres
from tests.insights import rehearsal


@dataclass(frozen=True)
class Played:
    """The database after some days, what the learners did, and the instant at which it stands."""

    engine: Engine
    company: Company
    done: Counter[str]
    now: datetime


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("played") / "pushpull.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        engine = open_database(f"sqlite:///{path}")
        yield _played(engine)
        engine.dispose()
    else:
        server, template = request.getfixturevalue("postgres_url").split("#")
        with postgres.database(server, template=template) as url:
            engine = open_database(url)
            yield _played(engine)
            engine.dispose()


def _played(engine: Engine) -> Played:
    company = rehearsal.prepare(engine, size=100)
    done = rehearsal.play(engine, days=10)
    return Played(engine, company, done, rehearsal.midnight(rehearsal.START) + timedelta(days=9, hours=18))
