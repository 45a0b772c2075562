"""`pushpull item compare`: up to three items side by side, as learners see them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.common import AsOf, here, out
from cli.peers import items


@items.command("compare")
def compare(
    keys: Annotated[list[str] | None, typer.Argument(help="Keys of two or three items of the catalogue.")] = None,
    learner: Annotated[
        str, typer.Option("--learner", help="External id: compare what would be picked for them now.")
    ] = "",
    as_of: AsOf = "",
) -> None:
    """Show items side by side: minutes, level, format, language, rating, topics, what comes before."""
    from flows.parameters import moment
    from pushpull.catalogue.comparison import compare as side_by_side
    from pushpull.catalogue.comparison import ids_of, ids_picked_for
    from pushpull.db import reading

    if bool(keys) == bool(learner):
        raise typer.BadParameter("say either which items, or --learner")
    now = moment(as_of)
    with reading(here().engine) as connection:
        wanted = ids_picked_for(connection, learner, as_of=now) if learner else ids_of(connection, keys or [])
        found = side_by_side(connection, wanted, now=now)
    table = Table("", *(escape(each.title) for each in found.options))
    for name, values in {
        "minutes": ["unknown" if each.minutes is None else f"{each.minutes:g}" for each in found.options],
        "level": [each.level or "unknown" for each in found.options],
        "format": [each.format or "unknown" for each in found.options],
        "language": [each.language or "unknown" for each in found.options],
        "rating": [
            f"{each.rating.stars:g} of 5 ({each.rating.raters})" if each.rating else "too few" for each in found.options
        ],
        "about": [", ".join(each.topics) or "unknown" for each in found.options],
        "first": [", ".join(each.requires) or "nothing" for each in found.options],
        "open now": ["yes" if each.is_open else "no" for each in found.options],
    }.items():
        table.add_row(name, *(escape(value) for value in values))
    out.print(table)
