"""Prefect's own settings, for the processes this project starts.

They must stand in the environment before Prefect is imported; so nothing here imports it.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

#: The work pool of every deployment.
POOL = "pushpull"


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
            "PREFECT_API_SSL_CERT_FILE": str(_few_certificates(home).resolve()),
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # a busy machine needs more than 20
        }
    )
    os.environ.pop("PREFECT_API_URL", None)


def _few_certificates(home: Path) -> Path:
    """A file with one certificate of all those that are trusted elsewhere.

    Each of Prefect's clients reads the whole file, a hundred times in a demo; its server is on this machine and speaks
    no TLS.
    """
    import certifi

    path, end = home / "certificate.pem", "-----END CERTIFICATE-----\n"
    first, _, _ = Path(certifi.where()).read_text().partition(end)
    path.write_text(first + end)
    return path


def server_environment(home: Path, port: int) -> dict[str, str]:
    """The environment of a Prefect server on ``port`` of this machine, and of everything that talks to it.

    It answers this machine alone, so it asks for no password. Pages of other sites that are open in the same browser
    are kept from it by the list of origins; a server that others reach needs more, see docs/deploying.md.

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
    shared = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),  # the UI reads this one, not the command line
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port},http://localhost:{port}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # In its memory, a killed server forgets who holds a deployment's slot: a dead run's stayed taken, and a
        # living run was ended at its next renewal.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "DO_NOT_TRACK": "1",
    }
    if password := os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        shared["PREFECT_API_AUTH_STRING"] = password
    return {**os.environ, **batches, **shared}


def encryption_key(home: Path) -> str:
    """The key that a local Prefect server encrypts the secrets of its blocks with: kept beside its database.

    Without one Prefect keeps a key inside the database, and who has a copy of that has the secrets too. A database that
    began so goes on so: with another key its blocks could not be read any more.

    Returns:
        The key; empty where the database keeps its own.
    """
    path = home / "encryption.key"
    if not path.exists():
        if (home / "prefect.db").exists():
            return ""
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()  # as Fernet wants it
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key)
    return path.read_text().strip()
