"""Programs that a test starts, and how it kills them: one alone, with all it started, or the run of one flow."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
_PROC = Path("/proc")

T = TypeVar("T")


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(what: str, look: Callable[[], T], *, seconds: float = 120, pause: float = 0.2) -> T:
    """What ``look`` finds, as soon as it finds something.

    Raises:
        AssertionError: nothing in time.
    """
    give_up = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() >= give_up:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


class Program:
    """A running program, with its output in a file.

    Args:
        name: as people call it; also of its log.
        folder: where the log goes.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={**environment, "PWD": str(ROOT)},  # prefect.yaml says by $PWD where its flows are
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it is there."""
        return self._process.poll() is None

    def said(self) -> str:
        """Everything it printed."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL to it alone."""
        self._process.kill()
        self._process.wait(30)

    def ask_to_end(self) -> None:
        """SIGTERM to it alone."""
        self._process.terminate()

    def kill_with_all_it_started(self) -> None:
        """SIGKILL to it and its descendants, all in one moment: as if the machine were switched off."""
        doomed = [self.pid, *descendants(self.pid)]
        for pid in doomed:  # stopped first, so that no parent gets to tell of its child's death
            _signal(pid, signal.SIGSTOP)
        for pid in doomed:
            _signal(pid, signal.SIGKILL)
        self._process.wait(30)


def descendants(pid: int) -> list[int]:
    """The processes that a process started, those they started, and so on."""
    children: dict[int, list[int]] = {}
    for each in _processes():
        with suppress(OSError, IndexError, ValueError):
            after_name = (_PROC / str(each) / "stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(after_name[1]), []).append(each)
    found: list[int] = []
    todo = [pid]
    while todo:
        mine = children.get(todo.pop(), [])
        found += mine
        todo += mine
    return found


def processes_with(name: str, value: str) -> list[int]:
    """The processes that have an environment variable with this value."""
    wanted = f"{name}={value}".encode()
    found = []
    for each in _processes():
        with suppress(OSError):
            if wanted in (_PROC / str(each) / "environ").read_bytes().split(b"\0"):
                found.append(each)
    return found


def kill_run(run_id: str) -> None:
    """SIGKILL to the process in which a flow runs.

    Raises:
        AssertionError: there is none.
    """
    found = processes_with("PREFECT__FLOW_RUN_ID", run_id)
    assert found, f"no process of run {run_id}"
    for pid in found:
        _signal(pid, signal.SIGKILL)


def kill_all_of(environment: Mapping[str, str]) -> None:
    """End whatever is left of the processes that talk to one Prefect server."""
    for pid in processes_with("PREFECT_API_URL", environment["PREFECT_API_URL"]):
        if pid != os.getpid():
            _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _processes() -> Iterator[int]:
    return (int(each.name) for each in _PROC.iterdir() if each.name.isdigit())
