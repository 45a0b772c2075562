"""Dispatch as Prefect runs it: few task runs however large the wave, helpers, names, and the switches of ops."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from sqlalchemy import Engine, select

from flows.dispatch import dispatch
from flows.launch import launch
from flows.shard import shard
from pushpull.db import database_now, reading, writing
from pushpull.learners.tables import learner
from pushpull.ledger.switches import set_switch
from pushpull.ledger.tables import delivery, wave
from pushpull.ledger.vocabulary import MessageClass, SwitchName
from tasks import deliver
from tasks.installation import Installation
from tasks.start import start_run
from tests.flows.conftest import CAMPAIGN
from tests.flows.test_stages import ACCEPTED, count, messages_in_the_outbox
from tests.tasks.test_deliver import SlowSandbox, slow

__all__ = ["slow"]

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("runs"), pytest.mark.usefixtures("prefect")]

NINE = timedelta(hours=9)


async def deploy_helpers() -> None:
    """The deployment of prefect.yaml, in a pool without workers."""
    async with get_client() as client:
        with suppress(ObjectAlreadyExists):
            await client.create_work_pool(WorkPoolCreate(name="helpers", type="process"))
    deployment = await shard.ato_deployment(name="shard", work_pool_name="helpers")
    await deployment.aapply()


async def helpers(wave_id: int) -> list[dict[str, Any]]:
    """The runs that were asked to help with a wave."""
    async with get_client() as client:
        found = await client.request("POST", "/flow_runs/filter", json={"flows": {"name": {"any_": ["shard"]}}})
        return [run for run in found.json() if run["parameters"]["wave_id"] == wave_id]


async def send(at: datetime, **parameters: Any) -> UUID:
    """Run dispatch as Prefect does; the run's id."""
    state = await dispatch(as_of=at.isoformat(), return_state=True, **parameters)
    assert state.is_completed(), state
    assert state.state_details.flow_run_id is not None
    return state.state_details.flow_run_id


async def recorded(run_id: UUID) -> tuple[str, Counter[str], list[str]]:
    """A run's name, its task runs by name, and the keys of its progress artifacts."""
    async with get_client() as client:
        for _ in range(100):  # task runs are recorded a moment later
            steps = await client.request(
                "POST", "/task_runs/filter", json={"flow_runs": {"id": {"any_": [str(run_id)]}}, "limit": 200}
            )
            names = [each["name"].rsplit("-", 1)[0] for each in steps.json()]
            if "report" in names:
                break
            await asyncio.sleep(0.1)
        name = (await client.read_flow_run(run_id)).name
        artifacts = await client.request(
            "POST",
            "/artifacts/filter",
            json={"artifacts": {"flow_run_id": {"any_": [str(run_id)]}, "type": {"any_": ["progress"]}}},
        )
    return name, Counter(names), [each["key"] for each in artifacts.json()]


@pytest.fixture
def engine(postgres_engine: Engine) -> Engine:
    """Runs share a wave only there."""
    return postgres_engine


