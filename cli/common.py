"""What all commands share: the terminal, common options, the installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from tasks.installation import Installation

out, err = Console(), Console(stderr=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
AsOf = Annotated[str, typer.Option(help="ISO 8601 instant with an offset; empty: now.")]
Why = Annotated[str, typer.Option(help="Why; kept in the audit log.")]
Who = Annotated[str, typer.Option(envvar="USER", help="Who decides; kept in the audit log.")]


def here() -> Installation:
    """The installation the settings describe, with its database up to date."""
    from tasks.installation import installation

    return installation()
