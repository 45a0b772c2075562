"""`pushpull sandbox serve`: the providers are played, and it says how to point an installation at them."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cli.sandbox import PortTakenError, serve
from deployments.providers import NoStandInError, standin
from pushpull.settings import Settings

_SERVE = "from cli.sandbox import sandbox; sandbox()"
ROOT = Path(__file__).resolve().parents[2]


def test_what_it_prints_points_an_installation_at_every_provider(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, "--port", "0"],
        cwd=tmp_path,  # anywhere but in the checkout
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said: dict[str, str] = {}
    try:
        for line in process.stdout:
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                said[name] = value
            if "Ctrl-C" in line:
                break
        chosen = Settings(
            _env_file=None, **{name.removeprefix("PUSHPULL_").lower(): each for name, each in said.items()}
        )
        assert chosen.real_channels == ("email", "teams", "sms", "slack")
        outbox = urlsplit(chosen.sendgrid_url)
        connection = http.client.HTTPConnection(outbox.hostname or "", outbox.port, timeout=5)
        connection.request("GET", "/")
        assert b"Nothing was taken yet" in connection.getresponse().read()
        connection.close()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        process.stdout.close()


def test_a_port_that_is_taken_is_told_in_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortTakenError, match="--port"):
            serve(port=taken.getsockname()[1])


def test_without_a_checkout_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoStandInError, match="clone the repository"):
        standin("process", tmp_path)
