"""Stages as Prefect runs: what they are called, whom they tell, and whom they ask."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from sqlalchemy import Engine

from flows.launch import launch
from flows.reengagement import reengagement
from pushpull.ledger.vocabulary import WaveStatus
from tasks.events import Event
from tasks.installation import Installation
from tests.flows.conftest import CAMPAIGN, PEOPLE

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("runs"), pytest.mark.usefixtures("prefect")]


@pytest.fixture
def engine(sqlite_engine: Engine) -> Engine:
    """Orchestration does not depend on the ledger's database: one is enough."""
    return sqlite_engine


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Event, str, dict[str, object]]]:
    """What a stage announces: event, resource, payload."""
    found: list[tuple[Event, str, dict[str, object]]] = []
    monkeypatch.setattr(
        "flows.stages.announce",
        lambda event, *, about, name, payload: found.append((event, f"{about} {name}", dict(payload))),
    )
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """When approvals were asked for."""
    found: list[datetime] = []
    monkeypatch.setattr("flows.stages.ask_for_approvals", found.append)
    return found


@pytest.fixture
def careful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person must approve every wave."""
    from content.campaign import calendar

    waves_on = calendar.waves_on
    monkeypatch.setattr(
        calendar,
        "waves_on",
        lambda *given: tuple(each.model_copy(update={"approval_threshold": 1}) for each in waves_on(*given)),
    )


def name_of(flow: Any, **parameters: Any) -> str:
    """What its run is called afterwards."""

    async def scenario() -> str:
        state = await flow(**parameters, return_state=True)
        async with get_client() as client:
            return (await client.read_flow_run(state.state_details.flow_run_id)).name

    return asyncio.run(scenario())


def test_a_run_says_campaign_stage_and_wave(company: Installation, launch_day: datetime) -> None:
    at = launch_day.isoformat()
    one = name_of(launch, campaign=CAMPAIGN, wave="announcement", as_of=at)
    assert one == "two-minutes-a-day: launch announcement"
    assert name_of(launch, campaign=CAMPAIGN, as_of=at) == "two-minutes-a-day: launch"
    assert name_of(reengagement, campaign=CAMPAIGN, as_of=at) == "two-minutes-a-day: re-engagement"
    dry = name_of(launch, campaign=CAMPAIGN, wave="announcement", as_of=at, dry_run=True)
    assert dry == "two-minutes-a-day: launch announcement (dry run)"


def test_a_dry_run_says_so_where_no_wave_falls_on_the_day(
    company: Installation, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("tasks.report.publish_markdown", lambda **given: said.append(given["markdown"]))
    asyncio.run(reengagement(campaign=CAMPAIGN, as_of=launch_day.isoformat(), dry_run=True))
    assert "nobody would get one" in said[0]
    assert "reengagement" in said[0]


def test_what_is_newly_planned_is_told_once(
    company: Installation, launch_day: datetime, told: list[tuple[Event, str, dict[str, object]]], asked: list[datetime]
) -> None:
    for _ in range(2):
        asyncio.run(launch(campaign=CAMPAIGN, wave="announcement", as_of=launch_day.isoformat()))
    ((event, about, payload),) = told
    assert event is Event.WAVE_PLANNED
    assert about == "wave.1 launch.announcement@2026-01-12"
    assert payload["campaign"] == CAMPAIGN
    assert payload["audience"] == PEOPLE
    assert payload["audience"] == int(str(payload["planned"])) + int(str(payload["skipped"]))
    assert asked == []


@pytest.mark.usefixtures("careful")
def test_a_person_is_asked_about_a_held_wave_also_by_the_run_after_one_that_was_killed(
    company: Installation,
    launch_day: datetime,
    told: list[tuple[Event, str, dict[str, object]]],
    asked: list[datetime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = launch_day.isoformat()

    def killed(*_: object) -> str:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("flows.stages.publish_briefing", killed)
        with pytest.raises(SystemExit):
            asyncio.run(launch(campaign=CAMPAIGN, wave="announcement", as_of=at))
    assert asked == []
    (plan,) = asyncio.run(launch(campaign=CAMPAIGN, wave="announcement", as_of=at))
    assert plan.status == WaveStatus.HELD
    assert asked == [launch_day]


@pytest.mark.usefixtures("careful")
def test_a_rehearsal_tells_nobody_and_asks_nobody(
    company: Installation, launch_day: datetime, told: list[tuple[Event, str, dict[str, object]]], asked: list[datetime]
) -> None:
    asyncio.run(launch(campaign=CAMPAIGN, wave="announcement", as_of=launch_day.isoformat(), dry_run=True))
    assert told == []
    assert asked == []
