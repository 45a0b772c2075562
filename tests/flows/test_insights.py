"""The insights flow finds, proposes and measures, once; and a person decides in a run that suspends."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow_async
from prefect.flow_runs import aresume_flow_run
from sqlalchemy import Engine, func, select

from content.campaign import load_campaign
from flows.dispatch import dispatch
from flows.improve import improve
from flows.insights import insights
from flows.launch import launch
from pushpull.db import reading
from pushpull.insights.loop import Change, Found, InsightKind, Metric, MetricKind, ProposalState, Setting, proposals
from pushpull.insights.tables import insight, measurement, proposal, verdict
from pushpull.ledger.tables import intensity
from tasks import insights as steps
from tasks.installation import Installation, installed
from tests.flows.conftest import CAMPAIGN, company, launch_day

__all__ = ["company", "launch_day"]

pytestmark = pytest.mark.xdist_group("runs")

CHANGE = Change((Setting("stages.launch.waves.reminder.hour", 14),), "Send the reminder at two.")
FOUND = Found(
    InsightKind.SEND_HOUR,
    "launch.reminder",
    "Two is better than ten.",
    {"hour": 14},
    CHANGE,
    Metric(MetricKind.ANSWERED, "launch.reminder"),
)


@pytest.fixture
def engine(sqlite_engine: Engine) -> Engine:
    """Orchestration does not depend on the ledger's database: one is enough."""
    return sqlite_engine


@pytest.fixture
def here(company: Installation, tmp_path: Path, launch_day: datetime) -> Iterator[Installation]:
    """An installation with content of its own, two weeks after its launch."""
    folder = tmp_path / "content"
    shutil.copytree(company.settings.content_dir, folder)
    chosen = company.settings.model_copy(update={"content_dir": folder})
    with installed(replace(company, settings=chosen)) as own:
        asyncio.run(launch.fn(campaign=CAMPAIGN, as_of=launch_day.isoformat()))
        asyncio.run(dispatch.fn(as_of=(launch_day + timedelta(hours=16)).isoformat()))
        yield own


def counts(here: Installation) -> list[int]:
    with reading(here.engine) as connection:
        return [
            connection.execute(select(func.count()).select_from(each)).scalar_one()
            for each in (insight, proposal, measurement, intensity, verdict)
        ]


def hour_of(here: Installation) -> int:
    return {each.key: each for _, each in load_campaign(CAMPAIGN, here.settings.content_dir).waves()}["reminder"].hour


def test_run_twice_it_adds_nothing_and_a_dry_run_nothing_at_all(
    here: Installation, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "QUICK", (*steps.QUICK, lambda _look: [FOUND]))
    at = (launch_day + timedelta(days=15)).isoformat()
    dry = asyncio.run(insights.fn(as_of=at, dry_run=True))
    assert dry[CAMPAIGN]["proposed"] >= 1
    assert counts(here) == [0, 0, 0, 0, 0]
    first = asyncio.run(insights.fn(as_of=at))
    after = counts(here)
    assert first[CAMPAIGN]["proposed"] == 1
    assert after[1:4] == [1, 0, 1]  # a proposal, and the week's rung
    assert after[4] >= 1
    assert asyncio.run(insights.fn(campaign=CAMPAIGN, as_of=at)) == first
    assert counts(here) == after


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect")
def test_a_person_says_yes_in_the_form_and_the_file_is_changed(
    here: Installation, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "QUICK", (lambda _look: [FOUND],))
    at = (launch_day + timedelta(days=15)).isoformat()

    async def scenario() -> tuple[str, str, str, list[str]]:
        async with get_client() as client:
            flow_id = await client.create_flow(improve)
            await client.create_deployment(flow_id, "improve", entrypoint="flows/improve.py:improve")
            await insights(as_of=at, thorough=False)
            (run,) = [each for each in await client.read_flow_runs() if each.flow_id == flow_id]

            async def turn() -> Any:
                seen = await client.read_flow_run(run.id)
                with suppress(Pause):  # so a suspended flow ends its process
                    await run_flow_async(improve, flow_run=seen, parameters=seen.parameters, return_type="state")
                return (await client.read_flow_run(run.id)).state

            async def form(state: Any) -> str:
                described = await client.read_flow_run_input(
                    run.id, state.state_details.run_input_keyset["description"]
                )
                return str(json.loads(described))

            shown = await form(await turn())
            await aresume_flow_run(run.id, run_input={"decision": "approve", "your_name": "", "reason": ""})
            again = await form(await turn())
            await aresume_flow_run(run.id, run_input={"decision": "approve", "your_name": "Ada", "reason": "fits"})
            ended = await turn()
            artifacts = [str(each.key) for each in await client.read_artifacts(limit=200)]
            return shown, again, f"{ended.name}: {ended.message}", artifacts

    shown, again, ended, artifacts = asyncio.run(scenario())
    assert "+        hour: 14" in shown
    assert "Two is better than ten." in shown
    assert "needs your name" in again
    assert ended.startswith("Completed: proposal 1 was applied")
    assert {f"insights-{CAMPAIGN}", f"proposal-{CAMPAIGN}-1"} <= set(artifacts)
    assert hour_of(here) == 14
    with reading(here.engine) as connection:
        assert [each.state for each in proposals(connection)] == [ProposalState.APPLIED]
