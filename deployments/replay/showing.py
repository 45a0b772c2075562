"""The replay on a terminal: a progress bar, tables, and an exit code."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deployments.replay.dataset import DEFAULT_FOLDER, NoDataError
from deployments.replay.playing import NotEmptyError, run_replay
from deployments.replay.report import ReplayReport

_KEPT, _BROKEN, _CANNOT_RUN = 0, 1, 2


def main(
    *,
    data_dir: Path | None = None,
    work_dir: Path = Path("var/replay"),
    database_url: str | None = None,
    days: int | None = None,
    console: Console | None = None,
) -> int:
    """Run the replay and print what it found.

    Args:
        data_dir: the folder with the OULAD files; the one beside the checkout where left out.
        work_dir, database_url, days: see :func:`deployments.replay.playing.run_replay`.

    Returns:
        An exit code: 0 when every promise was kept, 1 when one was broken, 2 when the replay could not run.
    """
    console = console or Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("reading", total=days)

            def on_day(day: int, of: int) -> None:
                progress.update(task, description="playing days", completed=day, total=of)

            report = run_replay(
                data_dir=data_dir or DEFAULT_FOLDER,
                work_dir=work_dir,
                database_url=database_url,
                days=days,
                on_day=on_day,
            )
    except (NoDataError, NotEmptyError) as error:
        console.print(f"[red]error:[/red] {error}", highlight=False)
        return _CANNOT_RUN
    show(report, console)
    return _KEPT if report.holds else _BROKEN


def show(report: ReplayReport, console: Console) -> None:
    """Print a report."""
    console.print(
        f"\n[bold]Replay of OULAD AAA-2013J[/bold] (CC BY 4.0: Kuzilek, Hlosta, Zdrahal 2017) on {report.database}: "
        f"{report.learners} learners, {report.days} days, {report.messages:,} messages, "
        f"{report.dispatches:,} dispatches.",
        highlight=False,
    )
    console.print(
        "Days are real; the date of day 0, names and addresses are made up. The data has no hours: what happens on a "
        "day stands at noon UTC (simulated), and sending hours are simulated time.",
        style="dim",
        highlight=False,
    )
    console.print(_files(report), _series(report), _incidents(report), _checks(report))
    console.print(
        f"wall time {report.seconds:.1f} s, peak memory {report.peak_memory / 2**20:.0f} MB "
        "(this process, or the largest one it started)",
        highlight=False,
    )


def _files(report: ReplayReport) -> Table:
    table = Table(title="What came in", title_justify="left", caption_justify="left")
    table.caption = "A row in which things happen on two days (registered, withdrew) comes in on each of them."
    table.add_column("file")
    for name in (
        "rows",
        "imports",
        "rows in",
        "accepted",
        "rejected",
        "duplicate",
        "unaccounted",
        "new if imported again",
    ):
        table.add_column(name, justify="right")
    for each in report.files:
        again = f"{each.again.accepted:,}" if each.again else "–"
        numbers = (
            each.rows,
            each.imports,
            each.rows_in,
            each.accepted,
            each.rejected,
            each.duplicate,
            each.unaccounted,
        )
        table.add_row(each.name, *(f"{number:,}" for number in numbers), again)
    return table


def _series(report: ReplayReport) -> Table:
    table = Table(title="What went out, and why not", title_justify="left")
    table.add_column("waves of")
    for name in ("waves", "audience", "accepted"):
        table.add_column(name, justify="right")
    table.add_column("skipped, by reason")
    table.add_column("open", justify="right")
    for each in report.series:
        reasons = [f"{count:,} {reason}" for reason, count in each.skipped.most_common()]
        reasons += [f"{count:,} [red]{state}[/red]" for state, count in each.others.items()]
        numbers = (each.waves, each.audience, each.accepted)
        table.add_row(each.name, *(f"{n:,}" for n in numbers), ", ".join(reasons) or "–", str(each.open))
    return table


def _incidents(report: ReplayReport) -> Table:
    table = Table(title="What went wrong on purpose", title_justify="left")
    table.add_column("incident")
    table.add_column("messages before", justify="right")
    table.add_column("sent twice", justify="right")
    table.add_column("what happened")
    kill = report.kill
    table.add_row(
        f"kill -9 in {kill.wave}",
        f"{kill.handed_over} of {kill.planned}",
        "see below",
        f"{kill.unrecorded} handed over but not recorded; {kill.settled} of them found in the sandbox "
        f"{kill.waited_seconds:.1f} s later, the rest of the wave sent",
    )
    for each in report.reruns:
        changes = f"{each.changed_rows} deliveries changed, {each.new_records} records imported"
        table.add_row(f"re-run: {each.what}", f"{each.messages:,}", str(each.new_messages), changes)
    return table


def _checks(report: ReplayReport) -> Table:
    table = Table(title="What was promised", title_justify="left")
    table.add_column("promise")
    table.add_column("broken", justify="right")
    table.add_column("")
    table.add_column("looked at", style="dim")
    for check in report.checks:
        verdict = "[green]kept[/green]" if check.holds else "[red]BROKEN[/red]"
        table.add_row(check.promise, f"{check.found:,}", verdict, check.how)
    return table
