"""Processes that end with all below them, however they are asked to, and a guard for when nobody is left to ask."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments import guard, processes, serve
from deployments.orchestration import encryption_key
from deployments.processes import EndedError, Service

#: Starts another one in a session of its own, as a worker does with flow runs; neither ends when it is asked to.
_STUBBORN = """
import signal, subprocess, sys, time
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
signal.signal(signal.SIGTERM, signal.SIG_IGN)
ignoring = deaf + "print('here', flush=True); time.sleep(600)"
below = subprocess.Popen([sys.executable, "-c", ignoring], start_new_session=True)
print(below.pid, flush=True)
time.sleep(600)
"""


def _start(code: str, tmp_path: Path, name: str = "it") -> Service:
    return processes.start(name, [sys.executable, "-c", code], dict(os.environ), log=tmp_path / f"{name}.log")


def _until(look: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not look():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def _stubborn(tmp_path: Path) -> tuple[Service, set[int]]:
    service = _start(_STUBBORN, tmp_path)
    assert service.log is not None
    _until(lambda: "here" in service.last_lines)
    groups = processes.groups_below([service.process.pid])
    assert len(groups) == 2
    return service, groups


def test_what_does_not_want_to_end_ends_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_SECONDS_TO_STOP", 0.5)
    monkeypatch.setattr(processes, "_SECONDS_LEFT_OVER", 0.5)
    service, groups = _stubborn(tmp_path)
    processes.stop([service])
    assert not [each for each in groups if processes.is_alive(each)]


def test_what_is_left_of_one_that_has_gone_ends_too(tmp_path: Path) -> None:
    service, groups = _stubborn(tmp_path)
    try:
        processes.end_groups(groups, seconds=0.2)
        service.process.poll()  # nobody else reaps it
        _until(lambda: not [each for each in groups if processes.is_alive(each)])
    finally:
        service.process.wait()


def test_one_that_ends_by_itself_is_named_with_its_last_words(tmp_path: Path) -> None:
    code = "print('\\n'.join(f'line {n}' for n in range(50))); raise SystemExit('out of luck')"
    service = _start(code, tmp_path, "the lottery")
    other = _start("import time; time.sleep(600)", tmp_path)
    try:
        with pytest.raises(EndedError) as ended:
            serve._watch([other, service])
    finally:
        processes.stop([other, service])
    said = str(ended.value)
    assert said.startswith("the lottery ended by itself with exit code 1; its last lines:")
    assert said.endswith("out of luck")
    assert "line 49" in said
    assert "line 10" not in said


def test_waiting_for_one_that_has_ended_does_not_last(tmp_path: Path) -> None:
    service = _start("raise SystemExit(7)", tmp_path)
    began = time.monotonic()
    with pytest.raises(EndedError, match="exit code 7; it said nothing"):
        processes.wait_for(service, "http://127.0.0.1:1/health")
    assert time.monotonic() - began < 10


_SERVING = """
import os, sys, time
from pathlib import Path
from deployments import processes
from deployments.guard import guarded
home = Path(sys.argv[1])
with guarded(home, dict(os.environ), say=print) as guard:
    service = processes.start("it", [sys.executable, "-c", sys.argv[2]], dict(os.environ), log=home / "it.log")
    guard.told(service.process.pid)
    print(service.process.pid, flush=True)
    if sys.argv[3:]:
        processes.stop([service])
    else:
        time.sleep(600)
"""


def _serving(home: Path, *more: str) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-c", _SERVING, str(home), _STUBBORN, *more]
    process = subprocess.Popen(command, cwd=processes.ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    _until(lambda: "here" in (home / "it.log").read_text())
    return process, pid


def test_what_a_killed_one_had_started_is_ended_and_only_then_another_begins(tmp_path: Path) -> None:
    process, pid = _serving(tmp_path)
    groups = processes.groups_below([pid])
    assert len(groups) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    said: list[str] = []
    with guard.guarded(tmp_path, dict(os.environ), say=said.append):
        assert not [each for each in groups if processes.is_alive(each)]
    assert len(said) == 1
    assert said[0].startswith("waiting for another")
    assert process.stdout is not None
    process.stdout.close()


def test_two_at_a_time_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_PATIENCE_SECONDS", 0.5)
    with (
        guard.guarded(tmp_path, dict(os.environ), say=print),
        pytest.raises(guard.AlreadyServedError, match="--home"),
        guard.guarded(tmp_path, {}, say=print),
    ):
        pass
    with guard.guarded(tmp_path, dict(os.environ), say=print):
        pass  # it is free again


def test_secrets_of_blocks_are_not_encrypted_with_a_key_of_the_same_database(tmp_path: Path) -> None:
    key = encryption_key(tmp_path)
    assert len(key) == 44
    assert (tmp_path / "encryption.key").stat().st_mode & 0o077 == 0
    (tmp_path / "prefect.db").touch()
    assert encryption_key(tmp_path) == key


def test_a_database_with_a_key_of_its_own_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").touch()
    assert encryption_key(tmp_path) == ""
    assert not (tmp_path / "encryption.key").exists()
