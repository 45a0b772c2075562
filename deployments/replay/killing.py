"""Killing a worker in the middle of a wave, with the one signal that no process can answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime

from pushpull.settings import Settings

#: What the worker says when it has fallen silent.
SILENT = "handed over, and silent"
#: Its leases are short: the replay waits for their end in real time.
LEASE_SECONDS, DEADLINE_SECONDS = 2.0, 1.0


class WorkerSurvivedError(RuntimeError):
    """The worker ended by itself: its wave was too small to be killed in the middle of."""


@dataclass(frozen=True)
class Killed:
    """How it ended.

    Args:
        exit_code: of the process; minus the signal's number.
        lease_seconds: how long the rows it held stay claimed.
    """

    exit_code: int
    lease_seconds: float = LEASE_SECONDS


def kill_in_mid_wave(settings: Settings, as_of: datetime, *, after: int) -> Killed:
    """Run a dispatch in another process, and kill it with SIGKILL when it has fallen silent.

    Args:
        after: handovers it makes.

    Raises:
        WorkerSurvivedError: it ended before so many handovers.
    """
    told = {
        "PUSHPULL_DATABASE_URL": settings.database_url,
        "PUSHPULL_CONTENT_DIR": str(settings.content_dir),
        "PUSHPULL_OUTBOX_DIR": str(settings.outbox_dir),
        "PUSHPULL_BATCH_SIZE": str(settings.batch_size),
        "PUSHPULL_LEASE_SECONDS": str(LEASE_SECONDS),
        "PUSHPULL_CALL_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
    }
    command = [sys.executable, "-m", "deployments.replay.worker", "--as-of", as_of.isoformat(), "--after", str(after)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **told}) as worker:  # noqa: S603
        assert worker.stdout is not None
        for line in worker.stdout:
            if line.strip() == SILENT:
                worker.send_signal(signal.SIGKILL)
                return Killed(worker.wait(30))
        raise WorkerSurvivedError(f"the worker ended by itself ({worker.wait(30)}) before {after} handovers")
