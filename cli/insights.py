"""`pushpull insights`: what was found out about campaigns, and what people decide about it.

Here is the loop: what was found, what it proposes, who decided what. Other modules hang their commands on the group.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.common import AsOf, Campaign, Who, Why, here, out, tell

if TYPE_CHECKING:
    from pushpull.insights.loop import Chain

insights = typer.Typer(no_args_is_help=True, help="What works, for whom, where people stop, and what to change.")

_Number = Annotated[int, typer.Argument(help="Number of a proposal, as `pushpull insights proposals` shows it.", min=1)]
_Json = Annotated[bool, typer.Option("--json", help="As JSON, for a machine.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")]


@insights.command("list")
def list_insights(campaign: Campaign, as_json: _Json = False) -> None:
    """What was found about a campaign, the latest first, and what was made of it."""
    from pushpull.db import reading
    from pushpull.insights.loop import chains_of

    with reading(here().engine) as connection:
        chains = chains_of(connection, campaign)
    if as_json:
        tell(json.dumps([_as_data(each) for each in chains], ensure_ascii=False, indent=2))
        return
    table = Table("insight", "kind", "seen", "what", "proposal", "came to")
    for each in chains:
        found = each.insight
        tried = [f"{one.proposal.id} {one.proposal.state.value}" for one in each.tried]
        came_to = [measured.said.value for one in each.tried for measured in one.measurements]
        kind, seen = found.kind.value.replace("_", " "), f"{found.seen_at:%Y-%m-%d}"
        table.add_row(str(found.id), kind, seen, escape(found.headline), ", ".join(tried), ", ".join(came_to))
    if table.rows:
        out.print(table)
    else:
        tell("nothing has been found yet: `pushpull insights look` looks")


@insights.command("look")
def look(
    campaign: Annotated[str, typer.Argument(help="Key of a campaign; empty: all.")] = "",
    as_of: AsOf = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be found, and keep nothing.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Without what fits models.")] = False,
) -> None:
    """Do now what the insights flow does every morning: learn, look, propose, measure."""
    import asyncio

    from flows.insights import insights as flow
    from flows.parameters import moment

    here()
    at = moment(as_of).isoformat()
    done = asyncio.run(flow.fn(campaign=campaign, as_of=at, dry_run=dry_run, thorough=not quick))
    for key, counts in done.items():
        tell(f"{key}: {counts['found']} found, {counts['proposed']} proposed, {counts['measured']} measured")
    if not done:
        tell("no campaign is in the ledger yet")


@insights.command("proposals")
def list_proposals(campaign: Annotated[str, typer.Argument(help="Key of a campaign; empty: all.")] = "") -> None:
    """Changes of campaign files that were proposed, and what became of them."""
    from pushpull.db import reading
    from pushpull.insights.loop import proposals
    from pushpull.ledger.campaigns import campaign_id_of

    table = Table("proposal", "campaign", "state", "what", "who", "made")
    with reading(here().engine) as connection:
        if campaign:
            campaign_id_of(connection, campaign)  # a mistyped key is an error, not an empty list
        for each in proposals(connection, campaign_key=campaign):
            made = f"{each.made_at:%Y-%m-%d}"
            why = escape(each.change.why)
            table.add_row(str(each.id), each.campaign_key, each.state.value, why, escape(each.who or ""), made)
    if table.rows:
        out.print(table)
    else:
        tell("nothing has been proposed yet")


@insights.command("show")
def show(number: _Number, as_of: AsOf = "") -> None:
    """A proposal with its evidence, its diff, and what it came to."""
    _shown(number, as_of)


@insights.command("approve")
def approve(number: _Number, who: Who, why: Why, as_of: AsOf = "", yes: _Yes = False) -> None:
    """Approve a proposal: the campaign's file is changed as its diff says."""
    _decide(number, who=who, why=why, as_of=as_of, yes=yes, is_approved=True)


@insights.command("reject")
def reject(number: _Number, who: Who, why: Why, as_of: AsOf = "", yes: _Yes = False) -> None:
    """Reject a proposal: the file stays as it is, and nobody is asked about it for four weeks."""
    _decide(number, who=who, why=why, as_of=as_of, yes=yes, is_approved=False)


@insights.command("pull")
def pull(campaign: Campaign, as_of: AsOf = "", as_json: _Json = False) -> None:
    """The share of visits that no message caused, week by week, and how hard the campaign pushed."""
    from flows.parameters import moment
    from pushpull.db import reading
    from pushpull.insights.pull import pull_weeks

    with reading(here().engine) as connection:
        weeks = pull_weeks(connection, campaign, as_of=moment(as_of))
    if as_json:
        data = [
            {
                "from": each.begins.isoformat(),
                "is_whole": each.is_whole,
                "learners": each.learners,
                "visits": each.visits,
                "unprompted": each.unprompted,
                "share": each.share,
                "intensity": each.rung_in_words,
            }
            for each in weeks
        ]
        tell(json.dumps(data, indent=2))
        return
    table = Table("week from", "learners", "visits", "unprompted", "pull share", "intensity")
    for each in weeks:
        numbers = [str(value) if value is not None else "·" for value in (each.learners, each.visits, each.unprompted)]
        share = f"{each.share:.0%}" if each.share is not None else "·"
        begins = f"{each.begins:%Y-%m-%d}" + ("" if each.is_whole else " (not over)")
        table.add_row(begins, *numbers, share, each.rung_in_words)
    out.print(table)
    tell("· stands for fewer than 5 learners; a visit counts as caused by a message within 48 hours before it")


def _decide(number: int, *, who: str, why: str, as_of: str, yes: bool, is_approved: bool) -> None:
    from flows.parameters import moment
    from tasks.proposals import decide

    shown = _shown(number, as_of)
    if not yes:
        typer.confirm("Approve it?" if is_approved else "Reject it?", abort=True)
    now = moment(as_of, live=True)
    tell(decide(number, is_approved=is_approved, shown=shown, who=who, why=why, as_of=now).said)


def _shown(number: int, as_of: str) -> str:
    """Tell a proposal as it would be made now.

    Returns:
        The hash of what was shown.
    """
    from flows.parameters import moment
    from tasks.proposals import asked_about

    here()
    chain = asked_about(number, moment(as_of, live=True))
    which = chain.tried[0].proposal
    tell(f"proposal {which.id} for {which.campaign_key}, {which.state.value}: {which.change.why}")
    tell(f"from insight {chain.insight.id}: {chain.insight.headline}")
    tell(which.diff.rstrip())
    for each in chain.tried[0].measurements:
        tell(f"came to: {each.said.value} ({each.metric})")
    return which.content_hash


def _as_data(chain: Chain) -> dict[str, object]:
    found = chain.insight
    return {
        "insight": found.id,
        "kind": found.kind.value,
        "subject": found.subject,
        "headline": found.headline,
        "evidence": dict(found.evidence),
        "found_at": found.found_at.isoformat(),
        "seen_at": found.seen_at.isoformat(),
        "proposals": [
            {
                "proposal": each.proposal.id,
                "state": each.proposal.state.value,
                "diff": each.proposal.diff,
                "measurements": [
                    {"said": one.said.value, "metric": one.metric, "figures": dict(one.figures)}
                    for one in each.measurements
                ],
            }
            for each in chain.tried
        ],
    }
