"""Everything on one machine: a Prefect server with its deployments, a worker, the web app, and the providers played."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from deployments.guard import Guard, guarded
from deployments.orchestration import POOL, encryption_key, server_environment
from deployments.ports import PortTakenError, free_port, require_different, require_free
from deployments.processes import (
    ROOT,
    EndedError,
    NotReadyError,
    ServeError,
    Service,
    in_checkout,
    require_running,
    start,
    stop,
    tool,
    wait_for,
)
from deployments.providers import NoStandInError, require_standin, start_providers, variables_of
from pushpull.settings import Settings

__all__ = [
    "POOL",
    "ROOT",
    "EndedError",
    "NotReadyError",
    "PortTakenError",
    "ServeError",
    "Service",
    "SetUpError",
    "deploy",
    "free_port",
    "require_free",
    "serve",
    "start_server",
    "start_web_app",
    "start_worker",
    "stop",
    "wait_for_server",
]


class SetUpError(ServeError):
    """Prefect refused a command."""

    def __init__(self, said: str) -> None:
        super().__init__(f"setting up the Prefect server failed:\n{said.strip()}")


class _Asked(Exception):
    """Ctrl-C, or SIGTERM: a person or a supervisor asks it to end."""


@dataclass
class _Place:
    """What is started, in the order it was, and what it is started with.

    Args:
        providers_port: of the stand-in; 0: there is none.
        environment: of all of them, but for the Prefect server's own secret.
    """

    port: int
    web_port: int
    providers_port: int
    home: Path
    environment: dict[str, str]
    say: Callable[[str], None]
    guard: Guard
    running: list[Service] = field(default_factory=list)

    def start(self) -> None:
        """Start one after the other what needs another, and the rest side by side."""
        began = time.monotonic()
        (self.home / "logs").mkdir(exist_ok=True)
        self.say("starting the Prefect server …")
        web = f"http://127.0.0.1:{self.web_port}"
        variables: Mapping[str, str] = {}
        server = self._started(start_server(self._with_key(), self.port, log=self._log("server")))
        if self.providers_port:
            log = self._log("providers")
            stand_in = start_providers(self.environment, self.providers_port, callbacks_to=web, log=log)
            variables = variables_of(self._started(stand_in))
            self.environment.update(variables)
        wait_for_server(server, self.port)
        self.say("deploying the flows …")
        web_app = self._started(start_web_app(self.environment, self.web_port, log=self._log("web")))
        deploy(self.environment)
        wait_for(web_app, f"{web}/readyz")
        self.say("starting a worker …")
        health = free_port()
        worker = self._started(start_worker(self.environment, health_port=health, log=self._log("worker")))
        wait_for(worker, f"http://127.0.0.1:{health}/health")
        pointing = _write_variables(self.home / "here.sh", self.environment["PREFECT_API_URL"], variables)
        self.say(self._summary(pointing, seconds=time.monotonic() - began))

    def _started(self, service: Service) -> Service:
        self.guard.told(service.process.pid)
        self.running.append(service)
        return service

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def _with_key(self) -> dict[str, str]:
        secret = {"PREFECT_SERVER_ENCRYPTION_KEY": key} if (key := encryption_key(self.home)) else {}
        return {**secret, **self.environment}

    def _summary(self, pointing: Path, *, seconds: float) -> str:
        if self.providers_port:
            messages = f"http://127.0.0.1:{self.providers_port}/ (stand-ins: every message they took)"
        elif Settings(_env_file=ROOT / ".env").is_sandbox:
            messages = f"none are played; messages: http://127.0.0.1:{self.web_port}/outbox/"
        else:
            messages = "none are played"
        return f"""
Prefect UI  http://127.0.0.1:{self.port}
web app     http://127.0.0.1:{self.web_port}
providers   {messages}
logs        {self.home / "logs"}

Everything is up after {seconds:.0f} s; a worker waits for runs. In another terminal:
  . {shlex.quote(str(pointing))}
  pushpull deploy two-minutes-a-day --diff
  pushpull doctor
