"""A person is asked in a run that suspends; what they answer in its form is done, and put to them again where it cannot
be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, Pause
from prefect.flow_engine import run_flow_async
from prefect.flow_runs import aresume_flow_run
from prefect.states import Crashed, Scheduled
from sqlalchemy import Engine

from flows.approval import approval
from flows.dispatch import dispatch
from flows.launch import launch
from pushpull.db import reading, writing
from pushpull.ledger.approvals import hold_again
from pushpull.ledger.campaigns import cancel_wave, wave_id_of
from pushpull.ledger.provider_objects import ledger_name
from pushpull.ledger.vocabulary import Decision
from tasks.approve import asked_about, decide
from tasks.asking import APPROVAL
from tasks.installation import Installation
from tests.flows.conftest import CAMPAIGN, company, launch_day
from tests.flows.test_stages import messages_in_the_outbox
from tests.tasks.test_approve import (
    ANNOUNCEMENT,
    HELD,
    OPEN,
    REACHED,
    REJECTED,
    asking,
    careful,
    change_words,
    send,
    standing,
)

__all__ = ["asking", "careful", "company", "launch_day"]

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("runs"), pytest.mark.usefixtures("prefect")]


@pytest.fixture
def engine(sqlite_engine: Engine) -> Engine:
    """Orchestration does not depend on the ledger's database: one is enough."""
    return sqlite_engine


@pytest.fixture
def two_needed(careful: Installation, launch_day: datetime) -> int:
    """Its launch, which waits for two persons."""
    file = careful.settings.content_dir / "campaigns" / f"{CAMPAIGN}.yaml"
    many = "approval_above: 20\n"
    file.write_text(file.read_text().replace("approval_above: 20", f"{many}second_approval_above: 30"))
    asyncio.run(launch.fn(campaign=CAMPAIGN, as_of=launch_day.isoformat()))
    with reading(careful.engine) as connection:
        return wave_id_of(connection, CAMPAIGN, ANNOUNCEMENT)


class Asked:
    """An approval run, as a worker runs it and a person answers it."""

    def __init__(self, client: PrefectClient, run_id: UUID) -> None:
        self._client, self.id = client, run_id

    @classmethod
    async def start(cls, client: PrefectClient, at: datetime, *, wave: str = ANNOUNCEMENT) -> Asked:
        deployment = await deployed(client)
        parameters = {"campaign": CAMPAIGN, "wave": wave, "as_of": at.isoformat()}
        run = await client.create_flow_run_from_deployment(deployment, parameters=parameters)
        return cls(client, run.id)

    async def run(self) -> State[Any]:
        """Let a worker run it until it suspends or ends."""
        flow_run = await self.seen()
        with suppress(Pause):  # so a suspended flow ends its process
            await run_flow_async(approval, flow_run=flow_run, parameters=flow_run.parameters, return_type="state")
        state = (await self.seen()).state
        assert state is not None
        return state

    async def seen(self) -> FlowRun:
        return await self._client.read_flow_run(self.id)

    async def form(self) -> tuple[str, Mapping[str, Any]]:
        """What the UI shows: description and schema."""
        state = (await self.seen()).state
        assert state is not None
        keys = state.state_details.run_input_keyset
        assert keys is not None
        description = await self._client.read_flow_run_input(self.id, keys["description"])
        schema = await self._client.read_flow_run_input(self.id, keys["schema"])
        return json.loads(description), json.loads(schema)

    async def says(self, state: State[Any]) -> str:
        """What a person reads now."""
        return (await self.form())[0] if state.is_paused() else f"{state.name}: {state.message}"

    async def answer(self, **given: Any) -> State[Any]:
        await aresume_flow_run(self.id, run_input=given)
        return await self.run()


async def deployed(client: PrefectClient) -> UUID:
    flow_id = await client.create_flow(approval)
    return await client.create_deployment(flow_id, APPROVAL.split("/")[1], entrypoint="flows/approval.py:approval")


YES = {"decision": "approve", "your_name": "Ada", "reason": "looks fine"}


def played(launch_day: datetime, *answers: Mapping[str, Any], wave: str = ANNOUNCEMENT) -> list[str]:
    """What a run says first and after each answer: the description of its form, or the message it ends with."""

    async def scenario() -> list[str]:
        async with get_client() as client:
            run = await Asked.start(client, launch_day, wave=wave)
            return [
                await run.says(await run.run()),
                *[await run.says(await run.answer(**each)) for each in answers],
            ]

    return asyncio.run(scenario())


def test_a_person_approves_and_the_wave_is_sent(careful: Installation, asking: int, launch_day: datetime) -> None:
    shown = asked_about(asking, launch_day).content_hash
    asked, ended = played(launch_day, YES)
    assert f"What you approve: `{shown}`" in asked
    assert str(REACHED) in asked
    assert ended == f"Completed: wave {ANNOUNCEMENT} was approved, and is sent"
    assert standing(careful, asking) == OPEN


