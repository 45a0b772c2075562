"""Everything on one machine: a Prefect server, the deployments of `prefect.yaml`, a worker, and the web app."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from deployments.orchestration import server_environment

ROOT = Path(__file__).resolve().parent.parent
POOL = "pushpull"
_PATIENCE_SECONDS = 90.0


class ServerDidNotStartError(RuntimeError):
    """The Prefect server did not answer in time, or ended."""


def serve(*, port: int, web_port: int, home: Path, say: Callable[[str], None]) -> int:
    """Run until interrupted; when one of the processes ends, all end.

    Args:
        port: of the Prefect server and its UI.
        web_port: of the web app.
        home: where Prefect keeps its database.
        say: told what happens, in words.

    Returns:
        An exit code.

    Raises:
        ServerDidNotStartError: the Prefect server cannot be reached.
    """
    home.mkdir(parents=True, exist_ok=True)
    environment = server_environment(home.resolve(), port)
    running: list[subprocess.Popen[bytes]] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        say("starting the Prefect server …")
        running.append(_start(["prefect", "server", "start", "--port", str(port)], environment))
        _wait_for(f"http://127.0.0.1:{port}/api/health", running[0])
        _run(["prefect", "work-pool", "create", POOL, "--type", "process", "--overwrite"], environment)
        _run(["prefect", "--no-prompt", "deploy", "--all"], environment)
        say("starting a worker …")
        running.append(_start(["prefect", "worker", "start", "--pool", POOL], environment))
        running.append(_start(["uvicorn", "web.asgi:app", "--host", "127.0.0.1", "--port", str(web_port)], environment))
        say(f"Prefect UI  http://127.0.0.1:{port}\nweb app     http://127.0.0.1:{web_port}\nCtrl-C ends both.")
        while all(process.poll() is None for process in running):
            time.sleep(0.5)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(running)


def _tool(command: list[str]) -> list[str]:
    return [str(Path(sys.executable).parent / command[0]), *command[1:]]


def _start(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    # A group of its own: Ctrl-C reaches this process alone, which then ends the others in order.
    return subprocess.Popen(_tool(command), env=environment, cwd=ROOT, start_new_session=True)  # noqa: S603


def _run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(_tool(command), env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise ServerDidNotStartError(f"the Prefect server ended with code {process.returncode}; is the port free?")
        try:
            if httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise ServerDidNotStartError(f"no answer from {url} within {_PATIENCE_SECONDS:.0f} s")


def _stop(running: list[subprocess.Popen[bytes]]) -> None:
    for process in reversed(running):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    for process in reversed(running):
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
