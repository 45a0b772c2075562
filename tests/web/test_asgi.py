"""The app that a server runs, as the settings of its process make it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.channels.installations import a_webhook_key


def app_of(tmp_path: Path, expression: str, **settings: str) -> str:
    """What an expression about the app is, in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PUSHPULL_", "PREFECT_"))}
    variables = {f"PUSHPULL_{name}": value for name, value in settings.items()}
    database = {"PUSHPULL_DATABASE_URL": f"sqlite:///{tmp_path / 'pushpull.db'}"}
    code = f"from web.asgi import app; keys = app.state.callbacks; print({expression})"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **database, **variables},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return said.stdout.strip()


def test_in_the_sandbox_no_provider_is_heard(tmp_path: Path) -> None:
    assert app_of(tmp_path, "keys") == "None"


def test_providers_are_heard_with_the_keys_of_their_accounts(tmp_path: Path) -> None:
    key = a_webhook_key()
    said = app_of(
        tmp_path,
        "(keys.sendgrid, keys.public_url, keys.twilio)",
        CHANNELS="email",
        SENDGRID_API_KEY="SG.x",
        SENDGRID_WEBHOOK_KEY=key,
        BASE_URL="https://learn.example",
        LINK_KEY="a link key of the tests alone",
    )
    assert said == str(((key,), "https://learn.example", ()))
