"""`pushpull insights dropoff`: the sections from which people leave, worst first."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.common import AsOf, here, out, tell
from cli.insights import insights

if TYPE_CHECKING:
    from pushpull.insights.dropoff import DropOff


@insights.command("dropoff")
def dropoff(
    campaign: Annotated[str, typer.Argument(help="Key of a campaign; left out with --item.")] = "",
    item: Annotated[
        str, typer.Option("--item", help="One item of the catalogue, whatever campaign brought them.")
    ] = "",
    as_of: AsOf = "",
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for a machine.")] = False,
) -> None:
    """Where more people leave than kind, place and item explain, and what may be done about it."""
    from flows.parameters import moment
    from pushpull.db import reading
    from pushpull.insights.dropoff import drop_off, item_drop_off

    if bool(campaign) == bool(item):
        raise typer.BadParameter("name a campaign, or an item with --item")
    now = moment(as_of) if as_of else datetime.now(UTC)
    with reading(here().engine) as connection:
        found = item_drop_off(connection, item, as_of=now) if item else drop_off(connection, campaign, as_of=now)
    if as_json:
        import orjson

        typer.echo(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2).decode())
        return
    _print(found)


def _print(found: DropOff) -> None:
    if found.reason is not None:
        tell(f"{found.subject}: cannot tell: {found.reason}")
        return
    if not found.spots:
        tell(f"{found.subject}: no section stands out of {len(found.sections)}; {found.learners} learners were seen")
        return
    table = Table("item", "section", "reached", "left", "expected", "too many", "q", "what may be done")
    for spot in found.spots:
        section = spot.section
        low, high = spot.excess_interval.low, spot.excess_interval.high
        table.add_row(
            escape(section.item_key),
            escape(section.title),
            str(section.reached),
            f"{section.leavers:.0f}",
            f"{section.expected:.1f}",
            f"{spot.excess:.0f} ({low:.0f} to {high:.0f})",
            f"{spot.q_value:.3f}",
            escape(f"{spot.remedy.value.replace('_', ' ')}: {spot.proposal}"),
        )
    out.print(table)
    tell(
        f"{len(found.spots)} of {len(found.sections)} sections stand out; {found.learners} learners were seen; "
        f"{len(found.navigation)} pages only lead to others and are never blamed"
    )
