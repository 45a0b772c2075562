"""The stand-in in a process of its own, and what another process says to it over HTTP."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import orjson

from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.fixtures import cast

_ROOT = Path(__file__).resolve().parents[2]


def serve(
    port: int, *, is_checking: bool = True, callbacks_to: str = "", told: Callable[[StandIn], None] | None = None
) -> None:
    """Serve every provider until SIGINT or SIGTERM.

    Args:
        callbacks_to: where our web app listens: callbacks are made there every second; empty: none are made.
        told: called once the stand-in can be reached.
    """
    over = Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: over.set())
    with StandIn(cast(), port=port, is_checking=is_checking) as standin:
        if told is not None:
            told(standin)
        while not over.wait(1.0):
            if callbacks_to:
                try:
                    standin.deliver_callbacks(callbacks_to)
                except (OSError, http.client.HTTPException) as error:
                    print(f"callbacks to {callbacks_to}: {error}", file=sys.stderr, flush=True)


class Remote:
    """A stand-in in another process.

    Args:
        base_url: ``http://127.0.0.1:port``.
        variables: the settings that point at it.
    """

    def __init__(self, base_url: str, variables: Mapping[str, str]) -> None:
        self.base_url, self.variables = base_url, variables

    def taken(self) -> Mapping[str, list[dict[str, Any]]]:
        """What every provider took, by its name."""
        return self._ask("GET", "taken")  # type: ignore[no-any-return]

    def violations(self) -> list[str]:
        """How requests broke their provider's description."""
        return self._ask("GET", "violations")  # type: ignore[no-any-return]

    def struck(self) -> Mapping[str, dict[str, int]]:
        """How often each fault struck, by provider; ``requests`` counts them all."""
        return self._ask("GET", "faults")  # type: ignore[no-any-return]

    def fault(self, *faults: Fault, **rule: Any) -> None:
        """Let something go wrong; see :class:`tests.standin.faults.Rule`."""
        self._ask("POST", "faults", {"faults": list(faults), **rule})

    def deliver_callbacks(self, to: str, **how: Any) -> list[int]:
        """Make the callbacks that are owed; see :meth:`tests.standin.engine.StandIn.deliver_callbacks`."""
        return self._ask("POST", "callbacks", {"to": to, **how})  # type: ignore[no-any-return]

    def forget(self) -> None:
        """Forget every request, fault and message."""
        self._ask("POST", "forget")

    def _ask(self, method: str, what: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection(self.base_url.removeprefix("http://"), timeout=60)
        try:
            connection.request(method, f"/_standin/{what}", orjson.dumps(body) if body is not None else None)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise RuntimeError(data.decode())
        return orjson.loads(data) if data else None


@contextmanager
def standin_process(*, is_checking: bool = True) -> Iterator[Remote]:
    """A stand-in with every provider, in a process of its own, for the length of the block."""
    command = [sys.executable, "-m", "tests.standin", "--port", "0", *([] if is_checking else ["--unchecked"])]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        if not address.startswith("http://"):
            raise RuntimeError(f"the stand-in did not start: {address!r}")
        variables = {}
        while line := process.stdout.readline().strip():  # up to the empty one
            name, _, value = line.removeprefix("export ").partition("=")
            variables[name] = value
        yield Remote(address, variables)
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
