"""Processes of `pushpull serve`: started each in a session of its own, waited for, and ended with all below them.

Nothing here knows what they are. A worker starts every flow run in a session of its own, which no signal to the
worker's group reaches; so who is below a process is looked up in the process table.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
_PATIENCE_SECONDS = 90.0
_SECONDS_TO_STOP = 10.0
#: For what is left when its parent has gone: a flow run says to the server that it ends.
_SECONDS_LEFT_OVER = 3.0
_LAST_LINES = 15


class ServeError(RuntimeError):
    """Something that belongs to it could not be started, or ended by itself."""


class EndedError(ServeError):
    """One of the processes ended by itself."""

    def __init__(self, name: str, code: int, said: str) -> None:
        last = f"; its last lines:\n{said}" if said else "; it said nothing"
        super().__init__(f"{name} ended by itself with exit code {code}{last}")


class NotReadyError(ServeError):
    """A process did not answer in time."""

    def __init__(self, name: str, url: str, said: str) -> None:
        last = f"; its last lines:\n{said}" if said else ""
        super().__init__(
            f"{name} did not answer at {url} within {_PATIENCE_SECONDS:.0f} s; is this machine very busy?{last}"
        )


@dataclass(frozen=True)
class Service:
    """A process of its own, and what else it starts.

    Args:
        name: as people call it.
        log: where it writes what it says; None: where this process does.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None = None

    @property
    def last_lines(self) -> str:
        """The end of what it said, as far as it is kept."""
        if self.log is None:
            return ""
        with suppress(OSError), self.log.open(encoding="utf-8", errors="replace") as lines:
            return "".join(deque(lines, maxlen=_LAST_LINES)).strip()
        return ""


def tool(name: str) -> str:
    """A console script beside this Python."""
    return str(Path(sys.executable).parent / name)


def in_checkout(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that works in the folder of ``prefect.yaml``."""
    # It says where its flows are by $PWD, which nobody else corrects when the working directory changes.
    return {**environment, "PWD": str(ROOT)}


def start(name: str, command: Sequence[str], environment: Mapping[str, str], *, log: Path | None = None) -> Service:
    """Start a process in a session of its own: Ctrl-C reaches its parent alone, which then ends it and all it started.

    Args:
        log: a file for what it says, begun anew; None: the terminal.
    """
    if log is None:
        process = subprocess.Popen(command, env=in_checkout(environment), cwd=ROOT, start_new_session=True)  # noqa: S603
        return Service(name, process)
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603
            command,
            env=in_checkout(environment),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Service(name, process, log)


def wait_for(service: Service, url: str) -> None:
    """Wait until a process answers that it is well.

    Raises:
        EndedError: it ended instead.
        NotReadyError: it took too long.
    """
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < give_up:
        require_running(service)
        if answers(url):
            return
        time.sleep(0.2)
    raise NotReadyError(service.name, url, service.last_lines)


def answers(url: str) -> bool:
    """Whether an address says that all is well."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def require_running(service: Service) -> None:
    """Make sure that a process has not ended.

    Raises:
        EndedError: it has.
    """
    code = service.process.poll()
    if code is not None:
        raise EndedError(service.name, code, service.last_lines)


def stop(running: Sequence[Service]) -> None:
    """End processes and everything they started: the last one first, politely, then for good.

    One after the other, so that what ends can still tell those that were there before it.
    """
    for service in reversed(running):
        groups = groups_below([service.process.pid])
        signal_groups([service.process.pid], signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            service.process.wait(_SECONDS_TO_STOP)
        # Also when it went in time: what it started may have stayed, in groups of their own.
        end_groups(groups | groups_below([service.process.pid]), seconds=_SECONDS_LEFT_OVER)
        service.process.wait()


def groups_below(pids: Collection[int]) -> set[int]:
    """The process groups of these processes, which lead one each, and of all that descend from them."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,pgid="], capture_output=True, text=True, check=False).stdout  # noqa: S607
    children: dict[int, list[tuple[int, int]]] = {}
    for line in listed.splitlines():
        pid, parent, group = (int(each) for each in line.split())
        children.setdefault(parent, []).append((pid, group))
    found, waiting = set(pids), list(pids)
    while waiting:
        for pid, group in children.get(waiting.pop(), []):
            found.add(group)
            waiting.append(pid)
    return found


def end_groups(groups: Collection[int], *, seconds: float) -> None:
    """End process groups: politely, and after so many seconds for good."""
    signal_groups(groups, signal.SIGTERM)
    give_up = time.monotonic() + seconds
    while any(is_alive(group) for group in groups) and time.monotonic() < give_up:
        time.sleep(0.1)
    signal_groups(groups, signal.SIGKILL)


def signal_groups(groups: Collection[int], number: signal.Signals) -> None:
    """Send a signal to every process of these groups."""
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def is_alive(group: int) -> bool:
    """Whether anything of a process group runs; what has ended and only waits to be asked for its end does not."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=False).stdout  # noqa: S607
    return any(
        int(number) == group and not state.startswith("Z") for number, state in map(str.split, listed.splitlines())
    )
