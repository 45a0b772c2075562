"""`pushpull serve` for real: a Prefect server with the deployments of prefect.yaml, a worker, the web app, and the end.

The upper bound on FastAPI in pyproject.toml is there because the server would not start without it.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from deployments import ports, processes, serve
from deployments.orchestration import server_environment
from tests.deployments.test_prefect_yaml import DEPLOYMENTS

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("servers")]

T = TypeVar("T")


def until(what: str, look: Callable[[], T], *, seconds: float = 60) -> T:
    """What ``look`` finds, as soon as it finds something."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds} s")


def traces() -> dict[str, bytes]:
    """What Prefect might leave in a checkout: files of its own, or a prefect.yaml it has written to."""
    found = {path.name: b"" for path in serve.ROOT.iterdir() if "prefect" in path.name}
    return {**found, "prefect.yaml": (serve.ROOT / "prefect.yaml").read_bytes()}


def answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=2, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


@dataclass(frozen=True)
class Serving:
    """A running `pushpull serve`.

    Args:
        environment: of everything that talks to it.
        groups: the process groups it started.
    """

    folder: Path
    process: subprocess.Popen[bytes]
    port: int
    web_port: int
    providers_port: int
    environment: dict[str, str]
    groups: list[int]

    def ask(self, path: str, body: dict[str, Any] | None = None, *, method: str = "POST") -> Any:
        url = f"http://127.0.0.1:{self.port}/api{path}"

        def answered() -> httpx.Response | None:
            answer = httpx.request(method, url, json=body or {}, timeout=30, trust_env=False)
            # A busy SQLite says so, and nothing was done: Prefect's own client asks again too.
            return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

        answer = until(path, answered)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@contextmanager
def serving(folder: Path) -> Iterator[Serving]:
    """Everything on one machine, started from another folder than the checkout, its data in there too."""
    port, web_port, providers_port = ports.free_port(), ports.free_port(), ports.free_port()
    environment = {
        **server_environment(folder / "home", port),
        "PUSHPULL_DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
        "PUSHPULL_OUTBOX_DIR": str(folder / "outbox"),
        "PWD": str(folder),
    }
    command = ["serve", "--port", str(port), "--web-port", str(web_port), "--providers-port", str(providers_port)]
    command += ["--home", str(folder / "home")]
    before = traces()
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", "from cli import main; main()", *command],
            env=environment,
            cwd=folder,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = Serving(folder, process, port, web_port, providers_port, environment, [])
    said_all = "Ctrl-C ends all"
    try:
        until("all of it", lambda: said_all in (folder / "said.txt").read_text() or process.poll(), seconds=120)
        started.groups.extend(_children(process.pid))
        assert process.poll() is None, (folder / "said.txt").read_text()
        yield started
    finally:
        processes.signal_groups(processes.groups_below([process.pid, *started.groups]), signal.SIGKILL)
        process.wait()
    assert traces() == before


def _children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return [int(each) for each in listed.split()]


def every_deployment_is_there_with_its_schedules(server: Serving) -> None:
    found = {each["name"]: each for each in server.ask("/deployments/filter")}
    assert set(found) == set(DEPLOYMENTS)
    for name, wanted in DEPLOYMENTS.items():
        here = found[name]
        assert here["entrypoint"] == wanted.entrypoint
        assert here["description"] == wanted.description
        assert set(here["tags"]) == set(wanted.tags)
        assert here["parameters"] == wanted.parameters
        assert here["work_pool_name"] == serve.POOL
        assert here["concurrency_options"]["collision_strategy"] == wanted.concurrency_limit.collision_strategy
        assert here["global_concurrency_limit"]["limit"] == wanted.concurrency_limit.limit
        schedules = {each["slug"]: each for each in here["schedules"]}
        assert set(schedules) == {each.slug for each in wanted.schedules}
        for each in wanted.schedules:
            assert schedules[each.slug]["schedule"]["cron"] == each.cron
            assert schedules[each.slug]["schedule"]["timezone"] == each.timezone
            assert schedules[each.slug]["active"] is (each.active is None)
        # $PWD of prefect.yaml is the checkout, from wherever it was started.
        assert here["pull_steps"] == [
            {"prefect.deployments.steps.set_working_directory": {"directory": str(serve.ROOT)}}
        ]


