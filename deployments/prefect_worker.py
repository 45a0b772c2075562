"""A worker of the pool that ends well: asked to, it takes no new runs and waits for those it has.

``python -m deployments.prefect_worker`` does what ``prefect worker start --pool pushpull --with-healthcheck`` does,
except at its end. Prefect's own worker kills its flow runs within a second of a SIGTERM (3.8.8): nothing is lost or
sent twice, the ledger sees to that, but each run stays Running until somebody or an automation notices, and its
deployment's slot is held for minutes. A restart, a new release or a drained node should not look like an accident.

A second SIGTERM or SIGINT ends it at once. A supervisor sends SIGKILL in the end: give it as long as a flow may take
(``TimeoutStopSec``, ``terminationGracePeriodSeconds``, ``stop_grace_period``).
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from deployments.orchestration import POOL

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun


class PatientWorker(ProcessWorker):
    """Prefect's process worker, which can be asked to take no more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._running: set[str] = set()
        self._is_leaving = False
        self._has_left = asyncio.Event()

    @classmethod
    def __dispatch_key__(cls) -> str:
        return f"{POOL}-process"  # Prefect goes on finding its own under "process"

    def leave(self) -> None:
        """Take no more runs; :meth:`left` returns once the last one has ended."""
        self._is_leaving = True
        self._look()

    async def left(self) -> None:
        """Wait for the last run after :meth:`leave`."""
        await self._has_left.wait()

    @property
    def runs(self) -> int:
        """How many runs it has taken that have not ended."""
        return len(self._running | {str(each) for each in self._submitting_flow_run_ids})

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Take what is due, unless it is leaving."""
        if self._is_leaving:
            self._look()
            return []
        return await super().get_and_submit_flow_runs()

    async def run(
        self, flow_run: FlowRun, configuration: ProcessJobConfiguration, task_status: Any = None
    ) -> ProcessWorkerResult:
        """Run a flow in a process of its own, and know about it until it has ended."""
        self._running.add(str(flow_run.id))
        try:
            return await super().run(flow_run, configuration, task_status)
        finally:
            self._running.discard(str(flow_run.id))
            self._look()

    def _look(self) -> None:
        if self._is_leaving and not self.runs:
            self._has_left.set()


async def work(*, pool: str, name: str | None, limit: int | None) -> None:
    """Work until asked to end, and until what has begun by then has ended.

    Args:
        name: as ops see it; None: Prefect makes one up.
        limit: most runs at a time; None: no limit.
    """
    worker = PatientWorker(work_pool_name=pool, name=name, limit=limit)
    working = asyncio.create_task(worker.start(with_healthcheck=True))

    def asked() -> None:
        if worker._is_leaving:
            working.cancel()
            return
        print(f"Worker {worker.name!r} takes no more runs and waits for {worker.runs}.", flush=True)
        worker.leave()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    leaving = asyncio.create_task(worker.left())
    await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working  # also for its error, when it ended by one


def main() -> None:
    """The command."""
    options = argparse.ArgumentParser(prog="python -m deployments.prefect_worker", description=__doc__)
    options.add_argument("--pool", default=POOL, help="the work pool")
    options.add_argument("--name", help="of this worker, as ops see it")
    options.add_argument("--limit", type=int, help="most flow runs at a time on this machine")
    chosen = options.parse_args()
    asyncio.run(work(pool=chosen.pool, name=chosen.name, limit=chosen.limit))


if __name__ == "__main__":
    main()
