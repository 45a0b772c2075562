"""Prefect's own settings, for the processes this project starts.

They must stand in the environment before Prefect is imported; so nothing here imports it.
"""

from __future__ import annotations

import os
from pathlib import Path


def quiet_prefect(home: Path) -> None:
    """Run flows of this process against a Prefect of its own in ``home``, without a server to start and without noise.

    Args:
        home: where its database lives; made when missing.
    """
    home.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        {
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
    )
    os.environ.pop("PREFECT_API_URL", None)


def server_environment(home: Path, port: int) -> dict[str, str]:
    """The environment of a Prefect server on ``port`` of this machine, and of everything that talks to it.

    Sources: Prefect's settings reference; the batch sizes are measured (more events per write).
    """
    batches = {
        f"PREFECT_SERVER_SERVICES_{service}_BATCH_SIZE": "100"
        for service in (
            "TASK_RUN_RECORDER",
            "TASK_RUN_RECORDER_READ",
            "EVENT_PERSISTER",
            "EVENT_PERSISTER_READ",
            "TRIGGERS_READ",
        )
    }
    return {
        **os.environ,
        **batches,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),  # the UI reads this one, not the command line
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "DO_NOT_TRACK": "1",
    }
