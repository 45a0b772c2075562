"""What ops see and are told of runs: a page for every wave, and each event once, whoever caused it."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from sqlalchemy import Engine, func, select, update

from flows.dispatch import dispatch
from flows.launch import launch
from flows.sync import sync
from pushpull.db import reading, writing
from pushpull.ledger.campaigns import hold_campaign, pause_channel, pause_wave, resume_channel, wave_id_of
from pushpull.ledger.tables import delivery
from pushpull.ledger.vocabulary import DeliveryState
from tasks import publish
from tasks.installation import Installation
from tests.flows.conftest import CAMPAIGN, PEOPLE

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("runs"), pytest.mark.usefixtures("prefect")]

ANNOUNCEMENT = "launch.announcement@2026-01-12"
PAGE = "wave-two-minutes-a-day-launch-announcement-2026-01-12"


@pytest.fixture
def engine(sqlite_engine: Engine) -> Engine:
    """What is told does not depend on the ledger's database: one is enough."""
    return sqlite_engine


@pytest.fixture
def since() -> datetime:
    """All tests of this module share one Prefect: what is older belongs to another."""
    return datetime.now(UTC)


async def events(since: datetime, expected: int) -> list[dict[str, Any]]:
    """Our events, the oldest first, once there are as many as expected; they arrive a moment later."""
    wanted = {"event": {"prefix": ["pushpull."]}, "occurred": {"since": since.isoformat()}, "order": "ASC"}
    found: list[dict[str, Any]] = []
    async with get_client() as client:
        for _ in range(60):
            answer = await client.request("POST", "/events/filter", json={"filter": wanted, "limit": 50})
            found = answer.json()["events"]
            if len(found) >= expected:
                break
            await asyncio.sleep(0.2)
    return found


async def pages(since: datetime) -> list[dict[str, Any]]:
    async with get_client() as client:
        wanted = {"artifacts": {"key": {"any_": [PAGE]}}, "sort": "CREATED_DESC"}
        found = (await client.request("POST", "/artifacts/filter", json=wanted)).json()
    return [each for each in found if datetime.fromisoformat(each["created"]) >= since]


def names(found: list[dict[str, Any]]) -> Counter[str]:
    return Counter(each["event"].removeprefix("pushpull.") for each in found)


def test_a_wave_is_told_from_its_plan_to_its_end_and_each_thing_once(
    company: Installation, launch_day: datetime, since: datetime
) -> None:
    async def scenario() -> list[dict[str, Any]]:
        await launch(campaign=CAMPAIGN, as_of=launch_day.isoformat())
        for hour in (9, 15, 16, 17):
            await dispatch(as_of=(launch_day + timedelta(hours=hour)).isoformat())
        await sync(as_of=(launch_day + timedelta(hours=18)).isoformat())
        await asyncio.sleep(1)
        return await events(since, 3)

    found = asyncio.run(scenario())
    assert names(found) == {"wave.planned": 1, "wave.dispatched": 1, "wave.finished": 1}
    planned, dispatched, finished = (each["payload"] for each in found)
    assert planned["audience"] == dispatched["audience"] == finished["audience"] == PEOPLE
    assert 0 < dispatched["accepted"] < finished["accepted"]
    assert finished["accepted"] + finished["skipped"] == PEOPLE
    assert {each["resource"]["prefect.resource.name"] for each in found} == {ANNOUNCEMENT}


def test_a_wave_has_one_page_that_is_written_anew_when_its_numbers_are_others(
    company: Installation, launch_day: datetime, since: datetime
) -> None:
    async def scenario() -> list[int]:
        await launch(campaign=CAMPAIGN, as_of=launch_day.isoformat())
        many = []
        for at in (9, 15, 15.2):
            await dispatch(as_of=(launch_day + timedelta(hours=at)).isoformat())
            many.append(len(await pages(since)))
        await sync(as_of=(launch_day + timedelta(hours=16)).isoformat())
        many.append(len(await pages(since)))
        with writing(company.engine) as connection:  # a provider says that they arrived, long after
            accepted = delivery.c.state == DeliveryState.ACCEPTED.value
            connection.execute(update(delivery).where(accepted).values(state=DeliveryState.DELIVERED.value))
        await sync(as_of=(launch_day + timedelta(hours=17)).isoformat())
        many.append(len(await pages(since)))
        return many

    assert asyncio.run(scenario()) == [1, 2, 2, 2, 3]
    page = asyncio.run(pages(since))[0]
    assert "sent and delivered" in page["data"]
    assert "It is finished." in page["data"]