def test_a_wave_takes_a_handful_of_task_runs_however_many_slices_it_takes(
    company: Installation, slow: SlowSandbox, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = []
    drain = deliver.drain

    def counted(*given: Any, **more: Any) -> Any:
        slices.append(1)
        return drain(*given, **more)

    monkeypatch.setattr(deliver, "drain", counted)
    monkeypatch.setattr(deliver, "_WORTH_WATCHING", 5)

    async def scenario() -> tuple[str, Counter[str], list[str]]:
        return await recorded(await send(launch_day + NINE))

    name, steps, progress = asyncio.run(scenario())
    assert count(company, ACCEPTED) == messages_in_the_outbox(company) > 10
    assert len(slices) > 5
    assert steps["wave 1 from"] <= 2  # named "wave 1 from 0": the last part of a name is cut off
    assert steps.total() < 20
    assert name == "send two-minutes-a-day: launch.announcement@2026-01-12"
    assert progress == ["wave-1-progress"]


@pytest.fixture
def far_wave(company: Installation, launch_day: datetime, monkeypatch: pytest.MonkeyPatch) -> int:
    """A planned wave, large enough for two helpers, with a number that no other test's has."""
    with writing(company.engine) as connection:
        connection.exec_driver_sql(f"ALTER SEQUENCE wave_id_seq RESTART WITH {1000 + time.monotonic_ns() % 10**8}")
    asyncio.run(launch.fn(campaign=CAMPAIGN, as_of=launch_day.isoformat()))
    monkeypatch.setattr(deliver, "_WORTH_A_SHARD", 6)
    with reading(company.engine) as connection:
        return int(connection.execute(select(wave.c.id)).scalar_one())


def test_dispatch_asks_for_helpers_once_and_waits_for_none(
    company: Installation, far_wave: int, launch_day: datetime
) -> None:
    async def scenario() -> list[dict[str, Any]]:
        await deploy_helpers()
        await send(launch_day + NINE)  # no worker is there: nobody ever helps
        return await helpers(far_wave)

    asked = asyncio.run(scenario())
    assert count(company, ACCEPTED) == messages_in_the_outbox(company) > 10
    assert sorted(run["parameters"]["part"] for run in asked) == [1, 2]
    assert {run["parameters"]["parts"] for run in asked} == {3}
    assert all(set(run["parameters"]) <= {"wave_id", "rotation", "part", "parts", "as_of"} for run in asked)
    assert {run["work_queue_name"] for run in asked} == {"default"}
    assert len({run["idempotency_key"] for run in asked}) == 2


def test_helpers_of_obligations_wait_in_a_queue_of_their_own(
    company: Installation, far_wave: int, launch_day: datetime
) -> None:
    with writing(company.engine) as connection:
        row = connection.execute(select(wave.c.spec)).scalar_one()
        obligation = {**row, "message_class": MessageClass.MANDATORY.value}
        connection.execute(wave.update().values(message_class=MessageClass.MANDATORY.value, spec=obligation))

    async def scenario() -> list[dict[str, Any]]:
        await deploy_helpers()
        await send(launch_day + NINE)
        return await helpers(far_wave)

    assert {run["work_queue_name"] for run in asyncio.run(scenario())} == {"mandatory"}


def test_without_the_deployment_of_helpers_dispatch_sends_everything_itself(
    company: Installation, far_wave: int, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tasks.deliver.start_run", lambda _name, *given, **more: start_run("shard/gone", *given, **more)
    )
    asyncio.run(send(launch_day + NINE))
    assert count(company, ACCEPTED) == messages_in_the_outbox(company) > 10


def test_a_run_of_a_helper_says_what_it_helps_with(company: Installation, far_wave: int, launch_day: datetime) -> None:
    async def scenario() -> str:
        at = (launch_day + NINE).isoformat()
        state = await shard(wave_id=far_wave, part=1, parts=3, as_of=at, return_state=True)
        assert state.is_completed()
        async with get_client() as client:
            return (await client.read_flow_run(state.state_details.flow_run_id)).name

    assert asyncio.run(scenario()) == f"help with wave {far_wave}: part 1 of 3"
    assert count(company, ACCEPTED) == messages_in_the_outbox(company) > 10


def turn(here: Installation, name: SwitchName, value: object) -> None:
    with writing(here.engine) as connection:
        set_switch(connection, name, value, who="a test", at=database_now(connection), why="a test")


def test_while_everything_is_paused_nothing_is_sent_and_the_run_says_so(
    company: Installation, far_wave: int, launch_day: datetime
) -> None:
    turn(company, SwitchName.PAUSE, True)

    async def scenario() -> str:
        name, steps, _ = await recorded(await send(launch_day + NINE))
        assert not any(step.startswith("wave") for step in steps)
        return name

    assert asyncio.run(scenario()) == "everything is paused"
    assert messages_in_the_outbox(company) == 0
    turn(company, SwitchName.PAUSE, False)
    asyncio.run(send(launch_day + NINE))
    assert count(company, ACCEPTED) == messages_in_the_outbox(company) > 10


@pytest.mark.parametrize(("cohort", "reached"), [((), {"e0", "e2"}), (("e2", "e4"), {"e2"}), (("e4",), set())])
def test_a_pilot_reaches_its_guests_alone_whoever_is_asked_for(
    company: Installation, far_wave: int, launch_day: datetime, cohort: Sequence[str], reached: set[str]
) -> None:
    with writing(company.engine) as connection:  # nobody is held out
        connection.execute(delivery.update().values(arm="treatment"))
    turn(company, SwitchName.PILOT, ["e0", "e2"])
    asyncio.run(send(launch_day + NINE, cohort=list(cohort)))
    with reading(company.engine) as connection:
        rows = connection.execute(
            select(learner.c.external_id).join(delivery, delivery.c.learner_id == learner.c.id).where(ACCEPTED)
        )
        found = set(rows.scalars())
    assert found <= reached
    assert bool(found) == bool(reached)
