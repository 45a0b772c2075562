"""The `pushpull` command: a front door like the web app, without logic of its own.

Commands import what they need when they run, so that `--help` answers at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

import cli.approving  # its commands belong to those about waves
import cli.compare  # its command belongs to items
import cli.insights_dropoff  # its command belongs to insights
import cli.insights_learn  # its command belongs to insights
import cli.insights_paths  # its command belongs to insights
import cli.insights_risk  # its command belongs to insights
import cli.insights_uplift  # noqa: F401  # its commands belong to insights
from cli.catalogue import catalogue
from cli.champions import champions
from cli.channels import channels
from cli.common import AsOf, Campaign, err, here, out, tell
from cli.deploying import deploy, undeploy
from cli.errors import in_words
from cli.evaluate import evaluate
from cli.forecast import forecasts
from cli.imports import imports
from cli.insights import insights
from cli.learners import learners
from cli.ops import campaigns, parked, replies, waves
from cli.peers import items, reviews
from cli.presets import presets
from cli.runs import runs
from cli.sandbox import sandbox
from cli.setup import setup
from cli.sources import sources
from cli.switches import switch

_HELP = "Learning campaigns run the way marketing runs campaigns. Start with `pushpull demo` or `pushpull doctor`."
app = typer.Typer(name="pushpull", no_args_is_help=True, pretty_exceptions_enable=False, help=_HELP)
for _name, _group in {
    "import": imports,
    "presets": presets,
    "run": runs,
    "wave": waves,
    "campaign": campaigns,
    "channel": channels,
    "parked": parked,
    "replies": replies,
    "learner": learners,
    "insights": insights,
    "forecast": forecasts,
    "catalogue": catalogue,
    "reviews": reviews,
    "champions": champions,
    "item": items,
    "source": sources,
    "switch": switch,
    "setup": setup,
    "sandbox": sandbox,
}.items():
    app.add_typer(_group, name=_name)
for _command in (deploy, undeploy, evaluate):
    app.command()(_command)


def main() -> None:
    """Run the command line; an error a person can act on is told in words, with exit code 1."""
    try:
        app()
    except Exception as error:
        said = in_words(error)
        if said is None:
            raise
        err.print(f"[red]error:[/red] {escape(said)}", highlight=False)
        raise SystemExit(1) from error


@app.command()
def demo(
    work_dir: Annotated[Path, typer.Option(help="Where database, outbox and report go.")] = Path("var/demo"),
    seed: Annotated[int, typer.Option(help="Another seed is another company.")] = 7,
    learners: Annotated[int, typer.Option(help="Size of the sample company.", min=10)] = 300,
) -> None:
    """Play the example campaign for six simulated weeks, on this machine alone."""
    from deployments.demo import run_demo

    run_demo(work_dir=work_dir, seed=seed, size=learners, console=out)


@app.command()
def replay(
    data_dir: Annotated[Path | None, typer.Option(help="Folder with the OULAD files.")] = None,
    work_dir: Annotated[Path, typer.Option(help="Where database and outbox go.")] = Path("var/replay"),
    database_url: Annotated[str, typer.Option(help="Another database than SQLite in the work folder.")] = "",
    days: Annotated[int, typer.Option(help="Only so many days; 0 is all.")] = 0,
) -> None:
    """Replay real learner data day by day through the flows, and check the promises."""
    from deployments.replay import main as replay_main

    raise SystemExit(
        replay_main(data_dir=data_dir, work_dir=work_dir, database_url=database_url or None, days=days or None)
    )


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Of the Prefect server and its UI.")] = 4200,
    web_port: Annotated[int, typer.Option(help="Of the web app.")] = 8080,
    home: Annotated[Path, typer.Option(help="Where Prefect's database and all logs go.")] = Path("var/prefect"),
    providers: Annotated[
        bool, typer.Option(help="Play the providers too, and send to them, unless PUSHPULL_CHANNELS is set.")
    ] = True,
    providers_port: Annotated[int, typer.Option(help="Where the played providers answer.")] = 8090,
) -> None:
    """Start a Prefect server, the deployments, a worker, the web app and played providers; Ctrl-C ends them."""
    from deployments.serve import serve as run_everything

    run_everything(
        port=port, web_port=web_port, home=home, say=tell, providers=providers, providers_port=providers_port
    )


@app.command()
def doctor(
    wait: Annotated[float, typer.Option(help="Look again for so many seconds, until nothing is to fix.", min=0)] = 0,
) -> None:
    """Say what is configured, what is missing and how to fix it; exit code 1 when something must be fixed."""
    from deployments.doctor import Health, examine_until_well

    checks = examine_until_well(wait)
    table = Table("", "", "found", "what to do", box=None)
    style = {Health.GOOD: "green", Health.NOTE: "yellow", Health.BAD: "red"}
    for check in checks:
        table.add_row(f"[{style[check.health]}]{check.health}[/]", check.name, escape(check.found), escape(check.fix))
    out.print(table)
    raise SystemExit(any(check.health is Health.BAD for check in checks))


@app.command()
def upgrade(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit code 1 when it is behind.")] = False,
) -> None:
    """Bring the database to the newest schema (every command that writes does so too)."""
    from deployments.doctor import NOTHING, schema
    from pushpull.migrations import steps_from

    found, is_behind = schema()
    if check:
        tell(f"the database is at {found}, {'behind this release' if is_behind else 'which this release works with'}")
        raise SystemExit(is_behind)
    here()
    for step in steps_from(None if found == NOTHING else found):
        tell(step)
    tell(
        f"the database was at {found} and is up to date now" if is_behind else f"the database is at {found}: no change"
    )


@app.command()
def settings() -> None:
    """Print every setting with its description and default, as a .env file."""
    from deployments.doctor import env_example

    typer.echo(env_example())


@app.command()
def lint() -> None:
    """Check campaigns, messages, brands and trends; exit code 1 when something must be corrected."""
    from content.lint import Severity, lint_content
    from pushpull.settings import settings as chosen

    findings = lint_content(chosen().content_dir)
    for finding in findings:
        typer.echo(str(finding))
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    typer.echo(f"{errors} errors, {len(findings) - errors} warnings")
    raise SystemExit(errors > 0)


@app.command()
def preview(
    campaign: Campaign,
    learner: Annotated[list[str] | None, typer.Option(help="External id; several are allowed.")] = None,
    out_dir: Annotated[Path, typer.Option(help="Where the gallery goes.")] = Path("var/preview"),
) -> None:
    """Write what each learner would see in every channel to an HTML gallery."""
    from content.preview import preview as write_gallery
    from tasks.preview import preview_learners

    home = here()
    people = preview_learners(campaign, learner or [], datetime.now(UTC))
    page = write_gallery(home.campaign(campaign), people, out_dir, content_dir=home.settings.content_dir)
    tell(f"gallery: {page}")


@app.command()
def preflight(
    campaign: Campaign,
    wave: Annotated[str, typer.Option(help="Key of a planned wave: its briefing, as the Prefect UI shows it.")] = "",
    as_of: AsOf = "",
) -> None:
    """Check all that a campaign's messages need in order to arrive; exit code 1 when a wave would be held."""
    from tasks.preflight import findings_for

    here()
    if wave:
        from rich.markdown import Markdown

        from flows.parameters import moment
        from tasks.brief import briefing_by_key

        briefed = briefing_by_key(campaign, wave, moment(as_of))
        out.print(Markdown(briefed.as_markdown()))
        raise SystemExit(any(remark.is_error for remark in briefed.remarks))
    findings = findings_for(campaign)
    for finding in findings:
        tell(f"{finding.severity}: {finding.message}")
    errors = sum(finding.is_error for finding in findings)
    tell(f"{errors} errors, {len(findings) - errors} warnings")
    raise SystemExit(errors > 0)


