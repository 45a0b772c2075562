"""What all commands share: the terminal, common options, the installation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from tasks.installation import Installation

#: Where nobody looks through a window, in a pipe or a file, a table need not fit into one.
_WIDTH = None if sys.stdout.isatty() else 200

out, err = Console(width=_WIDTH), Console(stderr=True, soft_wrap=True)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("an auditor will read it: say something")
    return text


DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
AsOf = Annotated[str, typer.Option(help="ISO 8601 instant with an offset; empty: now.")]
Campaign = Annotated[str, typer.Argument(help="Key of a campaign, e.g. two-minutes-a-day.")]
Wave = Annotated[str, typer.Argument(help="Key of a wave, as `pushpull wave list` shows it.")]
Why = Annotated[str, typer.Option(help="Why; kept in the audit log.", callback=_not_blank)]
Who = Annotated[str, typer.Option(envvar="USER", help="Who decides; kept in the audit log.", callback=_not_blank)]


class NotConfiguredError(ValueError):
    """The settings describe no installation."""


def here() -> Installation:
    """The installation the settings describe, with its database up to date.

    Raises:
        NotConfiguredError: they name a database that is none.
    """
    from pydantic import ValidationError

    from tasks.installation import installation

    try:
        return installation()
    except ValidationError:
        raise
    except ValueError as error:
        raise NotConfiguredError(str(error)) from error


def tell(text: str) -> None:
    """Print a text as it is: words of people and names of files are no markup, and lines are not broken."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)
