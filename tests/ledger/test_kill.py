"""Workers die by SIGKILL at every point of the protocol; nobody gets a message twice and nobody is forgotten."""

from __future__ import annotations

import multiprocessing
import signal
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from pushpull.db import writing
from pushpull.ledger.reconcile import Patience, Reconciled, reap, reconcile
from pushpull.ledger.results import close_finished, wave_results
from pushpull.ledger.vocabulary import DeliveryState, MessageClass, Reason
from tests.ledger import doomed
from tests.ledger.builders import NOON, a_campaign, a_wave, learners, planned, rows_of, states_of, time_passes

PATIENCE = Patience()

# Forked from a clean server that has read the code once: a fresh process in a hundredth of a second.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["__main__", "tests.ledger.doomed"])


def _url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def _run(engine: Engine, wave_id: int, path: Path, **fate: Any) -> Any:
    process = _processes.Process(target=doomed.work, args=(_url(engine), wave_id, path, NOON), kwargs=fate)
    process.start()
    return process


def _dies(engine: Engine, wave_id: int, path: Path, point: str, *, at_visit: int) -> None:
    process = _run(engine, wave_id, path, dies_at=str(point), at_visit=at_visit)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, f"it should have died at {point}, and ended with {process.exitcode}"


def _wave(engine: Engine, number: int, **fields: Any) -> tuple[int, set[str]]:
    with writing(engine) as connection:
        a_campaign(connection, message_class=fields.get("message_class", MessageClass.NUDGE))
        people = learners(connection, number)
    wave_id = planned(engine, a_wave(**fields))
    return wave_id, {f"{wave_id}-0-{learner_id}" for learner_id in people}


def _reconciled(engine: Engine, path: Path | None) -> Reconciled:
    """An hour later: the silent are reaped, and the provider is asked, where it can tell."""
    time_passes(engine, timedelta(hours=1))
    reap(engine)
    ask = (lambda _channel, asked: doomed.look_up(path, asked)) if path else (lambda _channel, _asked: [])
    return reconcile(engine, ask, now=NOON, patience=PATIENCE)


@pytest.mark.parametrize("point", doomed.POINTS, ids=[str(point).replace(" ", "-") for point in doomed.POINTS])
def test_a_worker_killed_anywhere_loses_nothing_and_sends_nothing_twice(
    engine: Engine, tmp_path: Path, point: str
) -> None:
    wave_id, everybody = _wave(engine, 20)
    sink = tmp_path / "provider"
    _dies(engine, wave_id, sink, point, at_visit=2)  # in the middle: some are through, some not begun
    _reconciled(engine, sink)
    doomed.work(_url(engine), wave_id, sink, NOON)
    assert doomed.received(sink) == dict.fromkeys(everybody, 1)
    assert {state for state, _ in states_of(engine, wave_id).values()} == {DeliveryState.ACCEPTED}
    with writing(engine) as connection:
        assert close_finished(connection, now=NOON) == 1
        (became,) = wave_results(connection)
    assert became.sentence() == "accepted 20, skipped 0"


def test_workers_that_are_killed_again_and_again_get_there(engine: Engine, tmp_path: Path) -> None:
    wave_id, everybody = _wave(engine, 20)
    sink = tmp_path / "provider"
    for point in doomed.POINTS:
        _dies(engine, wave_id, sink, point, at_visit=1)
        _reconciled(engine, sink)
        if sum(doomed.received(sink).values()) > 12:
            break
    doomed.work(_url(engine), wave_id, sink, NOON)
    assert doomed.received(sink) == dict.fromkeys(everybody, 1)


@pytest.mark.parametrize("point", [doomed.BEFORE_THE_WRITE, doomed.IN_MID_WRITE, doomed.AFTER_THE_WRITE])
def test_a_nudge_without_evidence_is_parked_and_counted(engine: Engine, tmp_path: Path, point: str) -> None:
    wave_id, _ = _wave(engine, 6)
    sink = tmp_path / "provider"
    _dies(engine, wave_id, sink, point, at_visit=1)
    result = _reconciled(engine, None)
    assert result.parked == 6, "the whole batch: its two handovers were committed together"
    doomed.work(_url(engine), wave_id, sink, NOON)
    assert set(doomed.received(sink).values()) <= {1}
    assert set(states_of(engine, wave_id).values()) == {(DeliveryState.PARKED, Reason.NO_EVIDENCE)}
    with writing(engine) as connection:
        (became,) = wave_results(connection)
    assert became.sentence() == "accepted 0, skipped 0, parked 6"
    assert became.is_finished


@pytest.mark.parametrize("point", [doomed.BEFORE_THE_WRITE, doomed.AFTER_THE_WRITE])
def test_an_obligation_without_evidence_is_repeated_once_and_marked(engine: Engine, tmp_path: Path, point: str) -> None:
    wave_id, everybody = _wave(engine, 4, message_class=MessageClass.MANDATORY)
    sink = tmp_path / "provider"
    _dies(engine, wave_id, sink, point, at_visit=1)
    assert _reconciled(engine, None).planned == 4
    doomed.work(_url(engine), wave_id, sink, NOON)
    assert doomed.received(sink) == dict.fromkeys(everybody, 1 if point == doomed.BEFORE_THE_WRITE else 2)
    assert {row.reason for row in rows_of(engine, wave_id).values()} == {Reason.POSSIBLE_DUPLICATE}
    assert {row.attempt for row in rows_of(engine, wave_id).values()} == {2}


def test_an_obligation_is_not_repeated_a_second_time(engine: Engine, tmp_path: Path) -> None:
    wave_id, everybody = _wave(engine, 4, message_class=MessageClass.MANDATORY)
    sink = tmp_path / "provider"
    for expected in ({"planned": 4}, {"parked": 4}):
        _dies(engine, wave_id, sink, doomed.AFTER_THE_WRITE, at_visit=1)
        assert _reconciled(engine, None) == Reconciled(**expected)
    doomed.work(_url(engine), wave_id, sink, NOON)
    assert doomed.received(sink) == dict.fromkeys(everybody, 2)


def test_two_workers_on_the_same_wave_send_everything_once(engine: Engine, tmp_path: Path) -> None:
    wave_id, everybody = _wave(engine, 120)
    sink = tmp_path / "provider"
    workers = [_run(engine, wave_id, sink) for _ in range(2)]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    doomed.work(_url(engine), wave_id, sink, NOON)  # what one had locked while the other looked
    assert doomed.received(sink) == dict.fromkeys(everybody, 1)
    assert {state for state, _ in states_of(engine, wave_id).values()} == {DeliveryState.ACCEPTED}


def test_what_one_worker_left_behind_does_not_stop_the_next(engine: Engine, tmp_path: Path) -> None:
    wave_id, everybody = _wave(engine, 20)
    sink = tmp_path / "provider"
    _dies(engine, wave_id, sink, doomed.BEFORE_THE_WRITE, at_visit=1)
    assert doomed.work(_url(engine), wave_id, sink, NOON).accepted == 12, "all but the batch of the dead"
    assert set(doomed.received(sink).values()) == {1}
    too_early = reap(engine)
    assert (too_early.put_back, too_early.uncertain) == (0, 0), "its lease still holds"
    reconciled = partial(_reconciled, engine, sink)
    assert reconciled() == Reconciled(planned=8)
    assert reconciled() == Reconciled()
    doomed.work(_url(engine), wave_id, sink, NOON)
    assert doomed.received(sink) == dict.fromkeys(everybody, 1)
