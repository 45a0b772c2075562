"""Workers die by SIGKILL at every point of the protocol and within the call, with each channel's real adapter.

The stand-in counts. Where the provider can be asked, nothing is lost and nothing comes twice; where it cannot, what is
unknown is parked and shown.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from pushpull.db import reading
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.drain import Step
from pushpull.ledger.reconcile import Patience, Reconciled, parked, reap, reconcile
from pushpull.ledger.vocabulary import DeliveryState
from tests.faults import doomed
from tests.faults.recruits import a_wave_for
from tests.ledger.builders import NOON, states_of, time_passes
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.variables import variables

#: The provider that takes a channel's messages, and what the request that carries them looks like.
PROVIDERS = {
    Channel.EMAIL: ("sendgrid", "/mail/send$"),
    Channel.SMS: ("twilio", "/Messages.json$"),
    Channel.TEAMS: ("bot", "/activities$"),
    Channel.SLACK: ("slack", "chat.postMessage$"),
}
MODULES = {channel: f"channels.{channel.value}" for channel in Channel}
CHANNELS = [pytest.param(channel, id=channel.value) for channel in PROVIDERS]

# Forked from a clean server that has read the code once: a fresh process in a hundredth of a second.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    [
        "__main__",
        "tests.faults.doomed",
        *MODULES.values(),
    ]
)


@pytest.fixture
def post(sqlite_engine: Engine, standin: StandIn) -> Callable[..., doomed.Post]:
    def made(wave_id: int, channel: Channel, **fields: Any) -> doomed.Post:
        return doomed.Post(
            database=sqlite_engine.url.render_as_string(hide_password=False),
            wave_ids=[wave_id],
            channel=channel,
            variables=variables(standin),
            now=NOON,
            **fields,
        )

    return made


def _started(post: doomed.Post, **fate: Any) -> Any:
    process = _processes.Process(target=doomed.work, args=(post,), kwargs=fate)
    process.start()
    return process


def _dies(process: Any) -> None:
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, f"it should have died, and ended with {process.exitcode}"


def _finishes(post: doomed.Post) -> None:
    process = _started(post)
    process.join(60)
    assert process.exitcode == 0


def _reconciled(engine: Engine, post: doomed.Post) -> Reconciled:
    """An hour later: the silent are reaped, and the provider is asked, where it can tell."""
    time_passes(engine, timedelta(hours=1))
    reap(engine)
    adapter = doomed.adapter_of(post.channel, post.variables)
    return reconcile(engine, lambda _channel, asked: adapter.look_up(asked), now=NOON, patience=Patience())


def _taken(standin: StandIn, channel: Channel) -> Counter[str]:
    return Counter(message.delivery_id for message in standin.provider(PROVIDERS[channel][0]).taken())


def _comes_out_right(engine: Engine, standin: StandIn, post: doomed.Post, everybody: set[str], *, unknown: int) -> None:
    """After recovery: everybody was sent to once, but for those nobody can tell of, who are parked and shown."""
    (wave_id,) = post.wave_ids
    can_tell = doomed.adapter_of(post.channel, post.variables).can_look_up
    _reconciled(engine, post)
    _finishes(post)
    taken = _taken(standin, post.channel)
    assert set(taken.values()) <= {1}, "somebody got it twice"
    states = {f"{wave_id}-0-{learner_id}": state for learner_id, (state, _) in states_of(engine, wave_id).items()}
    accepted = {each for each, state in states.items() if state == DeliveryState.ACCEPTED}
    if can_tell:
        assert accepted == everybody == set(taken)
        return
    with reading(engine) as connection:
        shown = {each.delivery_id for each in parked(connection)}
    assert everybody == accepted | shown
    assert len(shown) == unknown
    assert accepted <= set(taken) <= everybody


#: How many of a batch of eight, in handovers of four, nobody knows the outcome of when a worker dies there.
UNKNOWN = {
    Step.INTENDED: 8,
    doomed.BEFORE_THE_CALL: 8,
    doomed.AFTER_THE_CALL: 8,
    Step.CALLED: 8,
    Step.RECORDED: 4,
}


@pytest.mark.parametrize("point", doomed.POINTS, ids=[str(point).replace(" ", "-") for point in doomed.POINTS])
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_worker_killed_between_any_two_steps(
    sqlite_engine: Engine, standin: StandIn, post: Callable[..., doomed.Post], channel: Channel, point: str
) -> None:
    wave_id, everybody = a_wave_for(sqlite_engine, 12, channel)
    mine = post(wave_id, channel)
    _dies(_started(mine, dies_at=str(point)))
    _comes_out_right(sqlite_engine, standin, mine, everybody, unknown=UNKNOWN.get(point, 0))
    assert standin.violations == []


@pytest.mark.parametrize("fault", [Fault.HANG_UNPROCESSED, Fault.HANG_PROCESSED])
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_worker_killed_within_the_call(
    sqlite_engine: Engine, standin: StandIn, post: Callable[..., doomed.Post], channel: Channel, fault: Fault
) -> None:
    provider, path = PROVIDERS[channel]
    wave_id, everybody = a_wave_for(sqlite_engine, 12, channel)
    mine = post(wave_id, channel)
    standin.fault(fault, provider=provider, method="POST", path=path)
    process = _started(mine)
    for _ in range(1000):
        if any(each.fault is fault for each in standin.exchanges(provider)):
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    _dies(process)
    _comes_out_right(sqlite_engine, standin, mine, everybody, unknown=8)
    assert standin.violations == []


@pytest.mark.parametrize("channel", CHANNELS)
def test_workers_that_are_killed_again_and_again_get_there(
    sqlite_engine: Engine, standin: StandIn, post: Callable[..., doomed.Post], channel: Channel
) -> None:
    wave_id, everybody = a_wave_for(sqlite_engine, 24, channel)
    mine = post(wave_id, channel, batch_size=4, request_size=2)
    deaths = 0
    for point in doomed.POINTS:
        process = _started(mine, dies_at=str(point))
        process.join(60)
        deaths += process.exitcode == -signal.SIGKILL
        _reconciled(sqlite_engine, mine)
    assert deaths >= 5
    _finishes(mine)
    taken = _taken(standin, channel)
    assert set(taken.values()) == {1}
    if doomed.adapter_of(channel, mine.variables).can_look_up:
        assert set(taken) == everybody