@app.command()
def explain(
    learner: Annotated[str, typer.Argument(help="External id of a learner.")],
    campaign: Annotated[str, typer.Option(help="Key of the campaign.")],
    as_of: AsOf = "",
) -> None:
    """Tell one learner's whole path, with the rule behind each message sent or not sent."""
    from content.campaign import waves_on
    from flows.parameters import moment
    from pushpull.db import reading
    from pushpull.insights.explain import explain as tell
    from pushpull.ledger.timing import local_day

    home, now = here(), moment(as_of)
    file = home.campaign(campaign)
    today = local_day(now, file.timezone)
    upcoming = [wave for days in range(1, 15) for wave in waves_on(file, today + timedelta(days=days))]
    with reading(home.engine) as connection:
        holdout = home.settings.global_holdout
        path = tell(connection, learner, campaign, as_of=now, global_holdout=holdout, upcoming=upcoming)
    typer.echo(path.as_text())


@app.command()
def report(
    campaign: Campaign,
    page: Annotated[Path, typer.Option(help="The HTML file; the page for those who decide goes beside it.")] = Path(
        "var/report.html"
    ),
    executive: Annotated[
        bool, typer.Option("--executive", help="The page for those who decide alone, into the file of --page.")
    ] = False,
    as_of: AsOf = "",
) -> None:
    """Write what came of the campaign to HTML: a page with its charts, and one sheet for those who decide."""
    from flows.parameters import moment
    from pushpull.db import reading
    from pushpull.insights.report import Links, house_of, write_executive, write_report

    home, now = here(), moment(as_of)
    house = house_of(home.settings)
    with reading(home.engine) as connection:
        if executive:
            tell(f"executive page: {write_executive(connection, campaign, page, as_of=now, house=house)}")
            return
        beside = page.with_name(f"{page.stem}-executive{page.suffix}")
        links = Links(executive=beside.name)
        tell(f"report: {write_report(connection, campaign, page, as_of=now, house=house, links=links)}")
        made = write_executive(connection, campaign, beside, as_of=now, house=house, report_href=page.name)
        tell(f"executive page: {made}")


@app.command()
def outbox() -> None:
    """Make the sandbox's messages browsable."""
    from channels.outbox import build_outbox
    from pushpull.settings import settings as chosen

    tell(f"outbox: {build_outbox(chosen().outbox_dir)}")
