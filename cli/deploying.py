"""`pushpull deploy` and `pushpull undeploy`: the timelines of campaigns as schedules of a Prefect server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.common import Campaign, out, tell

if TYPE_CHECKING:
    from deployments.deploying import Outcome
    from deployments.timelines import Deployed

Diff = Annotated[bool, typer.Option("--diff", help="Say what would change on the server, and change nothing.")]


def deploy(
    campaign: Annotated[str, typer.Argument(help="Key of a campaign; empty: say what is deployed.")] = "",
    diff: Diff = False,
    every: Annotated[bool, typer.Option("--all", help="All campaigns that are not over.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Say what is deployed, and when it runs next.")] = False,
) -> None:
    """Turn a campaign's file into schedules, one for every wave; again, only what changed is changed."""
    from deployments import deploying
    from pushpull.settings import settings

    folder, now = settings().content_dir, datetime.now(UTC)
    if every:
        outcomes = asyncio.run(deploying.deploy_all(folder, now, is_rehearsal=diff))
        for outcome in outcomes:
            _tell(outcome, is_rehearsal=diff)
        if not outcomes:
            tell("every campaign of the content folder is over: nothing to deploy")
        raise SystemExit(any(outcome.refused for outcome in outcomes))
    if campaign and not list_:
        _tell(asyncio.run(deploying.deploy(campaign, folder, now, is_rehearsal=diff)), is_rehearsal=diff)
    else:
        _list(campaign)


def undeploy(campaign: Campaign, diff: Diff = False) -> None:
    """Remove a campaign's schedules; what was planned already stays planned."""
    from deployments import deploying
    from pushpull.settings import settings

    outcome = asyncio.run(deploying.undeploy(campaign, settings().content_dir, is_rehearsal=diff))
    _tell(outcome, is_rehearsal=diff)
    tell(
        "waves that are planned already stay and are sent; to stop them too: "
        f"`pushpull campaign pause {campaign}`, or `pushpull campaign cancel {campaign}` for good"
    )


def _tell(outcome: Outcome, *, is_rehearsal: bool) -> None:
    key = outcome.timeline.campaign
    if outcome.refused:
        tell(outcome.refused)
        return
    for each in outcome.changes:
        tell(str(each))
    for over in outcome.timeline.over:
        tell(
            f"over: {over.stage} {over.wave}: was to be planned by {over.days[-1]:%a %d %b %Y} {over.at:%H:%M} "
            f"({over.timezone}), so no schedule would fire; to plan it all the same: "
            f"`pushpull run {over.stage} {key} --as-of INSTANT`"
        )
    same = len(outcome.differences) - len(outcome.changes)
    verb = "would change" if is_rehearsal else "changed"
    tell(f"{key}: {len(outcome.changes)} schedules {verb}, {same} as they were")


def _list(campaign: str) -> None:
    from zoneinfo import ZoneInfo

    from content.campaign import rule_in_words

    table = Table("campaign", "wave", "planned", "next run")
    for each in asyncio.run(_deployed(campaign)):
        zone = ZoneInfo(each.timezone)
        following = f"{each.next_run.astimezone(zone):%a %d %b %Y %H:%M %Z}" if each.next_run else "none"
        planned = f"{rule_in_words(each.rule)} ({each.timezone})"
        table.add_row(each.campaign, f"{each.stage} {each.wave}", planned, following if each.is_active else "paused")
    if table.rows:
        out.print(table)
    else:
        tell("nothing is deployed; `pushpull deploy CAMPAIGN` deploys a campaign of the content folder")


async def _deployed(campaign: str) -> list[Deployed]:
    from deployments.prefect_api import prefect_server
    from deployments.schedules import deployed

    async with prefect_server() as client:
        return await deployed(client, campaign=campaign)
