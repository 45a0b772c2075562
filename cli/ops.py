"""What a person decides about waves, campaigns, parked deliveries and replies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from cli.common import AsOf, Campaign, DryRun, Wave, Who, Why, here, out, tell

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pushpull.learners.segments import Segment

waves = typer.Typer(no_args_is_help=True, help="Look at waves, approve large ones, release held ones, re-run cohorts.")
campaigns = typer.Typer(no_args_is_help=True, help="Begin, pause, resume or cancel a campaign.")
#: As pushpull.ledger.rotations.CohortKind has them.
_Cohort = Literal["failed", "parked", "missed", "joined_since", "learners", "segment"]

parked = typer.Typer(no_args_is_help=True, help="Deliveries nobody knows the outcome of: a person decides.")
replies = typer.Typer(no_args_is_help=True, help="Replies that read like a refusal: a person says what was meant.")


@waves.command("list")
def list_waves(campaign: Annotated[str, typer.Argument(help="Key of a campaign; empty: all.")] = "") -> None:
    """Every wave and what became of it."""
    from pushpull.db import reading
    from pushpull.ledger.campaigns import campaign_id_of, paused_channels
    from pushpull.ledger.results import wave_results

    table = Table("campaign", "wave", "status", "audience", "result")
    with reading(here().engine) as connection:
        if campaign:
            campaign_id_of(connection, campaign)  # a mistyped key is an error, not an empty list
        for result in wave_results(connection, campaign_key=campaign or None):
            status = f"{result.status}: {result.status_reason}" if result.status_reason else result.status
            table.add_row(result.campaign_key, result.key, escape(status), str(result.audience), result.sentence())
        paused = paused_channels(connection, now=datetime.now(UTC))
    if table.rows:
        out.print(table)
    else:
        tell("no wave has been planned yet")
    for channel, why in paused.items():
        tell(f"{channel} is paused, its messages wait: {why}")


@waves.command("release")
def release_wave(campaign: Campaign, wave: Wave, who: Who, why: Why) -> None:
    """Let a held or paused wave go, e.g. one that is late; for an approval there is `wave approve`."""
    with _deciding(campaign, wave) as (connection, wave_id, now):
        from pushpull.ledger.campaigns import release_wave as release

        release(connection, wave_id, who=who, why=why, at=now)


@waves.command("pause")
def pause_wave(campaign: Campaign, wave: Wave, who: Who, why: Why) -> None:
    """Hand nothing of a wave over until it is released."""
    with _deciding(campaign, wave) as (connection, wave_id, now):
        from pushpull.ledger.campaigns import pause_wave as pause

        pause(connection, wave_id, who=who, why=why, at=now)


@waves.command("cancel")
def cancel_wave(campaign: Campaign, wave: Wave, who: Who, why: Why) -> None:
    """End a wave for good."""
    with _deciding(campaign, wave) as (connection, wave_id, now):
        from pushpull.ledger.campaigns import cancel_wave as cancel

        tell(f"{cancel(connection, wave_id, who=who, why=why, at=now)} deliveries called back")


@waves.command("rerun")
def rerun_wave(
    campaign: Campaign,
    wave: Wave,
    why: Why,
    who: Who,
    cohort: Annotated[
        _Cohort, typer.Option(help='Whom it is for; "learners" takes --learner, "segment" takes --segment.')
    ] = "failed",
    learner: Annotated[list[str] | None, typer.Option(help="External id, for the cohort learners.")] = None,
    segment: Annotated[
        Path | None,
        typer.Option(help="YAML or JSON file with a segment as in a campaign file, for the cohort segment."),
    ] = None,
    as_of: AsOf = "",
    dry_run: DryRun = False,
) -> None:
    """Plan a wave again for exactly the learners who need it, and show what that changes."""
    from flows.parameters import moment
    from pushpull.insights.rerun import rows
    from pushpull.ledger.rotations import Cohort, CohortKind
    from tasks.rerun import report_rerun, rerun_cohort

    here()
    chosen = Cohort(
        kind=CohortKind(cohort), external_ids=tuple(learner or ()), segment=_segment_in(segment) if segment else None
    )
    result = rerun_cohort(campaign, wave, chosen, moment(as_of), reason=why, requested_by=who, dry_run=dry_run)
    if result.changes:
        table = Table("before", "now", "learners")
        for before, after, count in rows(result.changes):
            table.add_row(escape(before), escape(after), f"{count:,}")
        out.print(table)
    for sentence in report_rerun(campaign, wave, chosen, result, dry_run=dry_run):
        tell(sentence)


def _segment_in(file: Path) -> Segment:
    from content.source import read_yaml
    from pushpull.learners.segments import SegmentError, parse_segment

    try:
        return parse_segment(read_yaml(file).data)
    except SegmentError as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="--segment") from error


def _campaign_command(verb: str, text: str) -> None:
    def decide(campaign: Campaign, who: Who, why: Why) -> None:
        from pushpull.db import writing
        from pushpull.ledger import campaigns as ledger

        with writing(here().engine) as connection:
            getattr(ledger, f"{verb}_campaign")(connection, campaign, who=who, why=why, at=datetime.now(UTC))
        tell(f"{campaign}: {verb} recorded")

    decide.__doc__ = text
    campaigns.command(verb)(decide)


_campaign_command("pause", "Hand nothing of a campaign over until it is resumed.")
_campaign_command("resume", "Let a paused or held campaign go on.")
_campaign_command("cancel", "End a campaign for good.")


@campaigns.command("copy")
def copy_campaign(
    source: Annotated[str, typer.Argument(help="Key of the campaign to begin from, e.g. two-minutes-a-day.")],
    key: Annotated[str, typer.Argument(help="Key of the new one.")],
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Its first local day.")],
    name: Annotated[str, typer.Option(help="As learners read it; the same as before where left out.")] = "",
) -> None:
    """Begin a campaign from another one: the same file under another key, with another start."""
    from content.campaign import load_campaign
    from content.campaign.copying import copy_campaign as copy
    from content.source import ContentError
    from pushpull.settings import settings

    folder = settings().content_dir
    file = copy(source, key, start.date(), folder, name=name)
    try:
        made = load_campaign(key, folder)
    except ContentError as problems:
        tell(f"{file} is written; what must be corrected in it now:\n{problems}")
        raise SystemExit(1) from problems
    tell(f"{file}: {made.name}, {made.start:%A %Y-%m-%d} to {made.ends_on}")
    if start.date().weekday() != load_campaign(source, folder).start.weekday():
        tell(f"{source} starts on another day of the week: look at its waves' days")


@parked.command("list")
def list_parked() -> None:
    """Parked deliveries, by id."""
    from pushpull.db import reading
    from pushpull.ledger.reconcile import parked as find

    with reading(here().engine) as connection:
        found = find(connection)
    for each in found:
        tell(f"{each.delivery_id}  {each.campaign_key}  {each.wave_key}  {each.external_id}")
    tell(f"{len(found)} parked")


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

    try:
        wave_id, rotation, learner_id = parse_delivery_id(delivery)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; `pushpull parked list` shows them", param_hint="DELIVERY") from error
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
    tell("recorded" if was_parked else "that delivery is not parked: nothing was changed")


@replies.command("list")
def list_replies() -> None:
    """Who wrote what reads like a refusal, and where; the words are with the provider, and not kept for long."""
    from pushpull.db import reading
    from pushpull.ledger.replies import refusals

    with reading(here().engine) as connection:
        found = refusals(connection)
    for each in found:
        tell(f"{each.at:%Y-%m-%d %H:%M} UTC  {each.channel}  {each.external_id}")
    tell(f"{len(found)} replies wait; nothing is sent to these learners there meanwhile")


@replies.command("decide")
def decide_about_reply(
    learner: Annotated[str, typer.Argument(help="External id, as `pushpull replies list` shows it.")],
    channel: Annotated[str, typer.Argument(help="email, teams, slack or sms.")],
    who: Who,
    why: Why,
    stop: Annotated[bool, typer.Option("--stop/--go-on", help="Whether they want no more messages there.")],
) -> None:
    """Say what a reply meant: no more messages on that channel, or nothing of the kind."""
    from pushpull.db import writing
    from pushpull.ledger.replies import decide

    with writing(here().engine) as connection:
        decide(connection, learner, channel, meant_stop=stop, who=who, why=why, at=datetime.now(UTC))
    tell(f"{learner}: no more messages on {channel}" if stop else f"{learner}: messages on {channel} go on")


@contextmanager
def _deciding(campaign: str, wave: str) -> Iterator[tuple[Connection, int, datetime]]:
    from pushpull.db import writing
    from pushpull.ledger.campaigns import wave_id_of

    with writing(here().engine) as connection:
        yield connection, wave_id_of(connection, campaign, wave), datetime.now(UTC)
    tell(f"{wave}: recorded")
