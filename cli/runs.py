"""`pushpull run`: a flow here and now, without a Prefect server."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from cli.common import AsOf, Campaign, DryRun, here, out, tell

runs = typer.Typer(no_args_is_help=True, help="Run a flow here and now, without a Prefect server.")

Learners = Annotated[list[str] | None, typer.Option("--learner", help="External id: only for these learners.")]


def _stage_command(stage: str, text: str) -> None:
    def run(campaign: Campaign, as_of: AsOf = "", dry_run: DryRun = False, learner: Learners = None) -> None:
        from importlib import import_module

        here()
        flow = getattr(import_module(f"flows.{stage}"), stage)
        plans = asyncio.run(flow.fn(campaign=campaign, as_of=as_of, dry_run=dry_run, cohort=learner or []))
        table = Table("wave", "audience", "planned", "skipped", "status")
        for plan in plans:
            skipped = ", ".join(f"{count} {reason}" for reason, count in plan.by_reason.items())
            table.add_row(plan.key, str(plan.audience), str(plan.planned), skipped, str(plan.status))
        if plans:
            out.print(table)
        else:
            tell(f"no {stage} wave is planned for that day")

    run.__doc__ = text
    runs.command(stage)(run)


for _stage, _text in {
    "launch": "Date everybody's goals and plan the launch waves of the day.",
    "onboarding": "Plan the onboarding waves of the day: invitation, recovery, resume.",
    "recommendations": "Plan the recommendation waves of the day.",
    "reengagement": "Plan the re-engagement waves of the day, for those who fell silent.",
    "habit": "Plan the daily nudges and the reminders at a cue, for those who asked for them.",
    "champions": "Relieve champions, plan the invitations of the day, and post thanks to those who agreed.",
}.items():
    _stage_command(_stage, _text)


@runs.command("dispatch")
def run_dispatch(as_of: AsOf = "", dry_run: DryRun = False, learner: Learners = None) -> None:
    """Send what is due."""
    from flows.dispatch import dispatch

    here()
    results = asyncio.run(dispatch.fn(as_of=as_of, dry_run=dry_run, cohort=learner or []))
    for result in results:
        tell(f"{result.campaign_key} {result.key}: {result.sentence()}")
    if not results:
        tell("nothing is due")


@runs.command("sync")
def run_sync(
    as_of: AsOf = "",
    dry_run: DryRun = False,
    learner: Learners = None,
    source: Annotated[str, typer.Option(help="xAPI file or URL.")] = "",
) -> None:
    """Fold activity into progress and lifecycles; settle deliveries nobody has heard of."""
    from flows.sync import sync

    here()
    moves = asyncio.run(sync.fn(as_of=as_of, dry_run=dry_run, cohort=learner or [], source=source))
    for campaign, moved in moves.items():
        tell(f"{campaign}: {', '.join(f'{count} {move}' for move, count in moved.items()) or 'nobody moved'}")