Ctrl-C ends all of it."""


def serve(
    *,
    port: int,
    web_port: int,
    home: Path,
    say: Callable[[str], None],
    providers: bool = False,
    providers_port: int = 0,
) -> None:
    """Run until interrupted; when one of the processes ends, all end.

    Args:
        port: of the Prefect server and its UI.
        web_port: of the web app.
        home: where Prefect keeps its database, and the processes what they say.
        say: told what happens, in words.
        providers: play the providers too, and let the channels speak to them, unless channels are configured.
        providers_port: of the stand-in.

    Raises:
        ServeError: a port is taken, or a process cannot be started or ended by itself; the message says what to do.
    """
    home = home.resolve()
    played = providers and _can_be_played(providers_port, say)
    ports = {"--port": port, "--web-port": web_port, **({"--providers-port": providers_port} if played else {})}
    require_different(ports)
    environment = server_environment(home, port)
    with _ending_when_asked():
        try:
            home.mkdir(parents=True, exist_ok=True)
            with guarded(home, environment, say=say) as guard:
                for option, number in ports.items():
                    require_free(number, option)
                here = _Place(port, web_port, providers_port if played else 0, home, environment, say, guard)
                try:
                    here.start()
                    _watch(here.running)
                except _Asked:
                    say("ending …")
                finally:
                    stop(here.running)
        except _Asked:
            return  # before anything was started


def _can_be_played(port: int, say: Callable[[str], None]) -> bool:
    """Whether the channels may speak to a stand-in on this port; says why not."""
    chosen = Settings(_env_file=ROOT / ".env")  # which the processes will read
    is_ours = chosen.sendgrid_url.startswith(f"http://127.0.0.1:{port}/")  # somebody has read a former here.sh
    if "channels" in chosen.model_fields_set and not is_ours:
        say(f"providers are not played: PUSHPULL_CHANNELS says {chosen.channels}")
        return False
    try:
        require_standin()
    except NoStandInError as error:
        say(f"providers are not played, messages go to {chosen.outbox_dir}: {error}")
        return False
    return True


def start_server(environment: Mapping[str, str], port: int, *, log: Path | None = None) -> Service:
    """Start a Prefect server; it is not ready yet."""
    command = [sys.executable, "-m", "deployments.prefect_server", "--port", str(port)]
    return start("the Prefect server", command, environment, log=log)


def wait_for_server(server: Service, port: int) -> None:
    """Wait until the server answers and reaches its database.

    Raises:
        EndedError: it ended instead.
        NotReadyError: it took too long.
    """
    wait_for(server, f"http://127.0.0.1:{port}/api/ready")


def deploy(environment: Mapping[str, str]) -> None:
    """Make what :mod:`deployments.prefect_setup` makes, or bring it up to date.

    Raises:
        SetUpError: Prefect refused.
    """
    done = subprocess.run(
        [sys.executable, "-m", "deployments.prefect_setup"],
        env=in_checkout(environment),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode:
        raise SetUpError(done.stdout)


def start_worker(environment: Mapping[str, str], *, health_port: int = 0, log: Path | None = None) -> Service:
    """Start a worker of the pool: it runs flows as processes of this machine.

    Args:
        health_port: where it says that it is well; 0: anywhere.
    """
    where = {"PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1", "PREFECT_WORKER_WEBSERVER_PORT": str(health_port)}
    return start("the worker", [sys.executable, "-m", "deployments.prefect_worker"], {**environment, **where}, log=log)


def start_web_app(environment: Mapping[str, str], port: int, *, log: Path | None = None) -> Service:
    """Start the web app; it is not ready yet."""
    command = [tool("uvicorn"), "web.asgi:app", "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    return start("the web app", command, environment, log=log)


def _write_variables(path: Path, api: str, variables: Mapping[str, str]) -> Path:
    """A file that points the commands of another terminal at what runs here."""
    named = {"PREFECT_API_URL": api, **variables}
    text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in named.items())
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path


def _watch(running: Sequence[Service]) -> None:
    while True:
        for service in running:
            require_running(service)
        time.sleep(0.5)


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
