"""`pushpull insights paths`: how the most engaged became so, and what works for whom. Correlations, and called so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.common import AsOf, Campaign, here, out, tell
from cli.insights import insights

if TYPE_CHECKING:
    from pushpull.insights.engagement import EngagementPaths, Lift, WhatWorks
    from pushpull.insights.proportions import Interval


@insights.command("paths")
def paths(
    campaign: Campaign,
    as_of: AsOf = "",
    as_json: Annotated[bool, typer.Option("--json", help="For a machine.")] = False,
) -> None:
    """Which early signs go with later engagement, the paths of the most engaged, and what people respond to.

    A correlation: nobody was drawn by lot to give a sign. Groups below five people are not shown.
    """
    from flows.parameters import moment
    from pushpull.db import reading
    from pushpull.insights.engagement import engagement_paths, what_works

    now = moment(as_of)
    with reading(here().engine) as connection:
        found = engagement_paths(connection, campaign, as_of=now)
        works = what_works(connection, campaign, as_of=now)
    if as_json:
        import orjson

        typer.echo(orjson.dumps({"paths": found, "what_works": works}).decode())
        return
    _tell_signals(found)
    _tell_paths(found)
    _tell_responses(works)


def _tell_signals(found: EngagementPaths) -> None:
    people, recent, gone = (_people(each) for each in (found.people, found.left_out.too_recent, found.left_out.gone))
    tell(
        f"{people} followed for {found.follow_up_days} days from day {found.landmark_days} on; "
        f"left out: {recent} reached too recently, {gone} gone or done by then."
    )
    table = Table("early sign", "with", "without", "more active days (correlation)", "alike before", "times", "said")
    for each in found.signals:
        said = each.why_not or ("stands out" if each.stands_out else "cannot tell")
        table.add_row(
            each.signal.words,
            "–" if each.given is None else str(each.given),
            "–" if each.missing is None else str(each.missing),
            _days(each.days.difference, each.days.interval) if each.days else "–",
            _days(each.days.adjusted, each.days.adjusted_interval) if each.days else "–",
            _times(each.days),
            said,
        )
    out.print(table)


def _tell_paths(found: EngagementPaths) -> None:
    if not found.paths:
        tell("No path was taken by five people or more on both sides.")
        return
    table = Table("first steps", "of the most engaged fifth", "of the rest", "difference (correlation)")
    for each in found.paths:
        steps = ", then ".join(step.words for step in each.steps) or "none of these"
        low, high = each.interval.low, each.interval.high
        table.add_row(
            steps,
            f"{each.engaged.share or 0:.0%}",
            f"{each.rest.share or 0:.0%}",
            f"{each.difference:+.0%} ({low:+.0%} to {high:+.0%})",
        )
    out.print(table)


def _tell_responses(works: WhatWorks) -> None:
    if not works.cells:
        tell("No message is old enough to say what people respond to.")
        return
    table = Table("channel", "local hours", "stage", "messages", "responded (shrunk)", "95 %")
    for cell in works.cells:
        rate = cell.rate
        where = (cell.channel, cell.hours, cell.stage, str(cell.messages))
        table.add_row(*where, f"{rate.mean:.1%}", f"{rate.interval.low:.1%} to {rate.interval.high:.1%}")
    out.print(table)
    for split in works.splits:
        for arm in split.arms:
            span = f" ({arm.interval.low:.1%} to {arm.interval.high:.1%})" if arm.interval else ""
            tell(f"{split.series}: “{arm.variant}” for everybody would be answered by {arm.value:.1%}{span}")
    for each in works.not_identified:
        tell(each)


def _people(count: int | None) -> str:
    return "a few people" if count is None else f"{count} people"


def _days(difference: float | None, interval: Interval | None) -> str:
    if difference is None or interval is None:
        return "–"
    return f"{difference:+.1f} ({interval.low:+.1f} to {interval.high:+.1f})"


def _times(lift: Lift | None) -> str:
    if lift is None or lift.ratio is None or lift.ratio_interval is None:
        return "–"
    return f"×{lift.ratio:.1f} ({lift.ratio_interval.low:.1f} to {lift.ratio_interval.high:.1f})"
