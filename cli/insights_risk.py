"""`pushpull insights risk`: how well it can be foretold who will not complete, and how many are how likely not to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.common import AsOf, Campaign, here, out, tell
from cli.insights import insights

if TYPE_CHECKING:
    from pushpull.insights.risk import Risk


@insights.command("risk")
def risk(
    campaign: Campaign,
    as_of: AsOf = "",
    as_json: Annotated[bool, typer.Option("--json", help="For a machine.")] = False,
) -> None:
    """Recency rule and model side by side on campaigns that are over, which is used and why, and today's bands.

    Only what learners do is looked at, and nobody is named: groups below five are not shown.
    """
    from flows.parameters import moment
    from pushpull.db import reading
    from pushpull.insights.risk import risk as risk_of

    with reading(here().engine) as connection:
        found = risk_of(connection, campaign, as_of=moment(as_of))
    if as_json:
        import orjson

        typer.echo(orjson.dumps(found).decode())
        return
    _tell_trials(found)
    _tell_today(found)


def _tell_trials(found: Risk) -> None:
    if not found.trials:
        tell("No campaign is over that lasted long enough: how well it can be foretold is not known yet.")
        return
    table = Table("day", "at risk", "not completed", "AUC rule", "AUC model", "ECE rule", "ECE model", "used", "why")
    for each in found.trials:
        areas, rule, model = each.areas, each.rule, each.model
        table.add_row(
            str(each.day),
            "–" if each.people is None else str(each.people),
            "–" if each.failed is None else str(each.failed),
            f"{areas.first:.2f}" if areas else "–",
            f"{areas.second:.2f}" if areas else "–",
            f"{rule.error:.3f}" if rule else "–",
            f"{model.error:.3f}" if model else "–",
            each.used,
            each.why,
        )
    out.print(table)
    tell(f"Learned from campaigns that are over: {found.courses}. Tried on {found.trials[0].held_out}.")


def _tell_today(found: Risk) -> None:
    from pushpull.insights.risk.assessment import HIGH_DAYS, HIGH_SHARE, RAISED_DAYS, RAISED_SHARE
    from pushpull.insights.small_numbers import FEWEST

    today = found.today
    if today is None:
        tell("Nobody is at risk in this campaign today: it has not begun, is over, or everybody completed or left.")
        return
    by_share = {
        "low": f"below {RAISED_SHARE:.0%}",
        "raised": f"from {RAISED_SHARE:.0%}",
        "high": f"from {HIGH_SHARE:.0%}",
    }
    by_days = {
        "low": f"below {RAISED_DAYS} days",
        "raised": f"from {RAISED_DAYS} days",
        "high": f"from {HIGH_DAYS} days",
    }
    table = Table(f"risk on day {today.day}", "of not completing" if today.has_shares else "without activity", "people")
    for each in today.bands:
        meaning = (by_share if today.has_shares else by_days)[each.band]
        table.add_row(
            each.band, meaning, f"fewer than {FEWEST}, or hidden with them" if each.people is None else str(each.people)
        )
    out.print(table)
    tell(f"Used: {today.used}, because {today.why}.")
