"""A provider for every channel on this machine, to rehearse real channels against."""

from __future__ import annotations

import errno
import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import tell

sandbox = typer.Typer(no_args_is_help=True, help="Rehearse real channels against stand-ins of their providers.")


class NoStandInError(RuntimeError):
    """The stand-in cannot be run from here.

    Args:
        missing: the module that is not there.
    """

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"the stand-in of the providers is part of a checkout, with its development packages, and {missing} "
            "is not here: clone the repository, run `make setup` there and then `.venv/bin/pushpull sandbox serve`"
        )


class PortTakenError(RuntimeError):
    """Somebody else answers on a port.

    Args:
        port: the one.
    """

    def __init__(self, port: int) -> None:
        super().__init__(f"something answers on port {port} already, perhaps another stand-in: choose another --port")


@sandbox.command()
def serve(
    port: Annotated[int, typer.Option(help="Where the providers answer; 0: any port that is free.")] = 8090,
    callbacks_to: Annotated[
        str, typer.Option(help="Where the web app listens: delivery reports are made there; empty: none.")
    ] = "",
) -> None:
    """Play SendGrid, Microsoft, Twilio and Slack on 127.0.0.1; Ctrl-C ends them."""
    process, variables = _standin("process"), _standin("variables")

    def ready(standin: Any) -> None:
        tell("# Providers are played on this machine. To point an installation at them:")
        for name, value in variables.variables(standin).items():
            tell(f"export {name}={shlex.quote(value)}")
        tell(f"# What they took: http://127.0.0.1:{standin.port}/   Ctrl-C ends them.")

    try:
        process.serve(port, callbacks_to=callbacks_to, told=ready)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortTakenError(port) from error


def _standin(module: str) -> Any:
    """A module of the checkout's tests, which no wheel has."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "tests" / "standin").is_dir():
        raise NoStandInError("tests/standin")
    if str(root) not in sys.path[:1]:
        sys.path.insert(0, str(root))  # first: other packages have been seen to install a folder called tests
    try:
        return import_module(f"tests.standin.{module}")
    except ModuleNotFoundError as error:
        raise NoStandInError(error.name or module) from error
