"""Prefect dies, comes back, forgets and repeats itself: nobody gets a message twice, and nobody goes without.

Real server, workers, PostgreSQL; the stand-in counts what arrived. Sending is slowed down, so that what dies dies in
the middle of a wave.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from flows.launch import launch
from pushpull.ledger.vocabulary import DeliveryState
from pushpull.settings import Settings
from tasks.installation import assemble, installed
from tests import postgres
from tests.orchestra.counting import arrivals, how_many, missing_and_doubled
from tests.orchestra.fixtures import Play, Playing
from tests.orchestra.processes import kill_run, until
from tests.orchestra.surroundings import CAMPAIGN
from tests.standin.faults import Fault

pytestmark = [
    pytest.mark.prefect,
    pytest.mark.xdist_group("stack"),
    pytest.mark.timeout(900),  # upper bound for a busy machine
]

PEOPLE = 150
#: A batch is of four times as many e-mails; each request's answer takes its time, and whoever dies, dies within a call.
SMALL_BATCHES = {"batch_size": 5}
SECONDS_TO_ANSWER = 0.7


@pytest.fixture
def playing(play: Play) -> Playing:
    """A launch wave by e-mail that is planned and due, and a server."""
    here = play(PEOPLE, channels=["email"], settings=SMALL_BATCHES)
    slowly(here)
    plan(here)
    return here


def slowly(here: Playing) -> None:
    """Let the provider take its time to answer."""
    here.standin.fault(Fault.DRIP_BODY, times=None, provider="sendgrid", path="mail/send$", seconds=SECONDS_TO_ANSWER)


def plan(here: Playing) -> None:
    """Plan the launch wave of the day, without Prefect."""
    given = {
        name.removeprefix("PUSHPULL_").lower(): value
        for name, value in here.stack.environment.items()
        if name.startswith("PUSHPULL_")
    }
    with installed(assemble(Settings(_env_file=None, **given))) as installation:
        asyncio.run(launch.fn(campaign=CAMPAIGN))
        installation.engine.dispose()


def wanted(here: Playing) -> int:
    """How many learners are to get a message."""
    return how_many(here.engine) - how_many(here.engine, DeliveryState.SKIPPED)


def dispatch_under_way(here: Playing) -> str:
    """Press "Run" on dispatch, and wait until the first messages have left.

    Returns:
        The run's id.
    """
    run_id = here.stack.api.start("dispatch")
    until("the first messages have left", lambda: arrivals(here.standin))
    assert arrivals(here.standin) < wanted(here)
    return run_id


def dispatched_to_the_end(here: Playing, *, seconds: float = 240) -> None:
    """Dispatch again and again, as the schedule does, until nothing is open."""
    give_up = time.monotonic() + seconds
    while missing_and_doubled(here.engine, here.standin).open:
        assert time.monotonic() < give_up, missing_and_doubled(here.engine, here.standin)
        here.stack.api.finished(here.stack.api.start("dispatch"))


def everybody_got_one(here: Playing) -> None:
    """What matters."""
    count = missing_and_doubled(here.engine, here.standin)
    assert count.is_exact(), count
    assert count.arrived == wanted(here) > PEOPLE / 2
    assert sum(count.states.values()) == here.people
    assert here.standin.violations == []


def test_a_server_that_is_killed_and_comes_back_changes_nothing(playing: Playing) -> None:
    stack = playing.stack
    stack.start_worker()
    dispatch = dispatch_under_way(playing)
    stack.kill_server()
    before = arrivals(playing.standin)
    until("sends go on without a server", lambda: arrivals(playing.standin) > before)
    stack.start_server()
    until("they go on to their end", lambda: arrivals(playing.standin) == wanted(playing))
    stack.api.finished(dispatch)
    dispatched_to_the_end(playing)
    stack.api.finished(stack.api.start("dispatch"))
    everybody_got_one(playing)


@pytest.mark.soak
def test_a_run_that_cannot_tell_of_its_end_is_found_done_when_it_is_run_again(playing: Playing) -> None:
    stack = playing.stack
    worker = stack.start_worker()
    dispatch = dispatch_under_way(playing)
    stack.kill_server()
    until("all is sent", lambda: not missing_and_doubled(playing.engine, playing.standin).open)
    worker.kill_with_all_it_started()  # or it tells the server, as soon as that is back, that the run has crashed
    stack.start_server()
    assert stack.api.state(dispatch) == "RUNNING"  # for ever, and everything was sent
    stack.start_worker("another-worker")
    stack.let_slots_run_out()
    stack.api.retry(dispatch)
    stack.api.finished(dispatch)
    stack.api.finished(stack.api.start("dispatch"))
    everybody_got_one(playing)


def test_a_flow_that_is_killed_mid_wave_is_finished_by_the_next_dispatch(playing: Playing) -> None:
    stack = playing.stack
    stack.start_worker()
    dispatch = dispatch_under_way(playing)
    kill_run(dispatch)
    assert stack.api.wait_for_end(dispatch) == "CRASHED"
    assert arrivals(playing.standin) < wanted(playing)
    dispatched_to_the_end(playing)
    everybody_got_one(playing)


@pytest.mark.soak
def test_when_a_worker_is_killed_with_its_flows_another_one_finishes(playing: Playing) -> None:
    stack = playing.stack
    worker = stack.start_worker()
    dispatch = dispatch_under_way(playing)
    worker.kill_with_all_it_started()
    assert arrivals(playing.standin) < wanted(playing)
    stack.start_worker("another-worker")
    assert stack.api.state(dispatch) == "RUNNING"
    stack.api.set_state(dispatch, "CRASHED")  # what the automation for runs that fell silent does; the slot is free
    dispatched_to_the_end(playing)
    everybody_got_one(playing)


@pytest.mark.soak
def test_a_worker_that_is_asked_to_end_finishes_what_it_has_begun(playing: Playing) -> None:
    stack = playing.stack
    worker = stack.start_worker()
    dispatch = dispatch_under_way(playing)
    worker.ask_to_end()
    stack.api.finished(dispatch)
    until("the worker has ended", lambda: not worker.is_running)
    waiting = stack.api.start("dispatch")
    stack.start_worker("another-worker")
    stack.api.finished(waiting)
    dispatched_to_the_end(playing)
    everybody_got_one(playing)


@pytest.mark.soak
def test_a_wave_that_is_scheduled_twice_is_planned_and_sent_once(play: Play) -> None:
    playing = play(PEOPLE, channels=["email"], settings=SMALL_BATCHES)
    slowly(playing)
    stack = playing.stack
    stack.start_worker()
    stack.start_worker("another-worker")
    stack.lift_limits("launch", "dispatch")
    instant = datetime.now(UTC) + timedelta(seconds=3)
    plans = [stack.api.start("launch", {"campaign": CAMPAIGN}, at=instant) for _ in range(2)]
    stack.api.finished(*plans)
    sends = [stack.api.start("dispatch") for _ in range(2)]
    until("both send", lambda: [stack.api.state(each) for each in sends] == ["RUNNING", "RUNNING"])
    stack.api.finished(*sends)
    dispatched_to_the_end(playing)
    everybody_got_one(playing)


@pytest.mark.soak
def test_retry_and_run_pressed_five_times_send_nothing_again(playing: Playing) -> None:
    stack = playing.stack
    stack.start_worker()
    first = dispatch_under_way(playing)
    others = [stack.api.start("dispatch") for _ in range(5)]
    stack.api.finished(first)
    for _ in range(5):
        stack.api.retry(first)
    stack.api.finished(first, *others)
    assert stack.api.run(first)["run_count"] > 1
    dispatched_to_the_end(playing)
    everybody_got_one(playing)


@pytest.mark.soak
def test_a_zombie_holds_its_slot_for_five_minutes_and_no_longer(playing: Playing) -> None:
    stack = playing.stack
    zombie_of = stack.start_worker()
    zombie = dispatch_under_way(playing)
    zombie_of.kill_with_all_it_started()
    stack.start_worker("another-worker")
    following = stack.api.start("dispatch")
    until("the next one waits in sight", lambda: stack.api.run(following)["state_name"] == "AwaitingConcurrencySlot")
    sent = arrivals(playing.standin)
    stack.let_slots_run_out()
    stack.api.finished(following)
    assert arrivals(playing.standin) > sent
    assert stack.api.state(zombie) == "RUNNING"
    dispatched_to_the_end(playing)
    everybody_got_one(playing)


@pytest.mark.soak
def test_when_prefect_forgets_everything_nothing_is_sent_again_and_approvals_are_asked_for_again(
    play: Play, prefect_database: str, deployed_prefect: str
) -> None:
    playing = play(PEOPLE, channels=["email"], settings=SMALL_BATCHES, approval_above=PEOPLE // 3)
    slowly(playing)
    stack = playing.stack
    stack.start_worker()
    stack.api.finished(stack.api.start("launch", {"campaign": CAMPAIGN}))
    asked = an_approval_waits(playing)
    forget_everything(playing, prefect_database, deployed_prefect)
    assert stack.api.runs() == []
    stack.start_worker("second-worker")
    stack.api.finished(stack.api.start("dispatch"))
    asked_again = an_approval_waits(playing)
    assert asked_again != asked
    assert arrivals(playing.standin) == 0
    answer = {"decision": "approve", "your_name": "Grace", "reason": "looks right"}
    assert stack.api.resume(asked_again, answer)
    until("the first messages have left", lambda: arrivals(playing.standin))
    forget_everything(playing, prefect_database, deployed_prefect)
    assert 0 < arrivals(playing.standin) < wanted(playing)
    stack.start_worker("third-worker")
    dispatched_to_the_end(playing)
    everybody_got_one(playing)
    assert stack.api.runs("approval") == []


def an_approval_waits(here: Playing) -> str:
    """The run that asks a person about the wave."""
    (run,) = until("a person is asked", lambda: here.stack.api.runs("approval", "PAUSED"))
    return str(run["id"])


def forget_everything(here: Playing, prefect_database: str, deployed_prefect: str) -> None:
    """Kill everything of Prefect, and give it a new database in which all is deployed and nothing ever ran."""
    here.stack.kill_everything()
    postgres.wipe(prefect_database, template=deployed_prefect)
    here.stack.start_server()
