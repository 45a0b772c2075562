"""`pushpull setup`: make the providers' accounts and the Prefect server ready for real channels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.common import DryRun, here, tell

setup = typer.Typer(no_args_is_help=True, help="Make providers' accounts and credentials ready (docs/channels.md).")


@setup.command("sendgrid")
def set_up_sendgrid(
    webhook: Annotated[
        bool, typer.Option("--webhook", help="Point the signed event webhook at PUSHPULL_BASE_URL too.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Make one unsubscribe group per message family in use; running it again changes nothing."""
    from tasks.providers import set_up_sendgrid as set_up

    done = set_up(here(), at=datetime.now(UTC), with_webhook=webhook, dry_run=dry_run)
    for family, number in sorted(done.groups.items()):
        tell(f"{family}: unsubscribe group {number}, {'made' if family in done.made else 'there already'}")
    if dry_run:
        for family in done.made:
            tell(f"{family}: would be looked for at SendGrid, and made if it is not there")
    if not done.groups and not done.made:
        tell("no campaign, so no message family: nothing to make")
    if done.webhook_url:
        tell(f"events go to {done.webhook_url}, signed; set:\nPUSHPULL_SENDGRID_WEBHOOK_KEY={done.webhook_key}")


@setup.command("teams")
def set_up_teams(
    limit: Annotated[int, typer.Option(help="For at most so many people; 0: everybody.", min=0)] = 0,
    dry_run: DryRun = False,
) -> None:
    """Install the bot's app for learners whose Teams it cannot reach yet; running it again goes on where it ended."""
    from rich.progress import Progress

    from cli.common import err
    from tasks.providers import install_for, people_without_the_bot

    people = people_without_the_bot(here())
    chosen = people[:limit] if limit else people
    if dry_run or not chosen:
        tell(f"{len(people)} learners whose Teams the bot cannot reach yet; nothing was installed")
        return
    with Progress(console=err, transient=True) as bar:
        working = bar.add_task("installing", total=len(chosen))
        counts = install_for(here(), chosen, told=lambda _what: bar.advance(working))
    for became, count in sorted(counts.items()):
        tell(f"{became.replace('_', ' ')}: {count}")
    if left := len(people) - sum(counts.values()) + counts.get("later", 0):
        tell(f"{left} are left: run it again")


@setup.command("blocks")
def set_up_blocks(
    name: Annotated[str, typer.Option(help="Of the blocks; then set PUSHPULL_CREDENTIALS_BLOCK to it.")] = "pushpull",
) -> None:
    """Register the types of credential blocks on the Prefect server, and save the present variables in blocks."""
    from channels.credentials import BLOCKS, save_blocks
    from pushpull.settings import settings

    saved = save_blocks(settings(), name)
    tell(f"{len(BLOCKS)} types of blocks registered")
    for channel in saved:
        tell(f"{channel}: saved as {BLOCKS[channel].get_block_type_slug()}/{name}")
    if saved:
        tell(f"set PUSHPULL_CREDENTIALS_BLOCK={name} wherever Pushpull runs, and take the variables away")
    else:
        tell("no credentials are set in PUSHPULL_ variables: fill in the blocks in the Prefect UI")


@setup.command("prefect")
def set_up_prefect(
    notify: Annotated[
        str,
        typer.Option(help="Block that tells people what automations find, e.g. slack-webhook/ops; empty: as it is."),
    ] = "",
    dry_run: DryRun = False,
) -> None:
    """Make the automations, switches, work pool and block types on the Prefect server; again changes nothing."""
    import asyncio

    from deployments.furnishing import furnish
    from pushpull.db import reading
    from pushpull.ledger.switches import switches

    with reading(here().engine) as connection:
        present = switches(connection)
    done = asyncio.run(furnish(present, notify=notify, dry_run=dry_run))
    for what, outcome in done.items():
        tell(f"{what}: {'would be ' if dry_run and outcome != 'there already' else ''}{outcome}")
    if not notify and "made" in done.values():
        tell("to be told by a message: make a notification block in the Prefect UI, then `--notify TYPE/NAME`")
