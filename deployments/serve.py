"""Everything on one machine: a Prefect server, the deployments of `prefect.yaml`, a worker, and the web app."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import httpx

from deployments.orchestration import server_environment

ROOT = Path(__file__).resolve().parent.parent
POOL = "pushpull"
_PATIENCE_SECONDS = 90.0
_SECONDS_TO_STOP = 10.0


class ServeError(RuntimeError):
    """Something that belongs to it could not be started, or ended by itself."""


class PortTakenError(ServeError):
    """Another program listens on a port that is needed.

    Args:
        option: which option names another port.
    """

    def __init__(self, port: int, option: str) -> None:
        super().__init__(f"port {port} is taken by another program: end that one, or name another port with {option}")


class EndedError(ServeError):
    """One of the processes ended by itself."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name} ended by itself with exit code {code}; what it said stands above")


class NotReadyError(ServeError):
    """The Prefect server did not answer in time."""

    def __init__(self, url: str) -> None:
        super().__init__(f"no answer from {url} within {_PATIENCE_SECONDS:.0f} s; is this machine very busy?")


class SetUpError(ServeError):
    """Prefect refused a command."""

    def __init__(self, command: Sequence[str], said: str) -> None:
        super().__init__(f"`{' '.join(command)}` failed:\n{said.strip()}")


class _Asked(Exception):
    """Ctrl-C, or SIGTERM: a person or a supervisor asks it to end."""


@dataclass(frozen=True)
class Service:
    """A process of its own, and what else it starts.

    Args:
        name: as people call it.
    """

    name: str
    process: subprocess.Popen[bytes]


def serve(*, port: int, web_port: int, home: Path, say: Callable[[str], None]) -> None:
    """Run until interrupted; when one of the processes ends, all end.

    Args:
        port: of the Prefect server and its UI.
        web_port: of the web app.
        home: where Prefect keeps its database.
        say: told what happens, in words.

    Raises:
        ServeError: a port is taken, or a process cannot be started or ended by itself; the message says what to do.
    """
    require_free(port, "--port")
    require_free(web_port, "--web-port")
    home.mkdir(parents=True, exist_ok=True)
    environment = server_environment(home.resolve(), port)
    running: list[Service] = []
    with _ending_when_asked():
        try:
            say("starting the Prefect server …")
            running.append(start_server(environment, port))
            wait_for_server(running[0], port)
            say("deploying the flows …")
            deploy(environment)
            say("starting a worker and the web app …")
            running.append(start_worker(environment))
            running.append(_start("the web app", _web_app(web_port), environment))
            say(f"Prefect UI  http://127.0.0.1:{port}\nweb app     http://127.0.0.1:{web_port}\nCtrl-C ends both.")
            _watch(running)
        except _Asked:
            say("ending …")
        finally:
            stop(running)


def require_free(port: int, option: str) -> None:
    """Make sure that nobody listens on a port of this machine.

    Raises:
        PortTakenError: somebody does.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTakenError(port, option) from error


def start_server(environment: Mapping[str, str], port: int) -> Service:
    """Start a Prefect server; it is not ready yet."""
    command = [sys.executable, "-m", "deployments.prefect_server", "--port", str(port)]
    return _start("the Prefect server", command, environment)


def wait_for_server(server: Service, port: int) -> None:
    """Wait until the server answers.

    Raises:
        EndedError: it ended instead.
        NotReadyError: it took too long.
    """
    url = f"http://127.0.0.1:{port}/api/health"
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < give_up:
        _require_running(server)
        try:
            if httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.25)
    raise NotReadyError(url)


def deploy(environment: Mapping[str, str]) -> None:
    """Make the work pool, every deployment of ``prefect.yaml`` and the types of credential blocks, or bring them up to
    date.

    Raises:
        SetUpError: Prefect refused.
    """
    _run(["prefect", "work-pool", "create", POOL, "--type", "process", "--overwrite"], environment)
    _run(["prefect", "--no-prompt", "deploy", "--all"], environment)
    _run(["prefect", "block", "register", "-m", "channels.credentials"], environment)


def start_worker(environment: Mapping[str, str]) -> Service:
    """Start a worker of the pool: it runs flows as processes of this machine."""
    return _start("the worker", [_tool("prefect"), "worker", "start", "--pool", POOL], environment)


def stop(running: Sequence[Service]) -> None:
    """End processes and everything they started: politely, last one first, then for good."""
    for service in reversed(running):
        _signal_group(service, signal.SIGTERM)
    deadline = time.monotonic() + _SECONDS_TO_STOP
    for service in reversed(running):
        with suppress(subprocess.TimeoutExpired):
            service.process.wait(max(0.1, deadline - time.monotonic()))
        # Also when it went in time: what it started may have stayed.
        _signal_group(service, signal.SIGKILL)
        service.process.wait()


def _web_app(port: int) -> list[str]:
    return [_tool("uvicorn"), "web.asgi:app", "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]


def _tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _here(environment: Mapping[str, str]) -> dict[str, str]:
    # prefect.yaml says where its flows are by $PWD, which nobody else corrects when the working directory changes.
    return {**environment, "PWD": str(ROOT)}


def _start(name: str, command: Sequence[str], environment: Mapping[str, str]) -> Service:
    # A session of its own: Ctrl-C reaches this process alone, which then ends the others and all they started.
    process = subprocess.Popen(command, env=_here(environment), cwd=ROOT, start_new_session=True)  # noqa: S603
    return Service(name, process)


def _run(command: list[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603
        [_tool(command[0]), *command[1:]],
        env=_here(environment),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode:
        raise SetUpError(command, done.stdout)


def _watch(running: Sequence[Service]) -> None:
    while True:
        for service in running:
            _require_running(service)
        time.sleep(0.5)


def _require_running(service: Service) -> None:
    code = service.process.poll()
    if code is not None:
        raise EndedError(service.name, code)


def _signal_group(service: Service, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(service.process.pid, number)


@contextmanager
def _ending_when_asked() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into an exception, also where a parent had them ignored; further ones wait."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise _Asked

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
