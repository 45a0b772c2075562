"""Helpers of a large wave, as plain functions: whenever they come, however often, nothing is sent twice."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from flows.dispatch import dispatch
from flows.launch import launch
from flows.shard import shard
from pushpull.db import reading, writing
from pushpull.ledger.campaigns import hold_wave
from pushpull.ledger.tables import wave
from pushpull.ledger.vocabulary import HoldReason
from tasks.installation import Installation
from tests.flows.conftest import CAMPAIGN
from tests.flows.test_stages import ACCEPTED, count, messages_in_the_outbox

NINE = timedelta(hours=9)


@pytest.fixture
def wave_id(company: Installation, launch_day: datetime) -> int:
    """A planned wave, due at nine."""
    asyncio.run(launch.fn(campaign=CAMPAIGN, as_of=launch_day.isoformat()))
    with reading(company.engine) as connection:
        return int(connection.execute(select(wave.c.id)).scalar_one())


def send(flow: Any, at: datetime, **parameters: Any) -> Any:
    return asyncio.run(flow.fn(as_of=at.isoformat(), **parameters))


def test_a_helper_finishes_what_dispatch_left(company: Installation, launch_day: datetime, wave_id: int) -> None:
    """Dispatch was killed after starting it: one helper does its own part and then all the others'."""
    (result,) = send(shard, launch_day + NINE, wave_id=wave_id, part=3, parts=4)
    assert result.accepted == count(company, ACCEPTED) == messages_in_the_outbox(company) > 10
    assert send(dispatch, launch_day + NINE) == []


def test_a_helper_that_comes_late_finds_nothing_and_ends(
    company: Installation, launch_day: datetime, wave_id: int
) -> None:
    send(dispatch, launch_day + NINE)
    sent = messages_in_the_outbox(company)
    assert send(shard, launch_day + NINE, wave_id=wave_id) == []
    assert messages_in_the_outbox(company) == count(company, ACCEPTED) == sent > 0


def test_a_helper_for_no_wave_at_all_ends(company: Installation, launch_day: datetime) -> None:
    assert send(shard, launch_day + NINE, wave_id=4711) == []
    assert count(company) == 0


def test_helpers_of_a_wave_that_is_held_by_then_send_nothing(
    company: Installation, launch_day: datetime, wave_id: int
) -> None:
    with writing(company.engine) as connection:
        hold_wave(connection, wave_id, HoldReason.MISFIRE, why="a person asked", at=launch_day)
    assert send(shard, launch_day + NINE, wave_id=wave_id) == []
    assert messages_in_the_outbox(company) == 0


def test_helpers_and_dispatch_at_the_same_time_send_nothing_twice(
    company: Installation, launch_day: datetime, wave_id: int
) -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(send, dispatch, launch_day + NINE)]
        # One of them twice, as a person presses "Retry" on it.
        runs += [pool.submit(send, shard, launch_day + NINE, wave_id=wave_id, part=part, parts=3) for part in (1, 2, 2)]
        for each in runs:
            each.result()
    assert messages_in_the_outbox(company) == count(company, ACCEPTED) > 10
    assert send(dispatch, launch_day + NINE) == []


def test_a_helper_fails_where_its_wave_cannot_be_sent_and_leaves_it_to_others(
    company: Installation, launch_day: datetime, wave_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: Any, **_more: Any) -> Any:
        raise RuntimeError("no connection")

    with monkeypatch.context() as patched:
        patched.setattr("tasks.deliver.drain", broken)
        with pytest.raises(RuntimeError, match="no connection"):
            send(shard, launch_day + NINE, wave_id=wave_id)
    send(dispatch, launch_day + NINE)
    assert messages_in_the_outbox(company) == count(company, ACCEPTED) > 10
