"""`pushpull channel`: who carries what, whether it works, and stopping and resuming it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.common import Who, Why, here, out, tell
from pushpull.learners.vocabulary import Channel

channels = typer.Typer(no_args_is_help=True, help="See, check, pause and resume the channels.")

#: Who carries a channel where it is not the sandbox.
_PROVIDERS = {Channel.EMAIL: "SendGrid", Channel.TEAMS: "Microsoft", Channel.SMS: "Twilio", Channel.SLACK: "Slack"}

_Channel = Annotated[Channel, typer.Argument(help="Which one.")]


@channels.command("list")
def list_channels() -> None:
    """Every channel: who carries it, how fast, and whether it is paused or asked to wait."""
    from pushpull.db import reading
    from pushpull.ledger.campaigns import paused_channels, pauses_end
    from pushpull.ledger.pacing import throttled

    home = here()
    own = home.settings
    with reading(home.engine) as connection:
        paused = paused_channels(connection, now=datetime.now(UTC))
        ends = pauses_end(connection)
        waits = {channel: throttled(connection, channel.value) for channel in Channel}
    from_where = f"Prefect blocks {own.credentials_block!r}" if own.credentials_block else "PUSHPULL_ variables"
    table = Table("channel", "carried by", "credentials", "per second", "state")
    for channel in Channel:
        is_real = channel.value in own.real_channels
        carrier = "sandbox" if own.is_sandbox else _PROVIDERS[channel] if is_real else "nobody: not set up"
        speed = home.adapters[channel].limits.per_second
        until = f" until {ends[channel.value]:%Y-%m-%d %H:%M} UTC" if channel.value in ends else ""
        state = f"paused{until}: {paused[channel.value]}" if channel.value in paused else _waiting(waits[channel])
        table.add_row(channel, carrier, from_where if is_real else "", f"{speed:g}" if speed else "", escape(state))
    out.print(table)


@channels.command("check")
def check_channels(
    channel: Annotated[
        Channel | None, typer.Argument(help="Only this one, listed or not; left out: all listed.")
    ] = None,
) -> None:
    """Ask the providers whether the accounts work, sending nothing; exit code 1 when one does not."""
    from tasks.providers import troubles

    home = here()
    asked = [channel] if channel else [Channel(name) for name in home.settings.real_channels]
    if not asked:
        tell("nothing leaves this machine (PUSHPULL_CHANNELS is sandbox): there is nothing to check")
    found = {each: troubles(home, each) for each in asked}
    for each, problems in found.items():
        if not problems:
            tell(f"✓ {each}: {_PROVIDERS[each]} takes our credentials")
        for problem in problems:
            tell(f"✗ {each}: {problem}")
    raise SystemExit(any(found.values()))


@channels.command("pause")
def pause_channel(
    channel: _Channel,
    who: Who,
    why: Why,
    hours: Annotated[float, typer.Option(help="For how long; 0: until somebody resumes it.", min=0)] = 0,
) -> None:
    """Hand nothing over to a channel; its messages wait, or expire."""
    from pushpull.db import writing
    from pushpull.ledger.channels import pause

    now = datetime.now(UTC)
    until = now + timedelta(hours=hours) if hours else None
    with writing(here().engine) as connection:
        pause(connection, channel, who=who, why=why, at=now, until=until)
    tell(f"{channel}: paused until {until:%Y-%m-%d %H:%M} UTC" if until else f"{channel}: paused until it is resumed")


@channels.command("resume")
def resume_channel(
    channel: _Channel,
    who: Annotated[str, typer.Option(envvar="USER", help="Who decides; kept in the audit log.")] = "",
) -> None:
    """Let a stopped channel go on at once, also where its provider asked to wait."""
    from pushpull.db import writing
    from pushpull.ledger.channels import resume

    with writing(here().engine) as connection:
        resume(connection, channel, who=who, why=None, at=datetime.now(UTC))
    tell(f"{channel}: resumed")


def _waiting(left: timedelta | None) -> str:
    return f"its provider asked to wait for {-(-left.total_seconds() // 1):.0f} s more" if left else "ready"
