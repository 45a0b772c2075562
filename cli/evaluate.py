"""`pushpull evaluate`: how good recommendations are on the past of this installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.common import AsOf, here, out, tell

if TYPE_CHECKING:
    from pushpull.catalogue.evaluation import Estimate, Evaluation


def evaluate(
    k: Annotated[int, typer.Option("--k", help="Length of the lists.", min=1, max=100)] = 10,
    seed: Annotated[int, typer.Option(help="Of the bootstrap; the same seed gives the same figures.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    as_of: AsOf = "",
) -> None:
    """Let the recommender foresee what learners completed last, against recommending what is popular."""
    from flows.parameters import moment
    from pushpull.catalogue.evaluation import evaluate as measure
    from pushpull.db import reading

    with reading(here().engine) as connection:
        found = measure(connection, as_of=moment(as_of), k=k, seed=seed)
    if as_json:
        typer.echo(_as_json(found))
        return
    if found.recommender and found.popularity and found.ndcg_gain:
        table = Table(f"lists of {found.k}", "recommender", "popularity")
        ours, theirs = found.recommender, found.popularity
        table.add_row("hit rate", _said(ours.hit_rate), _said(theirs.hit_rate))
        table.add_row("NDCG", _said(ours.ndcg), _said(theirs.ndcg))
        table.add_row("catalogue covered", f"{ours.coverage:.0%}", f"{theirs.coverage:.0%}")
        table.add_row("from the long tail", f"{ours.tail_share:.0%}", f"{theirs.tail_share:.0%}")
        out.print(table)
        tell(f"gain in NDCG: {_said(found.ndcg_gain)}, 95 % intervals by bootstrap over learners")
    data = f"{found.learners} learners, {found.items} items on offer, {found.completions} known completions"
    off = "" if found.uses_together else "; too few to go by what is finished together"
    tell(f"{data}{off}")
    tell(found.in_words)


def _said(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _as_json(found: Evaluation) -> str:
    from dataclasses import asdict

    import orjson

    return orjson.dumps({**asdict(found), "in_words": found.in_words}, option=orjson.OPT_INDENT_2).decode()
