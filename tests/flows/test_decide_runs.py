"""Decisions and switches as Prefect runs: schedules, artifacts, Variables, and a server that does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from threading import Thread
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import Engine

from flows.decide import decide
from flows.dispatch import dispatch
from pushpull.db import reading, writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.switches import Switches, set_switch, switches
from pushpull.ledger.tables import delivery, wave
from pushpull.ledger.vocabulary import SwitchName, WaveStatus
from tasks.decide import Action
from tasks.installation import Installation, installed
from tasks.switches import VARIABLES, Refresher, VariableNotSetError, read_switches, set_everywhere, variables
from tests.flows.conftest import CAMPAIGN
from tests.flows.test_decide import ANNOUNCEMENT, BY, planned, status
from tests.flows.test_stages import ACCEPTED, count

__all__ = ["planned"]

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("runs"), pytest.mark.usefixtures("prefect")]


@pytest.fixture
def engine(sqlite_engine: Engine) -> Engine:
    """Orchestration does not depend on the ledger's database: one is enough."""
    return sqlite_engine


class OnServer:
    """The stage deployments of a server, with schedules of two campaigns."""

    def __init__(self) -> None:
        self.deployment_ids: list[Any] = []

    async def deploy(self) -> None:
        slugs = {"launch": (f"{CAMPAIGN}--announcement", "other--announcement"), "onboarding": (f"{CAMPAIGN}--resume",)}
        async with get_client() as client:
            for stage, names in slugs.items():
                flow_id = await client.create_flow_from_name(stage)
                schedules = [
                    DeploymentScheduleCreate(schedule=CronSchedule(cron="0 5 * * *"), active=True, slug=slug)
                    for slug in names
                ]
                made = await client.create_deployment(flow_id, name=f"{stage}-decide", schedules=schedules)
                self.deployment_ids.append(made)

    async def active(self) -> dict[str, bool]:
        found = {}
        async with get_client() as client:
            for each in self.deployment_ids:
                found |= {row.slug: row.active for row in await client.read_deployment_schedules(each)}
        return found

    async def set(self, slug: str, *, active: bool) -> None:
        async with get_client() as client:
            for each in self.deployment_ids:
                for row in await client.read_deployment_schedules(each):
                    if row.slug == slug:
                        await client.update_deployment_schedule(each, row.id, active=active)

    async def remove(self) -> None:
        async with get_client() as client:
            for each in self.deployment_ids:
                await client.delete_deployment(each)


@pytest.fixture
def server() -> Iterator[OnServer]:
    there = OnServer()
    asyncio.run(there.deploy())
    yield there
    asyncio.run(there.remove())


def test_a_campaign_is_paused_with_its_schedules_and_resumed_with_exactly_those(
    server: OnServer, planned: Installation
) -> None:
    async def scenario() -> None:
        await server.set(f"{CAMPAIGN}--resume", active=False)  # by hand, before
        for _ in range(2):  # pressed twice
            await decide(Action.PAUSE_CAMPAIGN, campaign=CAMPAIGN, **BY)
            assert await server.active() == {
                f"{CAMPAIGN}--announcement": False,
                f"{CAMPAIGN}--resume": False,
                "other--announcement": True,
            }
        for _ in range(2):
            await decide(Action.RESUME_CAMPAIGN, campaign=CAMPAIGN, **BY)
            assert await server.active() == {
                f"{CAMPAIGN}--announcement": True,
                f"{CAMPAIGN}--resume": False,
                "other--announcement": True,
            }
        said = await decide(Action.CANCEL_CAMPAIGN, campaign=CAMPAIGN, **BY)
        assert said[1].startswith("1 of its schedules are paused")
        assert not (await server.active())[f"{CAMPAIGN}--announcement"]

    asyncio.run(scenario())


def test_a_decision_shows_in_the_ui(planned: Installation) -> None:
    async def scenario() -> None:
        state = await decide(Action.PAUSE_WAVE, campaign=CAMPAIGN, wave=ANNOUNCEMENT, return_state=True, **BY)
        async with get_client() as client:
            run = await client.read_flow_run(state.state_details.flow_run_id)
            artifacts = await client.read_artifacts(limit=200)
        assert run.name == f"pause wave {CAMPAIGN} {ANNOUNCEMENT}"
        (shown,) = [
            each.data for each in artifacts if each.flow_run_id == run.id and str(each.key).startswith("decision")
        ]
        assert "until it is released" in str(shown)
        assert "Decided by ada: because" in str(shown)

    asyncio.run(scenario())


