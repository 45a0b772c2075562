"""A provider for every channel on this machine, to rehearse real channels against."""

from __future__ import annotations

import errno
import shlex
from typing import Annotated, Any

import typer

from cli.common import tell

sandbox = typer.Typer(no_args_is_help=True, help="Rehearse real channels against stand-ins of their providers.")


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
    from deployments.providers import standin

    process, variables = standin("process"), standin("variables")

    def ready(played: Any) -> None:
        tell("# Providers are played on this machine. To point an installation at them:")
        for name, value in variables.variables(played).items():
            tell(f"export {name}={shlex.quote(value)}")
        tell(f"# What they took: http://127.0.0.1:{played.port}/   Ctrl-C ends them.")

    try:
        process.serve(port, callbacks_to=callbacks_to, told=ready)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortTakenError(port) from error
