"""The stand-in as tests get it: one server per test process with all providers in it, forgotten before each test."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from tests.standin.provider import Provider

if TYPE_CHECKING:
    from tests.standin.engine import StandIn

#: Where each provider is played.
CAST = (
    "tests.standin.sendgrid:SendGrid",
    "tests.standin.microsoft:Login",
    "tests.standin.microsoft:BotConnector",
    "tests.standin.microsoft:Graph",
    "tests.standin.twilio:Twilio",
    "tests.standin.slack:Slack",
)


def cast() -> list[type[Provider]]:
    """The classes of all providers."""
    found = []
    for place in CAST:
        module, name = place.split(":")
        found.append(getattr(import_module(module), name))
    return found


@pytest.fixture(scope="session")
def standin_server() -> Iterator[StandIn]:
    """A server that lives as long as the test process."""
    from tests.standin.engine import StandIn  # late: most tests need no server, nor what reads the descriptions

    with StandIn(cast()) as server:
        yield server


@pytest.fixture
def standin(standin_server: StandIn) -> StandIn:
    """Every provider, over real HTTP on this machine, remembering nothing of earlier tests."""
    standin_server.forget()
    return standin_server
