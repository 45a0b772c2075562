"""`make demo`: a sample company, the example campaign, six simulated weeks, and what came of it.

Embedded database, sandbox channels, nothing to start. The launch is planned and first sent by Prefect flow runs; then
the same flows are called as the plain functions they are.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Connection

from deployments.orchestration import quiet_prefect

CAMPAIGN = "two-minutes-a-day"
_MARK = ".pushpull-demo"


class NotADemoFolderError(ValueError):
    """The work folder holds something else."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} is not empty and not from a demo: name another folder with --work-dir")


def run_demo(*, work_dir: Path, seed: int, size: int, console: Console) -> Path:
    """Play the demo and print what happened.

    Args:
        work_dir: where database, outbox and report go; a former demo in it is replaced.
        seed: another seed is another company.
        size: learners.

    Returns:
        The HTML page.

    Raises:
        NotADemoFolderError: the folder holds something else.
    """
    started = time.monotonic()
    _clear(work_dir)
    quiet_prefect(work_dir / "prefect")
    # Prefect reads its environment when it is imported; so these come after it was set.
    from channels.outbox import build_outbox
    from content.campaign import load_campaign
    from deployments.telling import tell_campaign
    from flows.dispatch import dispatch
    from flows.launch import launch
    from flows.rehearsal import Clock, Rehearsal, days_of, midnight
    from pushpull.db import reading, writing
    from pushpull.insights.report import Links, house_of, write_executive, write_report
    from pushpull.insights.sample import make_company
    from pushpull.insights.simulate import SimulatedLearners
    from pushpull.ledger.results import wave_results
    from pushpull.settings import Settings
    from tasks.installation import assemble, installed
    from tasks.still import StillInstallation

    campaign = load_campaign(CAMPAIGN)
    clock = Clock(midnight(campaign.start) - timedelta(days=1))
    chosen = Settings(
        database_url=f"sqlite:///{(work_dir / 'pushpull.db').resolve()}",
        outbox_dir=work_dir / "outbox",
        channels="sandbox",
        base_url="http://127.0.0.1:8080",
    )
    here = StillInstallation.of(assemble(chosen, clock=clock))
    with writing(here.engine) as connection:
        make_company(connection, seed=seed, size=size, now=clock.now, family=campaign.family)
    console.print(f"[bold]{campaign.name}[/bold]: {size} learners, {campaign.start} to {campaign.ends_on}")
    runs = {launch, dispatch}
    rehearsal = Rehearsal(here, CAMPAIGN, SimulatedLearners(seed=seed), clock, as_runs=runs)
    days = days_of(campaign.start, campaign.ends_on)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with installed(here), Progress(*columns, console=console) as bar:
        playing = bar.add_task("starting Prefect for the launch day …", total=len(days))
        for day in days:
            asyncio.run(rehearsal.day(day))
            bar.update(playing, advance=1, description=f"{day:%a %d %b}, week {1 + (day - campaign.start).days // 7}")
    with reading(here.engine) as connection:
        names = {wave.wave_id: wave.key for wave in wave_results(connection)}
        outbox = build_outbox(chosen.outbox_dir, wave_names=names)
        tell_campaign(console, connection, CAMPAIGN, as_of=clock.now)
        paths = _write_paths(connection, work_dir, as_of=clock.now)
        shown = Links(outbox.relative_to(work_dir).as_posix(), "executive.html", paths)
        house = house_of(chosen)
        page = write_report(connection, CAMPAIGN, work_dir / "report.html", as_of=clock.now, house=house, links=shown)
        executive = write_executive(
            connection, CAMPAIGN, work_dir / "executive.html", as_of=clock.now, house=house, report_href=page.name
        )
    console.print(f"report: [bold]{page}[/bold]   for those who decide: {executive}", soft_wrap=True)
    console.print(f"outbox: {outbox}", soft_wrap=True)
    command = f"pushpull explain lf-0001 --campaign {CAMPAIGN} --as-of {clock.now:%Y-%m-%dT%H:%M}Z"
    console.print(f"one learner's path: PUSHPULL_DATABASE_URL={chosen.database_url} {command}", soft_wrap=True)
    console.print(f"[dim]played in {time.monotonic() - started:.0f} s[/dim]")
    return page


def _write_paths(connection: Connection, work_dir: Path, *, as_of: datetime) -> dict[str, str]:
    """Write the paths of a few telling learners beside the report.

    Returns:
        Their pages, by what they are examples of.
    """
    from pushpull.insights.explain import explain
    from pushpull.insights.report import sample_learners, write_explanation

    pages: dict[str, str] = {}
    for number, (label, external_id) in enumerate(sample_learners(connection, CAMPAIGN, as_of=as_of).items(), start=1):
        path = work_dir / f"learner-{number}.html"
        write_explanation(explain(connection, external_id, CAMPAIGN, as_of=as_of), path, back_href="report.html")
        pages[label] = path.name
    return pages


def _clear(work_dir: Path) -> None:
    if work_dir.exists():
        if any(work_dir.iterdir()) and not (work_dir / _MARK).exists():
            raise NotADemoFolderError(work_dir)
        shutil.rmtree(work_dir)
    work_dir.mkdir(parents=True)
    (work_dir / _MARK).touch()
