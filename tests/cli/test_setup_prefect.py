"""`pushpull setup prefect` without a server: it says which one it needs, and starts none of its own."""

from __future__ import annotations

import socket

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tests.cli.conftest import Command


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--notify", "slack-webhook/ops")])
def test_it_asks_for_a_server_where_none_is_named(pushpull: Command, options: tuple[str, ...]) -> None:
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert PREFECT_API_URL.value() is None
        said = pushpull("setup", "prefect", *options)
    assert "set PREFECT_API_URL" in said.error
    assert said.out == ""


def test_it_names_the_server_that_does_not_answer(pushpull: Command) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}):
        said = pushpull("setup", "prefect")
    assert f"no Prefect server answers at {url}" in said.error
