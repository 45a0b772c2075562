"""What a person decides about waves, campaigns, channels and parked deliveries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection

from cli.common import AsOf, DryRun, Who, Why, here, out

waves = typer.Typer(no_args_is_help=True, help="Look at waves, release held ones, re-run cohorts.")
campaigns = typer.Typer(no_args_is_help=True, help="Pause, resume or cancel a campaign.")
channels = typer.Typer(no_args_is_help=True, help="See paused channels, and resume them.")
parked = typer.Typer(no_args_is_help=True, help="Deliveries nobody knows the outcome of: a person decides.")


@waves.command("list")
def list_waves(campaign: Annotated[str, typer.Argument(help="Key of a campaign; empty: all.")] = "") -> None:
    """Every wave and what became of it."""
    from pushpull.db import reading
    from pushpull.ledger.results import wave_results

    table = Table("campaign", "wave", "status", "audience", "result")
    with reading(here().engine) as connection:
        for result in wave_results(connection, campaign_key=campaign or None):
            status = f"{result.status}: {result.status_reason}" if result.status_reason else result.status
            table.add_row(result.campaign_key, result.key, status, str(result.audience), result.sentence())
    out.print(table)


@waves.command("release")
def release_wave(campaign: str, wave: str, who: Who, why: Why) -> None:
    """Let a held or paused wave go: an approval, or "send it although it is late"."""
    with _deciding(campaign, wave) as (connection, wave_id, now):
        from pushpull.ledger.campaigns import release_wave as release

        release(connection, wave_id, who=who, why=why, at=now)


@waves.command("pause")
def pause_wave(campaign: str, wave: str, who: Who, why: Why) -> None:
    """Hand nothing of a wave over until it is released."""
    with _deciding(campaign, wave) as (connection, wave_id, now):
        from pushpull.ledger.campaigns import pause_wave as pause

        pause(connection, wave_id, who=who, why=why, at=now)


@waves.command("cancel")
def cancel_wave(campaign: str, wave: str, who: Who, why: Why) -> None:
    """End a wave for good."""
    with _deciding(campaign, wave) as (connection, wave_id, now):
        from pushpull.ledger.campaigns import cancel_wave as cancel

        out.print(f"{cancel(connection, wave_id, who=who, why=why, at=now)} deliveries called back")


@waves.command("rerun")
def rerun_wave(
    campaign: str,
    wave: str,
    why: Why,
    who: Who,
    cohort: Annotated[str, typer.Option(help="failed, parked, missed, joined_since or learners.")] = "failed",
    learner: Annotated[list[str] | None, typer.Option(help="External id, for the cohort learners.")] = None,
    as_of: AsOf = "",
    dry_run: DryRun = False,
) -> None:
    """Plan a wave again for exactly the learners who need it."""
    from flows.parameters import moment
    from pushpull.ledger.rotations import Cohort, CohortKind
    from tasks.rerun import rerun_cohort

    here()
    chosen = Cohort(kind=CohortKind(cohort), external_ids=tuple(learner or ()))
    result = rerun_cohort(campaign, wave, chosen, moment(as_of), reason=why, requested_by=who, dry_run=dry_run)
    skipped = ", ".join(f"{count} {reason}" for reason, count in result.by_reason.items()) or "nobody"
    number = f"rotation {result.rotation}" if result.rotation is not None else "no rotation made"
    out.print(f"{number}: {result.planned} will be sent to, skipped: {skipped}", highlight=False)


def _campaign_command(verb: str, text: str) -> None:
    def decide(campaign: str, who: Who, why: Why) -> None:
        from pushpull.db import writing
        from pushpull.ledger import campaigns as ledger

        with writing(here().engine) as connection:
            getattr(ledger, f"{verb}_campaign")(connection, campaign, who=who, why=why, at=datetime.now(UTC))
        out.print(f"{campaign}: {verb} recorded")

    decide.__doc__ = text
    campaigns.command(verb)(decide)


_campaign_command("pause", "Hand nothing of a campaign over until it is resumed.")
_campaign_command("resume", "Let a paused or held campaign go on.")
_campaign_command("cancel", "End a campaign for good.")


@channels.command("list")
def list_channels() -> None:
    """Channels that are paused, and why."""
    from pushpull.db import reading
    from pushpull.ledger.campaigns import paused_channels

    with reading(here().engine) as connection:
        paused = paused_channels(connection, now=datetime.now(UTC))
    for channel, reason in paused.items():
        out.print(f"{channel}: {reason}", highlight=False)
    if not paused:
        out.print("no channel is paused")


@channels.command("resume")
def resume_channel(channel: str) -> None:
    """Let a stopped channel go on."""
    from pushpull.db import writing
    from pushpull.ledger.campaigns import resume_channel as resume

    with writing(here().engine) as connection:
        resume(connection, channel)
    out.print(f"{channel}: resumed")


@parked.command("list")
def list_parked() -> None:
    """Parked deliveries, by id."""
    from pushpull.db import reading
    from pushpull.ledger.reconcile import parked as find

    with reading(here().engine) as connection:
        found = find(connection)
    for each in found:
        out.print(f"{each.delivery_id}  {each.campaign_key}  {each.wave_key}  {each.external_id}", highlight=False)
    out.print(f"{len(found)} parked")


@parked.command("resolve")
def resolve_parked(
    delivery: Annotated[str, typer.Argument(help="Its id, as `pushpull parked list` shows it.")],
    who: Who,
    received: Annotated[bool, typer.Option("--received/--send-again", help="What you found out or decided.")],
) -> None:
    """Say that a parked delivery was received, or have it sent again."""
    from pushpull.db import writing
    from pushpull.ledger.messages import parse_delivery_id
    from pushpull.ledger.reconcile import resolve_parked as resolve

    wave_id, rotation, learner_id = parse_delivery_id(delivery)
    with writing(here().engine) as connection:
        was_parked = resolve(
            connection,
            wave_id=wave_id,
            rotation=rotation,
            learner_id=learner_id,
            was_received=received,
            who=who,
            now=datetime.now(UTC),
        )
    out.print("recorded" if was_parked else "that delivery is not parked: nothing was changed")


@contextmanager
def _deciding(campaign: str, wave: str) -> Iterator[tuple[Connection, int, datetime]]:
    from pushpull.db import writing
    from pushpull.ledger.campaigns import wave_id_of

    with writing(here().engine) as connection:
        yield connection, wave_id_of(connection, campaign, wave), datetime.now(UTC)
    out.print(f"{wave}: recorded")
