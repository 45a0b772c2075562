"""The flows as Prefect runs: recorded, safe to run at once, and free of personal data."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings
from sqlalchemy import Engine, func, insert, select, update

from flows.dispatch import dispatch
from flows.launch import launch
from pushpull.db import reading, writing
from pushpull.learners.tables import learner
from pushpull.ledger.tables import delivery
from pushpull.ledger.vocabulary import DeliveryState
from tasks.installation import Installation
from tests.flows.conftest import CAMPAIGN, PEOPLE
from tests.flows.test_stages import ACCEPTED, count, messages_in_the_outbox

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("runs"), pytest.mark.usefixtures("prefect")]


@pytest.fixture
def engine(sqlite_engine: Engine) -> Engine:
    """Orchestration does not depend on the ledger's database: one is enough."""
    return sqlite_engine


def test_a_run_is_recorded_with_its_steps_and_a_table(company: Installation, launch_day: datetime) -> None:
    async def scenario() -> tuple[list[str], list[str]]:
        state = await launch(campaign=CAMPAIGN, as_of=launch_day.isoformat(), return_state=True)
        await dispatch(as_of=(launch_day + timedelta(hours=9)).isoformat())
        async with get_client() as client:
            steps = await client.read_task_runs(limit=200)
            artifacts = await client.read_artifacts(limit=200)
        assert state.is_completed()
        return [step.name for step in steps], [str(artifact.key) for artifact in artifacts]

    steps, artifacts = asyncio.run(scenario())
    assert any(name.startswith("plan launch.announcement") for name in steps)
    assert {"launch-plan", "dispatched-waves"} <= set(artifacts)
    assert count(company, ACCEPTED) > 0


def test_two_dispatches_at_once_send_nothing_twice(company: Installation, launch_day: datetime) -> None:
    async def scenario() -> None:
        await launch(campaign=CAMPAIGN, as_of=launch_day.isoformat())
        at = (launch_day + timedelta(hours=9)).isoformat()
        await asyncio.gather(dispatch(as_of=at), dispatch(as_of=at))

    asyncio.run(scenario())
    assert messages_in_the_outbox(company) == count(company, ACCEPTED) > 0


CANARIES = {
    "given_name": "Canarygivenname",
    "family_name": "Canaryfamilyname",
    "email": "canary-address@example.org",
    "phone": "+15550100999",
    "department": "Canarydepartment",
}


def test_prefect_never_learns_anything_about_a_person(
    company: Installation, launch_day: datetime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with writing(company.engine) as connection:
        connection.execute(update(learner).values(family_name=CANARIES["family_name"], phone=CANARIES["phone"]))
        connection.execute(
            insert(learner).values(
                external_id="canary-external-id", draw=2**30, created_at=launch_day, updated_at=launch_day, **CANARIES
            )
        )

    def explode(*_: object, **__: object) -> Any:
        raise RuntimeError(f"failed for {CANARIES['email']}")

    # Half of the run goes well, then a channel breaks with an address in its error.
    async def scenario() -> None:
        await launch(campaign=CAMPAIGN, as_of=launch_day.isoformat())
        await dispatch(as_of=(launch_day + timedelta(hours=9)).isoformat())
        for adapter in company.adapters.values():
            monkeypatch.setattr(adapter, "send", explode)
        await dispatch(as_of=(launch_day + timedelta(hours=15)).isoformat())

    asyncio.run(scenario())
    with reading(company.engine) as connection:
        uncertain = connection.execute(
            select(func.count()).select_from(delivery).where(delivery.c.state == DeliveryState.UNCERTAIN)
        ).scalar_one()
    assert uncertain > 0
    assert count(company) == PEOPLE + 1
    stored = _everything_prefect_stored() + caplog.text.encode()
    assert CAMPAIGN.encode() in stored  # the search looks in the right place
    for canary in (*CANARIES.values(), "canary-external-id"):
        assert canary.encode() not in stored, canary


def _everything_prefect_stored() -> bytes:
    url = get_current_settings().server.database.connection_url
    assert url is not None
    path = Path(url.get_secret_value().split("///", 1)[1])
    with sqlite3.connect(path) as database:
        dump = "\n".join(database.iterdump()).encode()
    home = get_current_settings().home
    files = b"".join(each.read_bytes() for each in (home / "storage").rglob("*") if each.is_file())
    return dump + files
