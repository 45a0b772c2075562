"""Orchestration: what Prefect costs. A wave as runs of a real Prefect server, and the same wave without it.

Server and ledger are on PostgreSQL; the flows run in processes of ``prefect worker``, as many as there are workers, and
e-mails go to a sink that answers at once. Without Prefect, as many processes call the very same flows as functions, so
that everything but Prefect is the same: settings, claims, turns, words. Both are timed from when the flow begins, which
is after its process was started and everything imported; what that takes beforehand is told too.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import func, select

from benchmarks.delivery import installation
from benchmarks.figures import Measured
from benchmarks.population import AS_OF, CONTENT, DAY, a_wave
from benchmarks.sink import sink
from pushpull.db import reading, writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.planning import plan
from pushpull.ledger.provider_objects import ASM_GROUP, SENDGRID, keep
from pushpull.ledger.results import wave_results
from pushpull.ledger.tables import handover, wave
from tasks.installation import Installation
from tests import postgres
from tests.orchestra.processes import until
from tests.orchestra.stack import Orchestra, orchestra

#: Nobody is in their quiet hours.
_NOON = timedelta(hours=11)
_PATIENCE = 1_800.0


@dataclass(frozen=True)
class Sent:
    """One wave that was sent.

    Args:
        seconds: from when the first flow began until the last one ended.
        busy: seconds from the first claim to the last record.
        start: seconds from asking for it until the first flow began.
    """

    messages: int
    seconds: float
    busy: float
    start: float = 0.0
    flow_runs: int = 0
    task_runs: int = 0


class Waves:
    """Waves over one ledger, one after the other, each on a day of its own."""

    def __init__(self, url: str, folder: Path, variables: Mapping[str, str]) -> None:
        self.here: Installation = installation(url, folder)
        self.variables = variables
        with writing(self.here.engine) as connection:
            self._day = connection.execute(select(func.count()).select_from(wave)).scalar_one()
            keep(connection, SENDGRID, ASM_GROUP, key="learning", value="1", at=AS_OF)

    def plan(self) -> tuple[int, datetime]:
        """A new wave to everybody, and when it is sent."""
        day, self._day = self._day + 2 * (self._day // 5), self._day + 1  # nothing is sent at weekends
        at = AS_OF + timedelta(days=day)
        spec = a_wave(100 + day, channels=(Channel.EMAIL,), on=DAY + timedelta(days=day))
        spec = spec.model_copy(update={"grace": timedelta(days=1)})  # by then it has long been due in the east
        wave_id = plan(self.here.engine, spec, as_of=at).wave_id
        assert wave_id is not None
        return wave_id, at + _NOON

    def outcome(self, wave_id: int) -> tuple[int, float]:
        """Messages accepted, and seconds from the first claim to the last record.

        Raises:
            AssertionError: something of the wave is not sent, or was sent twice.
        """
        with reading(self.here.engine) as connection:
            (result,) = wave_results(connection, wave_ids=[wave_id])
            first, last, accepted = connection.execute(
                select(
                    func.min(handover.c.intended_at), func.max(handover.c.settled_at), func.sum(handover.c.accepted)
                ).where(handover.c.wave_id == wave_id)
            ).one()
        assert result.is_finished, result.sentence()
        assert result.accepted == accepted > 0, f"{accepted} handed over: {result.sentence()}"
        return result.accepted, (last - first).total_seconds()

    def with_prefect(self, stack: Orchestra) -> Sent:
        """As a run of dispatch, which asks for as many helpers as it may have."""
        wave_id, at = self.plan()
        before = stack.api.post("/flow_runs/count"), stack.api.post("/task_runs/count")
        asked = time.time()
        run_id = stack.api.start("dispatch", {"as_of": at.isoformat()})
        stack.api.finished(run_id, seconds=_PATIENCE)
        until(
            "the helpers end",
            lambda: not stack.api.runs("shard", "SCHEDULED", "PENDING", "RUNNING"),
            seconds=_PATIENCE,
        )
        dispatched = stack.api.run(run_id)
        helpers = [run for run in stack.api.runs("shard") if run["parameters"]["wave_id"] == wave_id]
        begun = _instant(dispatched["start_time"])
        ended = max(_instant(run["end_time"]) for run in (dispatched, *helpers))
        messages, busy = self.outcome(wave_id)
        time.sleep(3)  # the server records task runs a moment later
        after = stack.api.post("/flow_runs/count"), stack.api.post("/task_runs/count")
        return Sent(
            messages,
            seconds=(ended - begun).total_seconds(),
            busy=busy,
            start=begun.timestamp() - asked,
            flow_runs=after[0] - before[0],
            task_runs=after[1] - before[1],
        )

    def without(self, processes: int) -> Sent:
        """By plain processes that do what those runs do."""
        wave_id, at = self.plan()
        helping = [{"wave_id": wave_id, "part": part, "parts": processes} for part in range(1, processes)]
        asked: list[dict[str, Any]] = [{"flow": "dispatch", "given": {}}]
        asked += [{"flow": "shard", "given": given} for given in helping]
        for each in asked:
            each["given"]["as_of"] = at.isoformat()
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.orchestration", json.dumps(each)],
                env={**os.environ, **self.variables},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for each in asked
        ]
        try:
            for process in started:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n", "a process did not get ready"
            begun = time.perf_counter()
            for process in started:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            for process in started:
                assert process.stdout is not None
                assert process.stdout.readline() == "done\n", "a process did not come to its end"
            seconds = time.perf_counter() - begun
        finally:
            for process in started:
                process.kill()
                process.wait()
        messages, busy = self.outcome(wave_id)
        return Sent(messages, seconds, busy)


def _instant(told: str) -> datetime:
    return datetime.fromisoformat(told)


def measure(workers: int, *, per_second: float = 0.0) -> Callable[[str, int, int], Measured]:
    """What measures waves by so many workers.

    Args:
        per_second: the provider's rate; 0: as fast as the machine can.
    """

    def measured(url: str, _size: int, runs: int) -> Measured:
        server = url.rpartition("/")[0]
        with TemporaryDirectory() as made, sink() as provider, postgres.database(server) as prefect_url:
            folder = Path(made)
            variables = {
                "PUSHPULL_DATABASE_URL": url,
                "PUSHPULL_CONTENT_DIR": str(CONTENT),
                "PUSHPULL_OUTBOX_DIR": str(folder / "outbox"),
                "PUSHPULL_CHANNELS": "email",
                "PUSHPULL_SENDGRID_URL": provider.url,
                "PUSHPULL_SENDGRID_API_KEY": "SG.benchmark",
                "PUSHPULL_SENDGRID_PER_SECOND": str(per_second),
                "PUSHPULL_SHARD_RUNS": str(workers - 1),
                **{f"PUSHPULL_CAP_PER_{period}": "500" for period in ("WEEK", "MONTH")},
                "PUSHPULL_CAP_PER_DAY": "50",
            }
            waves = Waves(url, folder, variables)
            with orchestra(folder / "prefect", prefect_url, variables) as stack:
                stack.deploy()
                stack.api.pause_schedules()
                for number in range(workers):
                    stack.start_worker(f"worker-{number + 1}")
                if not per_second:
                    waves.without(workers)  # what is compiled once is not what is measured
                pairs = [(waves.with_prefect(stack), waves.without(workers)) for _ in range(runs)]
        return _as_measured([one for one, _ in pairs], [other for _, other in pairs])

    return measured


def _as_measured(orchestrated: Sequence[Sent], plain: Sequence[Sent]) -> Measured:
    def median(values: Sequence[float]) -> float:
        return statistics.median(values)

    return Measured(
        seconds=[each.seconds for each in orchestrated],
        counts={
            "messages": orchestrated[0].messages,
            "flow runs": max(each.flow_runs for each in orchestrated),
            "task runs": max(each.task_runs for each in orchestrated),
        },
        more={
            "with": median([each.seconds for each in orchestrated]),
            "without": median([each.seconds for each in plain]),
            "rate": median([each.messages / each.busy for each in orchestrated]),
            "plain rate": median([each.messages / each.busy for each in plain]),
            "start": median([each.start for each in orchestrated]),
        },
    )


def work(asked: Mapping[str, Any]) -> None:
    """What one plain process does: import everything, wait for a line, call the flow, tell."""
    from flows.dispatch import dispatch
    from flows.shard import shard
    from tasks.step import Step

    def at_once(step: Step[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        with ThreadPoolExecutor(len(arguments)) as pool:  # as Prefect's task runner has it
            return list(pool.map(lambda each: step(*each), arguments))

    Step.for_each = at_once  # type: ignore[method-assign,assignment]
    print("ready", flush=True)
    sys.stdin.readline()
    asyncio.run({"dispatch": dispatch, "shard": shard}[asked["flow"]].fn(**asked["given"]))  # type: ignore[attr-defined]
    print("done", flush=True)


if __name__ == "__main__":
    work(json.loads(sys.argv[1]))
