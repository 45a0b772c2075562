"""Ports of this machine: which are free, and what to do when one is not."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from deployments.processes import ServeError


class PortTakenError(ServeError):
    """Another program listens on a port that is needed.

    Args:
        option: which option names another port.
    """

    def __init__(self, port: int, option: str) -> None:
        super().__init__(f"port {port} is taken by another program: end that one, or name another port with {option}")


class SamePortError(ServeError):
    """A port is wanted twice."""

    def __init__(self, port: int, first: str, second: str) -> None:
        super().__init__(f"{first} and {second} both say {port}: each needs a port of its own")


def require_different(ports: Mapping[str, int]) -> None:
    """Make sure that no port is wanted twice.

    Args:
        ports: by the option that names them.

    Raises:
        SamePortError: one is.
    """
    options: dict[int, str] = {}
    for option, port in ports.items():
        if port in options:
            raise SamePortError(port, options[port], option)
        options[port] = option


def require_free(port: int, option: str) -> None:
    """Make sure that nobody listens on a port of this machine.

    Raises:
        PortTakenError: somebody does.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTakenError(port, option) from error


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
