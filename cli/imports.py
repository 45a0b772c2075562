"""`pushpull import`: people, catalogue, consent, learning records and xAPI statements."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.common import DryRun, err, here, tell

if TYPE_CHECKING:
    from pushpull.importers.runs import ImportReport

imports = typer.Typer(
    no_args_is_help=True,
    help="Bring in people, catalogue, consent, learning records and xAPI statements.",
    epilog="What Moodle, LinkedIn Learning, Cornerstone, SuccessFactors, Canvas and Workday export is understood too: "
    "see `pushpull presets`. A file with other headings needs a preset of your own (--preset mine.yaml). "
    "Try everything with --dry-run first.",
)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
Preset = Annotated[
    str, typer.Option(help="Column map: a shipped preset's name (see `pushpull presets`), or a YAML file.")
]
Param = Annotated[list[str] | None, typer.Option(help="A value for the preset, NAME=VALUE; several are allowed.")]


@imports.command("people")
def import_people(
    file: File,
    preset: Preset = "generic",
    param: Param = None,
    dry_run: DryRun = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="Many people may leave.")] = False,
) -> None:
    """People, from CSV."""
    from pushpull.importers import tabular

    values: dict[str, Any] = {"preset": preset, "params": _params(param), "confirmed": confirm}
    _import(lambda **more: tabular.import_people(here().engine, file, **values, **more), dry_run)


@imports.command("catalogue")
def import_catalogue(file: File, preset: Preset = "generic", param: Param = None, dry_run: DryRun = False) -> None:
    """Items, or sections of items, from CSV."""
    from pushpull.importers import tabular

    values: dict[str, Any] = {"preset": preset, "params": _params(param)}
    _import(lambda **more: tabular.import_catalogue(here().engine, file, **values, **more), dry_run)


@imports.command("records")
def import_records(file: File, preset: Preset = "generic", param: Param = None, dry_run: DryRun = False) -> None:
    """Learning records, from CSV: enrolments, progress, activity."""
    from pushpull.importers import tabular

    values: dict[str, Any] = {"preset": preset, "params": _params(param)}
    _import(lambda **more: tabular.import_records(here().engine, file, **values, **more), dry_run)


@imports.command("consents")
def import_consents(file: File, dry_run: DryRun = False) -> None:
    """Consent given or taken back elsewhere, from CSV: external_id, channel, granted, recorded_at; family, source."""
    from pushpull.importers import consents

    _import(lambda **more: consents.import_consents(here().engine, file, **more), dry_run)


@imports.command("xapi")
def import_xapi(
    source: Annotated[str, typer.Argument(help="A file, or the statements URL of a learning record store.")],
    since: Annotated[str, typer.Option(help="Read from this stored instant on; empty: where the last one ended.")] = "",
    user: Annotated[str, typer.Option(help="User of the store; the password is PUSHPULL_LRS_PASSWORD.")] = "",
    password: Annotated[str, typer.Option(envvar="PUSHPULL_LRS_PASSWORD", hidden=True)] = "",
    dry_run: DryRun = False,
) -> None:
    """xAPI statements, from a file or a learning record store."""
    from flows.parameters import moment
    from pushpull.importers import xapi

    values: dict[str, Any] = {
        "since": moment(since) if since else None,
        "auth": (user, password) if user else None,
    }
    _import(lambda **more: xapi.import_xapi(here().engine, source, **values, **more), dry_run)


@imports.command("sample")
def import_sample(
    learners: Annotated[int, typer.Option(help="People of the company.", min=10, max=20_000)] = 300,
    seed: Annotated[int, typer.Option(help="Another seed is another company.")] = 7,
) -> None:
    """An invented company with its catalogue, to try things with; only where nobody real is, and nothing leaves."""
    from pushpull.db import writing
    from pushpull.insights.sample import make_company, strangers

    home = here()
    if home.settings.outward_channels:
        raise NoPlaceForSamplesError(f"messages really leave over {', '.join(home.settings.outward_channels)}")
    with writing(home.engine) as connection:
        if many := strangers(connection):
            raise NoPlaceForSamplesError(f"the database has {many} learners who are not invented")
        company = make_company(connection, seed=seed, size=learners, now=datetime.now(UTC))
    tell(f"{len(company.learner_ids)} invented learners and {len(company.item_ids)} items are there")


class NoPlaceForSamplesError(ValueError):
    """Invented people would stand among real ones."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}: invented people belong into a database of their own (PUSHPULL_DATABASE_URL)")


def _params(given: list[str] | None) -> dict[str, str]:
    pairs = [each.partition("=") for each in given or []]
    if not all(separator for _, separator, _ in pairs):
        raise typer.BadParameter("write parameters as NAME=VALUE", param_hint="--param")
    return {name: value for name, _, value in pairs}


def _import(load: Callable[..., ImportReport], dry_run: bool) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        reading = bar.add_task("importing", total=None)

        def show(done: int, total: int | None) -> None:
            bar.update(reading, completed=done, total=total)

        result = load(now=datetime.now(UTC), dry_run=dry_run, on_progress=show)
    tell(f"{result.file_name}: {result.rows_in} rows in{' (dry run: nothing was written)' if dry_run else ''}")
    tell(
        f"  = {result.accepted} accepted ({result.new} new, {result.changed} changed) + {result.rejected} rejected "
        f"+ {result.duplicate} duplicate; {result.filtered} filtered out before",
    )
    for reason, count in result.reasons.most_common():
        rows = result.first_rows.get(reason, [])
        more = " …" if count > len(rows) else ""
        tell(f"  rejected {count}: {reason} (row {', '.join(map(str, rows))}{more})")
    for change in result.examples:
        fields = ", ".join(f"{field}: {before!r} → {after!r}" for field, (before, after) in change.fields.items())
        tell(f"  {'new' if change.is_new else 'changed'} {change.key}: {fields}")
    if result.needs_confirmation:
        tell(f"{result.leavers} people would leave: run it with --confirm if that is right")
