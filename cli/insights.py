"""`pushpull insights`: what was found out about campaigns, and what people decide about it."""

from __future__ import annotations

import typer

insights = typer.Typer(no_args_is_help=True, help="What works, for whom, where people stop, and what to change.")