def test_a_form_that_does_not_fit_fails_the_run_with_what_to_fill_in(planned: Installation) -> None:
    state = asyncio.run(decide(Action.PAUSE_WAVE, campaign=CAMPAIGN, return_state=True, **BY))
    assert state.is_failed()
    assert "needs wave: fill it in" in str(state.message)
    assert status(planned, wave) == WaveStatus.OPEN


def test_everything_is_paused_in_the_ledger_and_in_its_variable(planned: Installation) -> None:
    async def scenario() -> None:
        for action, paused in ((Action.PAUSE_EVERYTHING, True), (Action.GO_ON, False)):
            await decide(action, **BY)
            async with get_client() as client:
                variable = await client.read_variable_by_name("pushpull_pause")
                assert variable is not None
                assert variable.value is paused
            with reading(planned.engine) as connection:
                assert switches(connection) == Switches(is_paused=paused)
        async with get_client() as client:
            await client.delete_variable_by_name("pushpull_pause")

    asyncio.run(scenario())


# ---- the switches' Variables


async def set_variables(**values: Any) -> None:
    """Set the Variables of switches, and remove the others."""
    async with get_client() as client:
        for name, variable in VARIABLES.items():
            if await client.read_variable_by_name(variable) is not None:
                await client.delete_variable_by_name(variable)
            if name.value in values:
                body = {"name": variable, "value": values[name.value]}
                await client.request("POST", "/variables/", json=body)


@pytest.fixture(autouse=True)
def no_variables() -> Iterator[None]:
    yield
    asyncio.run(set_variables())


@flow(name="reads-switches", persist_result=False)
async def reading_flow() -> Switches:
    return read_switches()


def now_set(here: Installation) -> Switches:
    with reading(here.engine) as connection:
        return switches(connection)


def test_what_ops_set_in_the_ui_is_what_the_ledger_says_next(planned: Installation) -> None:
    async def scenario() -> None:
        assert await reading_flow() == Switches()
        await set_variables(pause=True, pilot=["e1", "e2"], override_recipient="e3")
        everything = Switches(is_paused=True, guests=("e1", "e2"), override_recipient="e3")
        assert await reading_flow() == everything == now_set(planned)
        await set_variables()  # they are gone: that changes nothing
        assert await reading_flow() == everything
        await set_variables(pause=False, pilot=[], override_recipient="")
        assert await reading_flow() == Switches() == now_set(planned)

    asyncio.run(scenario())


def test_a_guest_nobody_knows_is_warned_about_and_left_out(
    planned: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> Switches:
        await set_variables(pilot=["e1", "nobody-knows"])
        return await reading_flow()

    assert asyncio.run(scenario()) == Switches(guests=("e1",))
    assert "1 of 2 guests are not known" in caplog.text
    assert "nobody-knows" not in caplog.text


def test_an_override_nobody_knows_pauses_until_it_is_corrected(planned: Installation) -> None:
    async def scenario() -> None:
        await set_variables(pause=False, override_recipient="nobody-knows")
        for _ in range(2):
            assert (await reading_flow()).is_paused
        await set_variables(pause=False, override_recipient="e1")
        assert await reading_flow() == Switches(override_recipient="e1")

    asyncio.run(scenario())


def test_nothing_is_dispatched_while_the_variable_says_pause(planned: Installation, launch_day: datetime) -> None:
    async def scenario() -> None:
        at = (launch_day + timedelta(hours=9)).isoformat()
        await set_variables(pause=True)
        await dispatch(as_of=at)
        assert count(planned, ACCEPTED) == 0
        await set_variables(pause=False)
        await dispatch(as_of=at)
        assert count(planned, ACCEPTED) > 0

    asyncio.run(scenario())


def test_without_an_answer_the_ledgers_last_word_stands_soon(planned: Installation) -> None:
    with writing(planned.engine) as connection:
        set_switch(connection, SwitchName.PILOT, ["e1"], who="ops", at=datetime.fromisoformat("2026-01-12T00:00Z"))
    took: list[float] = []

    @flow(name="asks-in-vain", persist_result=False)
    async def asks_in_vain() -> Switches:
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
            began = time.monotonic()
            found = read_switches.fn()
            took.append(time.monotonic() - began)
            with pytest.raises(VariableNotSetError, match="pushpull_pause"):
                set_everywhere(SwitchName.PAUSE, True, who="ops", why="now", at=datetime.now().astimezone())
        return found

    assert asyncio.run(asks_in_vain()) == Switches(guests=("e1",))
    assert took[0] < 3
    assert now_set(planned).is_paused, "what counts was set all the same"


def test_what_was_set_while_the_server_was_away_is_not_undone_when_it_is_back(planned: Installation) -> None:
    def pause(on: bool) -> None:
        set_everywhere(SwitchName.PAUSE, on, who="ops", why="now", at=datetime.now().astimezone())

    async def scenario() -> None:
        await set_variables(pause=False)
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), pytest.raises(VariableNotSetError):
            pause(True)
        for _ in range(2):
            assert (await reading_flow()).is_paused
        assert variables() == {SwitchName.PAUSE: True}, "the server knows it, too"
        await set_variables(pause=False)
        assert not (await reading_flow()).is_paused
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), pytest.raises(VariableNotSetError):
            pause(True)
        pause(False)  # it answers by now: this is the last word
        assert not (await reading_flow()).is_paused
        await set_variables(pause=True)
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), pytest.raises(VariableNotSetError):
            pause(False)
        assert (await reading_flow()).is_paused, "rather than that something is sent which was to wait"

    asyncio.run(scenario())


