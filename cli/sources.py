"""`pushpull source`: which systems may send us what they know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.common import Who, Why, here, out, tell

if TYPE_CHECKING:
    from pushpull.importers.sources import SourceKind

sources = typer.Typer(
    no_args_is_help=True, help="Let course players, learning systems and directories send what they know, or end that."
)

_Name = Annotated[str, typer.Argument(help="Its user name: a-z, 0-9, dot, dash and underscore.")]


@sources.command("add")
def add(
    name: _Name,
    kind: Annotated[
        str, typer.Option(help="xapi: a course player; webhook: a learning system; scim: a directory of people.")
    ],
    who: Who,
    why: Why,
    preset: Annotated[
        str, typer.Option(help="webhook: what its records mean: generic, moodle, canvas, or a YAML file of your own.")
    ] = "",
) -> None:
    """Let a system send; its secret is shown once. A name that was ended begins anew, with a new secret."""
    from pushpull.db import writing
    from pushpull.importers.hooks.maps import load_map
    from pushpull.importers.sources import SourceKind, add_source, digest_of, new_secret
    from pushpull.ledger.campaigns import record

    if kind not in [each.value for each in SourceKind]:
        raise typer.BadParameter(f"one of {', '.join(SourceKind)}", param_hint="--kind")
    if preset:
        load_map(preset)  # said now rather than at the first record
    home, secret, at = here(), new_secret(), datetime.now(UTC)
    with writing(home.engine) as connection:
        add_source(connection, name, SourceKind(kind), preset=preset or None, secret=secret, by=who, at=at)
        record(connection, who=who, what="source added", subject=f"source {name}", why=why, at=at)
    for line in _how_to(SourceKind(kind), home.settings.base_url, name, secret, digest_of(secret)):
        tell(line)


@sources.command("list")
def list_sources() -> None:
    """All systems that may send, and those that might once."""
    from pushpull.db import reading
    from pushpull.importers.sources import sources as known

    table = Table("name", "kind", "preset", "added", "by", "ended")
    with reading(here().engine) as connection:
        for each in known(connection):
            ended = f"{each.ended_at:%Y-%m-%d %H:%M}" if each.ended_at else ""
            added = f"{each.made_at:%Y-%m-%d %H:%M}"
            table.add_row(each.name, each.kind.value, each.preset or "", added, each.made_by, ended)
    if table.rows:
        out.print(table)
    else:
        tell("no system may send; pushpull source add lets one")


@sources.command("end")
def end(name: _Name, who: Who, why: Why) -> None:
    """Refuse what a system sends from now on; what it sent stays."""
    from pushpull.db import writing
    from pushpull.importers.sources import end_source
    from pushpull.ledger.campaigns import record

    at = datetime.now(UTC)
    with writing(here().engine) as connection:
        end_source(connection, name, at=at)
        record(connection, who=who, what="source ended", subject=f"source {name}", why=why, at=at)
    tell(f"{name} may not send any more")


def _how_to(kind: SourceKind, base: str, name: str, secret: str, signing_key: str) -> list[str]:
    """What to enter in the other system."""
    from pushpull.importers.sources import SourceKind

    path = {SourceKind.XAPI: "xapi/", SourceKind.SCIM: "scim/v2", SourceKind.WEBHOOK: f"hooks/{name}"}[kind]
    ways = {
        SourceKind.XAPI: "HTTP Basic",
        SourceKind.SCIM: "the secret as a bearer token, or HTTP Basic",
        SourceKind.WEBHOOK: "HTTP Basic, the secret as a bearer token, or a signature of the body",
    }
    lines = [
        f"{name} may send. This is shown once:",
        f"  address      {base.rstrip('/')}/{path}",
        f"  user name    {name}",
        f"  secret       {secret}",
    ]
    if kind is SourceKind.WEBHOOK:
        lines.append(f"  signing key  {signing_key}  (HMAC-SHA256, X-Hub-Signature-256: sha256=…)")
    return [*lines, f"  shown by     {ways[kind]}"]
