"""What the checks before sending found, as ops see it in Prefect."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from prefect.client.orchestration import get_client
from sqlalchemy import Engine

from flows.dispatch import dispatch
from tasks.installation import Installation
from tests.flows.test_stages import messages_in_the_outbox
from tests.tasks.test_preflight import World, sending, world
from tests.tasks.test_waiting import ANNOUNCEMENT

__all__ = ["sending", "world"]

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("runs"), pytest.mark.usefixtures("prefect")]


@pytest.fixture
def engine(sqlite_engine: Engine) -> Engine:
    """Orchestration does not depend on the ledger's database: one is enough."""
    return sqlite_engine


def test_what_was_found_is_a_table_of_the_run(sending: Installation, launch_day: datetime, world: World) -> None:
    world.status = 404

    async def scenario() -> list[str]:
        await dispatch(as_of=(launch_day + timedelta(hours=9)).isoformat())
        async with get_client() as client:
            artifacts = await client.read_artifacts(limit=200)
        return [str(artifact.data) for artifact in artifacts if artifact.key == "preflight"]

    (table,) = asyncio.run(scenario())
    assert "link-gone" in table
    assert ANNOUNCEMENT in table
    assert messages_in_the_outbox(sending) == 0