def test_a_running_drain_hears_of_a_pause_within_seconds_and_waits_for_nobody(planned: Installation) -> None:
    seen: list[bool] = []

    @flow(name="drains-for-long", persist_result=False)
    async def drains_for_long() -> None:
        refresher = Refresher(every=0.1)
        told = Thread(target=lambda: asyncio.run(set_variables(pause=True)))
        told.start()
        give_up = time.monotonic() + 20
        slowest = 0.0
        while not now_set(planned).is_paused and time.monotonic() < give_up:
            began = time.perf_counter()
            refresher.maybe("a step", 1)
            slowest = max(slowest, time.perf_counter() - began)
            await asyncio.sleep(0.01)
        told.join()
        seen.append(slowest < 1)

    asyncio.run(drains_for_long())
    assert now_set(planned).is_paused
    assert seen == [True]


@pytest.mark.parametrize(
    ("told", "reached"),
    [({"pause": True}, set()), ({"pilot": ["e0"]}, {"e0"}), ({"override_recipient": "e1"}, {"e1"})],
    ids=str,
)
def test_a_dispatch_that_is_sending_goes_by_what_is_set_in_the_ui_within_seconds(
    planned: Installation,
    launch_day: datetime,
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, Any],
    reached: set[str],
) -> None:
    """It is set while the first messages leave; afterwards nobody is sent to whom it does not allow."""
    small = replace(planned, settings=planned.settings.model_copy(update={"batch_size": 1}))
    monkeypatch.setattr("tasks.deliver.Refresher", partial(Refresher, every=0.05))
    email = planned.adapters[Channel.EMAIL]
    send, sent = email.send, list[tuple[bool, str]]()

    def slowly(messages: Any, **options: Any) -> Any:
        if not sent:
            ops = Thread(target=lambda: asyncio.run(set_variables(**told)))  # this thread has a loop already
            ops.start()
            ops.join()
        is_late = now_set(planned) != Switches()
        sent.extend((is_late, each.to.partition("@")[0]) for each in messages)
        time.sleep(0.2)
        return send(messages, **options)

    monkeypatch.setattr(email, "send", slowly)
    with installed(small):
        asyncio.run(dispatch(as_of=(launch_day + timedelta(hours=9)).isoformat()))
    before = [to for is_late, to in sent if not is_late]
    assert 0 < len(before) < count(planned, delivery.c.state.is_not(None))
    after = {to for is_late, to in sent if is_late}
    # One handover may have been committed just before, and leaves just after.
    assert len(after - reached) <= 1
    assert now_set(planned) != Switches()


def test_a_retried_dispatch_does_not_undo_what_ops_set(planned: Installation, launch_day: datetime) -> None:
    async def scenario() -> None:
        await set_variables(pause=True)
        for _ in range(2):
            state = await dispatch(as_of=(launch_day + timedelta(hours=9)).isoformat(), return_state=True)
            assert state.is_completed()

    asyncio.run(scenario())
    assert count(planned, ACCEPTED) == 0
    assert now_set(planned).is_paused