def test_the_table_of_questions_is_emptied_once_when_all_are_answered(
    company: Installation, launch_day: datetime, since: datetime
) -> None:
    at = launch_day + timedelta(hours=9)

    async def tables() -> list[str]:
        async with get_client() as client:
            wanted = {"artifacts": {"key": {"any_": ["waits-for-a-person"]}}, "sort": "CREATED_DESC"}
            found = (await client.request("POST", "/artifacts/filter", json=wanted)).json()
        return [each["data"] for each in found if datetime.fromisoformat(each["created"]) >= since]

    async def scenario() -> list[str]:
        await dispatch(as_of=at.isoformat())
        with writing(company.engine) as connection:
            pause_channel(connection, "email", reason="the key was revoked", at=at)
        await dispatch(as_of=at.isoformat())
        with writing(company.engine) as connection:
            resume_channel(connection, "email")
        await dispatch(as_of=at.isoformat())
        await dispatch(as_of=at.isoformat())
        return await tables()

    emptied, asked = asyncio.run(scenario())
    assert "channel email" in asked
    assert "all is answered" in emptied
    assert "email" not in emptied


def test_stops_made_elsewhere_are_told_by_the_next_run_once(
    company: Installation, launch_day: datetime, since: datetime
) -> None:
    at = launch_day + timedelta(hours=9)

    async def scenario() -> list[dict[str, Any]]:
        await launch(campaign=CAMPAIGN, as_of=launch_day.isoformat())
        with writing(company.engine) as connection:  # a callback and a command, say
            pause_channel(connection, "email", reason="the key was revoked", at=at)
            wave_id = wave_id_of(connection, CAMPAIGN, ANNOUNCEMENT)
            pause_wave(connection, wave_id, who="ada", why="Given1 complained", at=at)
            hold_campaign(connection, CAMPAIGN, why="opt-outs: 7 for 120", at=at)
        await sync(as_of=at.isoformat())
        await dispatch(as_of=at.isoformat())
        await sync(as_of=at.isoformat())
        await asyncio.sleep(1)
        return await events(since, 4)

    found = asyncio.run(scenario())
    assert names(found) == {"wave.planned": 1, "wave.stopped": 1, "campaign.stopped": 1, "channel.stopped": 1}
    assert "Given1" not in repr(found)
    (campaign,) = [each for each in found if each["event"] == "pushpull.campaign.stopped"]
    assert campaign["payload"] == {"campaign": CAMPAIGN, "why": "opt-outs: 7 for 120"}


def test_two_runs_at_once_tell_a_thing_once(company: Installation, launch_day: datetime, since: datetime) -> None:
    async def scenario() -> list[dict[str, Any]]:
        await launch(campaign=CAMPAIGN, as_of=launch_day.isoformat())
        with writing(company.engine) as connection:
            pause_channel(connection, "email", reason="the key was revoked", at=launch_day)
        at = (launch_day + timedelta(hours=9)).isoformat()
        await asyncio.gather(sync(as_of=at), sync(as_of=at), sync(as_of=at))
        await asyncio.sleep(1)
        return await events(since, 2)

    assert names(asyncio.run(scenario())) == {"wave.planned": 1, "channel.stopped": 1}


def test_a_late_wave_asks_a_person_once_and_says_so(
    company: Installation, launch_day: datetime, since: datetime
) -> None:
    late = launch_day + timedelta(hours=14)

    async def scenario() -> list[dict[str, Any]]:
        await launch(campaign=CAMPAIGN, as_of=launch_day.isoformat())
        await dispatch(as_of=late.isoformat())
        await dispatch(as_of=(late + timedelta(minutes=10)).isoformat())
        await asyncio.sleep(1)
        return await events(since, 3)

    found = asyncio.run(scenario())
    assert names(found) == {"wave.planned": 1, "wave.held": 1, "person.needed": 1}
    held, needed = (each["payload"] for each in found[1:])
    assert held["reason"] == "misfire"
    assert (needed["waits"], needed["first"]) == (1, f"wave {ANNOUNCEMENT}")


def test_a_run_that_prefect_cannot_be_told_about_sends_all_the_same_and_a_later_one_shows_it(
    company: Installation, launch_day: datetime, since: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no server")

    for name in ("create_markdown_artifact", "create_table_artifact"):
        monkeypatch.setattr(publish, name, refuse)
    monkeypatch.setattr("tasks.events.emit_event", refuse)

    async def scenario() -> None:
        await launch(campaign=CAMPAIGN, as_of=launch_day.isoformat())
        state = await dispatch(as_of=(launch_day + timedelta(hours=9)).isoformat(), return_state=True)
        assert state.is_completed()

    asyncio.run(scenario())
    with reading(company.engine) as connection:
        accepted = select(func.count()).where(delivery.c.state == DeliveryState.ACCEPTED.value)
        assert connection.execute(accepted).scalar_one() > 0
    assert asyncio.run(pages(since)) == []
    monkeypatch.undo()
    asyncio.run(sync(as_of=(launch_day + timedelta(hours=10)).isoformat()))
    assert len(asyncio.run(pages(since))) == 1
