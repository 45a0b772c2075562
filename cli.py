"""The `pushpull` command: a front door without logic of its own."""

from __future__ import annotations

import typer

app = typer.Typer(name="pushpull", no_args_is_help=True, pretty_exceptions_show_locals=False)


def main() -> None:
    """Run the command line."""
    app()
