"""Fixtures every test may use: an empty, migrated database on SQLite and on PostgreSQL, and the shared data."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import Engine

from pushpull.db import open_database
from pushpull.migrations import upgrade
from tests import postgres
from tests.compiling import compile_once
from tests.spreading import ByGroup, turn

pytest_plugins = ["tests.standin.fixtures", "tests.orchestra.fixtures"]

# How long an example takes depends on what else the machine does; pytest-timeout ends what hangs.
settings.register_profile("pushpull", deadline=None)
settings.load_profile("pushpull")
compile_once()

#: How long a test behind ``--soak`` may take.
_SOAK_SECONDS = 3 * 3600

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the tests marked `soak` too; they take minutes to hours")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByGroup:
    return ByGroup(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes
        items.sort(key=lambda item: turn(item.nodeid))
    for item in items:
        if not item.get_closest_marker("soak"):
            continue
        if config.getoption("--soak"):
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(_SOAK_SECONDS))
        else:
            item.add_marker(pytest.mark.skip(reason="takes long: run with --soak, or make soak"))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running PostgreSQL with a migrated template database, one per test process."""
    with postgres.server() as url, postgres.database(url) as made:
        template = made.rsplit("/", 1)[1]
        engine = open_database(made)
        upgrade(engine)
        engine.dispose()
        yield f"{url}#{template}"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "empty.db"
    engine = open_database(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture
def sqlite_engine(sqlite_template: Path, tmp_path: Path) -> Iterator[Engine]:
    """An empty, migrated SQLite database."""
    path = tmp_path / "pushpull.db"
    shutil.copy(sqlite_template, path)
    engine = open_database(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    """An empty, migrated PostgreSQL database."""
    server, template = postgres_url.split("#")
    with postgres.database(server, template=template) as url:
        engine = open_database(url)
        yield engine
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """The same test on both databases."""
    return request.getfixturevalue("sqlite_engine" if request.param == "sqlite" else "postgres_engine")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data beside the checkout; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared, the real data beside the checkout, which is not here")
    return SHARED