def schedules_fire(server: Serving) -> None:
    """They did not, in silence, with SQLAlchemy 2.1 and the server as Prefect ships it."""
    scheduled = sorted(name for name, each in DEPLOYMENTS.items() if each.schedules)
    names = {each["id"]: each["name"] for each in server.ask("/deployments/filter")}

    def planned() -> bool:
        runs = server.ask("/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}})
        return scheduled == sorted({names[run["deployment_id"]] for run in runs if run["auto_scheduled"]})

    until("a scheduled run of every deployment with a schedule", planned, seconds=30)


def a_worker_runs_a_flow_to_its_end(server: Serving) -> None:
    deployment = server.ask("/deployments/filter", {"deployments": {"name": {"any_": ["dispatch"]}}})[0]
    run = server.ask(f"/deployments/{deployment['id']}/create_flow_run", {"state": {"type": "SCHEDULED"}})

    def ended() -> str:
        found = server.ask("/flow_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})[0]["state_type"]
        return str(found) if found in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else ""

    assert until("the run's end", ended) == "COMPLETED"
    ledger = server.environment["PUSHPULL_DATABASE_URL"].removeprefix("sqlite:///")
    assert Path(ledger).exists()

    def recorded() -> bool:
        steps = {each["name"].rsplit("-", 1)[0] for each in server.ask("/task_runs/filter")}
        return {"reap", "reconcile", "find due waves"} <= steps

    until("its steps", recorded)


def a_value_that_is_none_is_refused_before_it_runs(server: Serving) -> None:
    deployment = server.ask("/deployments/filter", {"deployments": {"name": {"any_": ["cohort-rerun"]}}})[0]
    for wrong in (
        {"campaign": "c", "wave": "w", "reason": "why", "cohort": "everybody"},
        {"campaign": "c", "wave": "w", "reason": ""},
        {"campaign": "c"},
    ):
        with pytest.raises(httpx.HTTPStatusError, match="409"):
            server.ask(f"/deployments/{deployment['id']}/create_flow_run", {"parameters": wrong})


def everything_says_that_it_is_well(server: Serving) -> None:
    for url in (f"{server.port}/api/ready", f"{server.web_port}/readyz", f"{server.providers_port}/"):
        assert processes.answers(f"http://127.0.0.1:{url}"), url


def channels_speak_to_the_providers_that_are_played(server: Serving) -> None:
    file = server.folder / "home" / "here.sh"
    said = dict(shlex.split(line)[1].split("=", 1) for line in file.read_text().splitlines())
    assert said["PUSHPULL_CHANNELS"] == "email,teams,sms,slack"
    assert said["PUSHPULL_SENDGRID_URL"] == f"http://127.0.0.1:{server.providers_port}/sendgrid"
    assert said["PREFECT_API_URL"] == f"http://127.0.0.1:{server.port}/api"
    assert file.stat().st_mode & 0o077 == 0
    worker = next(each for each in server.groups if "prefect_worker" in _command(each))
    environment = Path(f"/proc/{worker}/environ").read_text().split("\0")
    assert {f"{name}={value}" for name, value in said.items()} <= set(environment)
    assert not [each for each in environment if each.startswith("PREFECT_SERVER_ENCRYPTION_KEY")]


def _doctor(server: Serving, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from cli import main; main()", "doctor", *more]
    return subprocess.run(command, env=server.environment, capture_output=True, text=True, check=False)


def the_doctor_finds_nothing_to_fix(server: Serving) -> None:
    api = server.environment["PREFECT_API_URL"]
    done = _doctor(server, "--wait", "60")
    assert done.returncode == 0, done.stdout
    assert api in done.stdout
    for line in ("deployments", "schedules", "workers", "alarms"):
        assert any(line in each and each.strip().startswith("ok") for each in done.stdout.splitlines()), done.stdout


def what_is_missing_is_to_be_fixed(server: Serving) -> None:
    (deployment,) = server.ask("/deployments/filter", {"deployments": {"name": {"any_": ["cohort-rerun"]}}})
    server.ask(f"/deployments/{deployment['id']}", method="DELETE")
    said = _doctor(server)
    assert said.returncode == 1
    assert "not deployed: cohort-rerun" in said.stdout
    assert "python -m deployments.prefect_setup" in said.stdout


def a_run_that_has_begun_ends_well_when_all_is_asked_to_end(server: Serving) -> None:
    (server.folder / "slow.py").write_text(_SLOW_FLOW)
    subprocess.run(
        [processes.tool("prefect"), "--no-prompt", "deploy", "slow.py:slow", "-n", "slow", "-p", serve.POOL],
        env=server.environment,
        cwd=server.folder,
        check=True,
        capture_output=True,
    )
    (deployment,) = server.ask("/deployments/filter", {"deployments": {"name": {"any_": ["slow"]}}})
    mark = server.folder / "mark.txt"
    server.ask(f"/deployments/{deployment['id']}/create_flow_run", {"parameters": {"mark": str(mark)}})
    until("the run", lambda: mark.exists() and mark.read_text() == "begun")
    asking_it_to_end_ends_everything_it_started(server)
    assert mark.read_text() == "ended"


def asking_it_to_end_ends_everything_it_started(server: Serving) -> None:
    assert len(server.groups) == 5  # server, providers, web app, worker, and the guard
    groups = processes.groups_below(server.groups)
    assert all(processes.is_alive(group) for group in server.groups)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(40) == 0
    assert not [group for group in groups if processes.is_alive(group)]
    nothing_answers(server)


def nothing_answers(server: Serving) -> None:
    for port in (server.port, server.web_port, server.providers_port):
        assert not answers(f"http://127.0.0.1:{port}/")


def _command(pid: int) -> str:
    return subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout


_SLOW_FLOW = """
import asyncio
from pathlib import Path
from prefect import flow

@flow(persist_result=False)
async def slow(mark: str):
    Path(mark).write_text("begun")
    await asyncio.sleep(4)
    Path(mark).write_text("ended")
"""


@pytest.mark.timeout(900)  # it takes a minute where nothing else runs
def test_everything_on_one_machine_works_from_start_to_end(tmp_path: Path) -> None:
    """One test, because starting a server takes longer than all the rest."""
    with serving(tmp_path) as server:
        everything_says_that_it_is_well(server)
        channels_speak_to_the_providers_that_are_played(server)
        every_deployment_is_there_with_its_schedules(server)
        schedules_fire(server)
        a_worker_runs_a_flow_to_its_end(server)
        a_value_that_is_none_is_refused_before_it_runs(server)
        the_doctor_finds_nothing_to_fix(server)
        what_is_missing_is_to_be_fixed(server)
        a_run_that_has_begun_ends_well_when_all_is_asked_to_end(server)
    # Again in the same folder, and this time it is killed: what it started ends all the same, and a third could begin.
    with serving(tmp_path) as server:
        groups = processes.groups_below(server.groups)
        server.process.kill()
        server.process.wait()
        until("the end of all of it", lambda: not [each for each in groups if processes.is_alive(each)], seconds=30)
        nothing_answers(server)


@pytest.mark.parametrize("option", ["--port", "--web-port", "--providers-port"])
def test_a_port_that_is_taken_is_told_before_anything_starts(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUSHPULL_CHANNELS", raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = int(taken.getsockname()[1])
        wanted = {name: ports.free_port() for name in ("--port", "--web-port", "--providers-port")} | {option: number}
        with pytest.raises(serve.PortTakenError, match=f"port {number} is taken.*{option}"):
            serve.serve(
                port=wanted["--port"],
                web_port=wanted["--web-port"],
                providers=True,
                providers_port=wanted["--providers-port"],
                home=tmp_path / "home",
                say=print,
            )
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["serve.lock"]


def test_a_port_that_is_wanted_twice_is_told(tmp_path: Path) -> None:
    with pytest.raises(ports.SamePortError, match="--port and --web-port both say 4200"):
        serve.serve(port=4200, web_port=4200, home=tmp_path / "home", say=print)
    assert not (tmp_path / "home").exists()


def test_channels_that_are_configured_are_never_pointed_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setenv("PUSHPULL_CHANNELS", "sandbox")
    assert not serve._can_be_played(8090, said.append)
    assert said == ["providers are not played: PUSHPULL_CHANNELS says sandbox"]
    monkeypatch.delenv("PUSHPULL_CHANNELS")
    assert serve._can_be_played(8090, said.append)


def test_a_former_here_sh_is_not_taken_for_channels_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CHANNELS": "email",
        "SENDGRID_API_KEY": "SG.x",
        "SENDGRID_URL": "http://127.0.0.1:8090/s",
    }.items():
        monkeypatch.setenv(f"PUSHPULL_{name}", value)
    assert serve._can_be_played(8090, print)
    assert not serve._can_be_played(8091, print)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_also_where_it_had_been_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with pytest.raises(serve._Asked), serve._ending_when_asked():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