def test_the_form_has_titles_help_order_and_defaults(careful: Installation, asking: int, launch_day: datetime) -> None:
    async def scenario() -> Mapping[str, Any]:
        async with get_client() as client:
            run = await Asked.start(client, launch_day)
            await run.run()
            return (await run.form())[1]["properties"]

    fields = asyncio.run(scenario())
    assert sorted(fields, key=lambda name: fields[name]["position"]) == list(fields)
    assert list(fields) == ["decision", "your_name", "reason", "at_most", "test_recipients"]
    assert all({"title", "description", "default"} <= set(field) for field in fields.values())
    assert fields["decision"]["enum"] == ["approve", "reject", "send a test first"]


def test_at_most_so_many_are_sent_to(careful: Installation, asking: int, launch_day: datetime) -> None:
    _, ended = played(launch_day, YES | {"at_most": 5})
    assert ended.endswith(f"was approved, {REACHED - 5} learners left out, and is sent")
    for hours in (9, 15):
        send(launch_day + timedelta(hours=hours))
    assert messages_in_the_outbox(careful) == 5


def test_a_rejection_ends_the_run_and_sends_nothing(careful: Installation, asking: int, launch_day: datetime) -> None:
    _, ended = played(launch_day, YES | {"decision": "reject"})
    assert ended.startswith("Completed: ")
    assert "rejected" in ended
    assert standing(careful, asking) == REJECTED


def test_what_cannot_be_taken_is_put_to_them_again(careful: Installation, asking: int, launch_day: datetime) -> None:
    wrong = [
        ({"decision": "approve", "reason": "fine"}, "Your name is missing"),
        ({"decision": "approve", "your_name": " ", "reason": "fine"}, "Your name is missing"),
        ({"decision": "reject", "your_name": "Ada"}, "reason is missing"),
        (YES | {"at_most": -1}, "no number of learners"),
        ({"your_name": "Ada"}, "needs recipients"),
        (YES | {"decision": "send a test first", "test_recipients": ["nobody"]}, "no learner has the external id"),
        ({}, "Your name is missing"),
    ]
    asked = played(launch_day, *[given for given, _ in wrong], YES)
    for told, (_, expected) in zip(asked[1:-1], wrong, strict=True):
        assert expected in told
        assert "What you approve" in told
    assert asked[-1].startswith("Completed: ")
    assert standing(careful, asking) == OPEN
    assert messages_in_the_outbox(careful) == 0


def test_a_test_comes_before_the_decision_and_is_sent_once(
    careful: Installation, asking: int, launch_day: datetime
) -> None:
    tried, ended = played(launch_day, YES | {"test_recipients": ["e3", "e4"]}, YES)[1:]
    assert "A test was sent to 2 of 2." in tried
    assert standing(careful, asking) == OPEN
    assert ended.startswith("Completed: ")
    assert messages_in_the_outbox(careful) == 2


