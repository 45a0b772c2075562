"""`pushpull forecast`: what to expect of a campaign before it begins, and afterwards how good that was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from typer.core import TyperGroup

from cli.common import AsOf, Campaign, err, here, out, tell

_MAKE = "make"
_Json = Annotated[bool, typer.Option("--json", help="For a machine.")]


class _OrMake(TyperGroup):
    """A group whose first word may be a campaign: then one is made."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Take what is no command for the campaign of :func:`make`."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = [_MAKE, *args]
        return super().resolve_command(ctx, args)


forecasts = typer.Typer(
    cls=_OrMake,
    no_args_is_help=True,
    help="Play a campaign in simulated time: `pushpull forecast CAMPAIGN`; afterwards `forecast compare CAMPAIGN`.",
)


@forecasts.command(_MAKE)
def make(
    campaign: Campaign,
    runs: Annotated[int, typer.Option(help="Simulated runs; 20 give 90 % intervals.", min=2, max=200)] = 20,
    seed: Annotated[int, typer.Option(help="The same seed gives the same forecast.")] = 1,
    days: Annotated[int, typer.Option(help="Only so many days of it; 0: all that are left.", min=0)] = 0,
    processes: Annotated[int, typer.Option(help="At the same time; 0: one per core.", min=0)] = 0,
    as_of: AsOf = "",
    as_json: _Json = False,
) -> None:
    """Say what to expect of a campaign: messages, cost, load, funnel; nothing is sent."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from flows.forecasting import Asked, make_forecast
    from flows.parameters import moment
    from pushpull.insights.forecast import text
    from tasks.forecast import keep_forecast

    home, now = here(), moment(as_of)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        playing = bar.add_task("simulated runs", total=runs)
        made = make_forecast(
            home,
            Asked(campaign, now, runs=runs, seed=seed, days=days, processes=processes),
            on_run=lambda done, _: bar.update(playing, completed=done),
        )
    keep_forecast(made, now)
    if as_json:
        typer.echo(json.dumps({"figures": made.as_json(), "parameters": made.parameters.as_json()}))
        return
    tell(text.headline(made))
    for line in text.remarks(made):
        tell(line)
    _print("Funnel", text.step_rows(made))
    _print("Channels", text.channel_rows(made))
    _print("Waves", text.wave_rows(made))
    _print("Days (UTC)", text.day_rows(made))
    _print("What is assumed of people", text.parameter_rows(made))


@forecasts.command("compare")
def compare(campaign: Campaign, as_of: AsOf = "", as_json: _Json = False) -> None:
    """Hold the latest forecast of a campaign against what has happened since."""
    from flows.parameters import moment
    from pushpull.insights.forecast import text
    from tasks.forecast import compare_forecast

    here()
    found = compare_forecast(campaign, moment(as_of))
    if as_json:
        typer.echo(json.dumps(found.as_json()))
        return
    tell(text.verdict(found))
    if found.waves:
        _print("Forecast and what happened", text.compared_rows(found))


def _print(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    if not rows:
        return
    table = Table(*rows[0], title=title, title_justify="left")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    out.print(table)
