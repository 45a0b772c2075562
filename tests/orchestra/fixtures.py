"""The stack as tests get it: deployed once per test process, and copied for each test as a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests import postgres
from tests.orchestra.stack import Orchestra, orchestra
from tests.orchestra.surroundings import afternoon_zone, settle_people, variables_of, write_content
from tests.standin.engine import StandIn


@pytest.fixture(scope="session")
def deployed_prefect(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a Prefect database in which everything of prefect.yaml is deployed, to copy."""
    server, _ = postgres_url.split("#")
    with postgres.database(server) as url:
        with orchestra(tmp_path_factory.mktemp("deploying"), url, {}) as stack:
            stack.deploy()
            stack.api.pause_schedules()
        yield url.rsplit("/", 1)[1]


@pytest.fixture
def prefect_database(postgres_url: str, deployed_prefect: str) -> Iterator[str]:
    """The URL of a Prefect database of the test's own, everything deployed, no schedule firing."""
    server, _ = postgres_url.split("#")
    with postgres.database(server, template=deployed_prefect) as url:
        yield url


@dataclass(frozen=True)
class Playing:
    """An installation with Prefect around it.

    Args:
        engine: of the ledger.
        people: how many are in the campaign's audience.
        zone: where they live.
    """

    stack: Orchestra
    engine: Engine
    standin: StandIn
    content: Path
    people: int
    zone: str


#: Starts a server over so many people; ``channels`` and fields of the campaign file, ``settings`` of the installation.
Play = Callable[..., Playing]


@pytest.fixture
def play(postgres_engine: Engine, prefect_database: str, standin: StandIn, tmp_path: Path) -> Iterator[Play]:
    """Make an installation: people, content, a Prefect server, no worker yet."""
    with ExitStack() as stage:

        def play(size: int = 200, *, settings: dict[str, object] | None = None, **changes: Any) -> Playing:
            zone = afternoon_zone(datetime.now(UTC))
            content = write_content(tmp_path, zone, **changes)
            people = settle_people(postgres_engine, size, zone)
            variables = variables_of(standin, postgres_engine, tmp_path, content, **(settings or {}))
            stack = stage.enter_context(orchestra(tmp_path / "prefect", prefect_database, variables))
            return Playing(stack, postgres_engine, standin, content, people, zone)

        yield play
