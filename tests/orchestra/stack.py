"""The processes of an installation: Prefect's server and workers, and commands, all with one environment."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from prefect.server.concurrency.lease_storage.filesystem import ConcurrencyLeaseStorage

from deployments.orchestration import POOL, server_environment
from tests.orchestra.api import Api
from tests.orchestra.processes import ROOT, Program, free_port, kill_all_of, until

#: What makes Prefect look around more often than it does for people, so that tests need not wait; nothing else changes.
_HURRIED = {
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "1",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
}
_SECONDS_TO_START = 90


class Orchestra:
    """A Prefect server on a database of its own, its workers, and commands that talk to it.

    Args:
        folder: for Prefect's home and the logs.
        prefect_url: ``postgresql://…`` of Prefect's database.
        variables: of the installation: ``PUSHPULL_…``.
    """

    def __init__(self, folder: Path, prefect_url: str, variables: Mapping[str, str]) -> None:
        self.folder, self.prefect_url = folder, prefect_url
        self.port = free_port()
        self.home = folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.environment = {
            **server_environment(self.home, self.port),
            **_HURRIED,
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": prefect_url.replace("postgresql:", "postgresql+asyncpg:", 1),
            **variables,
        }
        self.api = Api(f"http://127.0.0.1:{self.port}/api")
        self.server: Program | None = None
        self.workers: list[Program] = []

    def start_server(self) -> Program:
        """Start the server, also again after it was killed, and wait until it answers."""
        command = [sys.executable, "-m", "deployments.prefect_server", "--port", str(self.port)]
        server = self.server = Program("server", command, self.environment, self.folder)
        until(
            "the Prefect server answers",
            lambda: self.api.is_up() or not server.is_running,
            seconds=_SECONDS_TO_START,
        )
        assert server.is_running, server.said()[-3000:]
        return server

    def kill_server(self) -> None:
        """SIGKILL to the server."""
        assert self.server is not None
        self.server.kill_with_all_it_started()

    def start_worker(self, name: str = "worker", **variables: str) -> Program:
        """Start a worker and wait until it is there.

        Args:
            variables: of its environment and its flows', beside the installation's.
        """
        command = [sys.executable, "-m", "deployments.prefect_worker", "--name", name]
        health = {"PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1", "PREFECT_WORKER_WEBSERVER_PORT": "0"}
        worker = Program(name, command, {**self.environment, **health, **variables}, self.folder)
        self.workers.append(worker)

        def is_there() -> bool:
            assert worker.is_running, worker.said()[-3000:]
            found = self.api.post(f"/work_pools/{POOL}/workers/filter")
            return any(each["name"] == name and each["status"] == "ONLINE" for each in found)

        until(f"{name} is online", is_there, seconds=_SECONDS_TO_START)
        return worker

    def command(self, *words: str, succeeds: bool = True) -> str:
        """Run ``prefect …`` or ``pushpull …`` as a person would, in the checkout.

        Returns:
            What it printed.
        """
        done = subprocess.run(
            [tool(words[0]), *words[1:]],
            env={**self.environment, "PWD": str(ROOT), "COLUMNS": "200"},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            start_new_session=True,
            timeout=180,
        )
        assert (done.returncode == 0) is succeeds, f"{' '.join(words)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def deploy(self) -> None:
        """Make the work pool and every deployment of prefect.yaml, as the manual says."""
        self.command("prefect", "work-pool", "create", POOL, "--type", "process", "--overwrite")
        self.command("prefect", "--no-prompt", "deploy", "--all")

    def let_slots_run_out(self) -> None:
        """Let five minutes pass, as far as the slots go that dead runs hold: Prefect's leases of them end now."""
        storage = ConcurrencyLeaseStorage(self.home / "concurrency_leases")

        async def end() -> None:
            for lease_id in await storage.read_active_lease_ids():
                await storage.renew_lease(lease_id, timedelta())

        asyncio.run(end())

    def logs(self) -> str:
        """What server and workers printed, the flows' own output with it."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def lift_limits(self, *names: str) -> None:
        """Let any number of runs of these deployments run at once, as the "Edit" page of the UI does."""
        for name in names:
            deployment = self.api.deployment(name)
            self.api.ask("PATCH", f"/deployments/{deployment['id']}", {"concurrency_limit": None})

    def kill_everything(self) -> None:
        """SIGKILL to server, workers, and every flow."""
        for each in [*self.workers, *([self.server] if self.server else [])]:
            if each.is_running:
                each.kill_with_all_it_started()
        kill_all_of(self.environment)
        self.workers.clear()

    def stop(self) -> None:
        """End everything."""
        self.kill_everything()
        self.api.close()


@contextmanager
def orchestra(folder: Path, prefect_url: str, variables: Mapping[str, str]) -> Iterator[Orchestra]:
    """A server that runs for the length of the block, and whatever is started beside it."""
    stack = Orchestra(folder, prefect_url, variables)
    try:
        stack.start_server()
        yield stack
    finally:
        stack.stop()


def tool(name: str) -> str:
    """A program of this virtualenv."""
    return str(Path(sys.executable).parent / name)