def test_a_run_that_dies_after_a_test_and_is_retried_sends_no_second_one(
    careful: Installation, asking: int, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> str:
        async with get_client() as client:
            run = await Asked.start(client, launch_day)
            await run.run()
            with monkeypatch.context() as patched:
                patched.setattr("flows.approval.publish_briefing", _die)
                assert (await run.answer(**YES, test_recipients=["e3"])).is_failed()
            await client.set_flow_run_state(run.id, Scheduled(), force=True)
            return await run.says(await run.run())

    assert "A test was sent to 1 of 1." in asyncio.run(scenario())
    assert messages_in_the_outbox(careful) == 1


def _die(*_: object) -> str:
    raise RuntimeError("killed")


def test_a_second_person_is_asked_and_told_who_approved(
    careful: Installation, launch_day: datetime, two_needed: int
) -> None:
    asked = played(launch_day, YES, YES, YES | {"your_name": "Grace"})
    assert "2 different people must approve this wave." in asked[0]
    assert "somebody else must approve it too" in asked[1]
    assert "approved so far by Ada" in asked[1]
    assert "has approved wave" in asked[2]
    assert asked[3].startswith("Completed: ")
    assert standing(careful, two_needed) == OPEN


def test_what_happened_meanwhile_ends_the_run(careful: Installation, asking: int, launch_day: datetime) -> None:
    async def scenario() -> list[str]:
        said = []
        async with get_client() as client:
            for happens in (change, decided_elsewhere, cancelled):
                run = await Asked.start(client, launch_day)
                assert (await run.run()).is_paused()
                happens()
                said.append(await run.says(await run.answer(**YES, at_most=1)))
                if happens is decided_elsewhere:
                    assert standing(careful, asking) == OPEN
                    with writing(careful.engine) as connection:
                        hold_again(connection, asking, why="once more", at=launch_day)
                    change_words(careful)
            said.append(await run.says(await (await Asked.start(client, launch_day)).run()))
        return said

    def change() -> None:
        change_words(careful)

    def decided_elsewhere() -> None:
        shown = asked_about(asking, launch_day).content_hash
        decide(asking, Decision.APPROVED, who="Grace", why="fine", shown=shown, as_of=launch_day)

    def cancelled() -> None:
        with writing(careful.engine) as connection:
            cancel_wave(connection, asking, who="ops", why="changed our minds", at=launch_day)

    changed, decided, over, again = asyncio.run(scenario())
    assert all(said.startswith("Completed: ") for said in (changed, decided, over, again))
    assert "has been changed since you were asked" in changed
    assert "asks for no approval: it is open" in decided
    assert "cancelled" in over
    assert "cancelled" in again


def test_a_wave_that_became_stale_while_it_waited_is_said_to_be(
    careful: Installation, asking: int, launch_day: datetime
) -> None:
    (said,) = played(launch_day + timedelta(days=30))
    assert said.startswith("Completed: ")
    assert "stale" in said


def test_a_wave_that_is_not_planned_yet_is_planned_first(careful: Installation, launch_day: datetime) -> None:
    asked, ended = played(launch_day, YES)
    assert str(REACHED) in asked
    assert ended.startswith("Completed: ")


def test_a_wave_that_needs_no_approval_is_said_to_need_none(company: Installation, launch_day: datetime) -> None:
    (said,) = played(launch_day)
    assert said.startswith("Completed: ")
    assert "asks for no approval: it is open" in said


@pytest.mark.parametrize(
    ("wave", "told"),
    [
        ("launch.announcement", "write it like"),
        ("announcement@2026-01-12", "write it like"),
        ("launch.announcement@2026-01-13", "has no wave"),
        ("launch.nothing@2026-01-12", "nothing"),
        ("launch.announcement@2025-12-01", "its day is over"),
    ],
)
def test_a_key_that_is_no_wave_fails_and_says_so(
    careful: Installation, launch_day: datetime, wave: str, told: str
) -> None:
    (said,) = played(launch_day, wave=wave)
    assert said.startswith("Failed: ")
    assert told in said


# ---- asking


async def runs_that_ask(client: PrefectClient) -> list[FlowRun]:
    named = FlowFilter(name=FlowFilterName(any_=["approval"]))
    return await client.read_flow_runs(flow_filter=named, sort=FlowRunSort.START_TIME_ASC, limit=200)


def test_one_question_is_asked_by_one_run_and_again_where_that_ended_unanswered(
    careful: Installation, asking: int, launch_day: datetime
) -> None:
    async def scenario() -> list[int]:
        many, early = [], (launch_day + timedelta(hours=1)).isoformat()
        async with get_client() as client:
            await deployed(client)
            before = len(await runs_that_ask(client))  # of other ledgers, whose waves had the same number
            for _ in range(2):
                await dispatch(as_of=early)
            many.append(len(await runs_that_ask(client)) - before)
            for _ in range(7):
                for run in await runs_that_ask(client):
                    await client.set_flow_run_state(run.id, Crashed(), force=True)
                await dispatch(as_of=early)
                many.append(len(await runs_that_ask(client)) - before)
            change_words(careful)
            await dispatch(as_of=early)
            many.append(len(await runs_that_ask(client)) - before)
            with writing(careful.engine) as connection:
                stem = f"approval-{ledger_name(connection)}-{asking}-0-"
            keys = [str(run.idempotency_key) for run in await runs_that_ask(client)]
            assert sum(key.startswith(stem) for key in keys) == many[-1]
        return many

    assert asyncio.run(scenario()) == [1, 2, 3, 4, 5, 5, 5, 5, 6]
    assert standing(careful, asking) == HELD


def test_what_was_decided_elsewhere_is_asked_by_no_run_any_more(
    careful: Installation, asking: int, launch_day: datetime
) -> None:
    async def scenario() -> tuple[bool, str]:
        early = (launch_day + timedelta(hours=1)).isoformat()
        async with get_client() as client:
            run = await Asked.start(client, launch_day)
            assert (await run.run()).is_paused()
            await dispatch(as_of=early)
            still_asks = (await run.seen()).state
            assert still_asks is not None
            shown = asked_about(asking, launch_day).content_hash
            decide(asking, Decision.APPROVED, who="Grace", why="fine", shown=shown, as_of=launch_day)
            for _ in range(5):  # a busy server may not take it at once: the next one tries again
                await dispatch(as_of=early)
                ended = (await run.seen()).state
                if ended is None or not ended.is_paused():
                    break
            return still_asks.is_paused(), await run.says(await run.run())

    still_asks, said = asyncio.run(scenario())
    assert still_asks
    assert said == f"Completed: wave {ANNOUNCEMENT} asks for no approval: it is open"


def test_without_the_deployment_the_command_line_stands(
    careful: Installation, asking: int, launch_day: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with get_client() as client:
            with suppress(ObjectNotFound):
                found = await client.read_deployment_by_name(APPROVAL)
                await client.delete_deployment(found.id)
        await dispatch(as_of=(launch_day + timedelta(hours=1)).isoformat())

    asyncio.run(scenario())
    assert "pushpull wave approve" in caplog.text
    assert standing(careful, asking) == HELD
