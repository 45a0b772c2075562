"""Pictures of the Prefect UI for the docs: ``python -m tests.browser.screenshots``.

Starts everything, plays the example campaign up to the question of a person, and draws what ops see.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pushpull.db import open_database
from pushpull.migrations import upgrade
from tests import postgres
from tests.browser.chromium import NotShownError, Page, chromium
from tests.orchestra.processes import ROOT, until
from tests.orchestra.stack import Orchestra, orchestra
from tests.orchestra.surroundings import CAMPAIGN, afternoon_zone, settle_people, variables_of, write_content
from tests.standin.engine import StandIn
from tests.standin.fixtures import cast

PEOPLE = 300


@contextmanager
def _playing(folder: Path) -> Iterator[Orchestra]:
    """The example campaign, deployed and planned; a person is asked."""
    zone = afternoon_zone(datetime.now(UTC))
    content = write_content(folder, zone, approval_above=100)
    with postgres.server() as server, postgres.database(server) as ledger, postgres.database(server) as prefect:
        engine = open_database(ledger)
        upgrade(engine)
        settle_people(engine, PEOPLE, zone)
        with StandIn(cast(), is_checking=False) as standin:
            variables = variables_of(standin, engine, folder, content)
            with orchestra(folder / "prefect", prefect, variables) as stack:
                stack.deploy()
                stack.command("pushpull", "setup", "prefect")
                stack.command("pushpull", "deploy", CAMPAIGN)
                stack.start_worker()
                stack.api.finished(stack.api.start("launch", {"campaign": CAMPAIGN}), seconds=300)
                until("a person is asked", lambda: stack.api.runs("approval", "PAUSED"), seconds=300)
                for flow, parameters in (("onboarding", {"campaign": CAMPAIGN}), ("sync", {}), ("dispatch", {})):
                    stack.api.finished(stack.api.start(flow, parameters), seconds=300)
                yield stack
        engine.dispose()


def _runs(page: Page, base: str, _stack: Orchestra) -> None:
    page.open(f"{base}/runs", f"{CAMPAIGN}: launch", "Items per page")
    page.run("[...document.querySelectorAll('label, span, div')].find(e => e.innerText === 'Items per page')"
             "?.scrollIntoView({block: 'start'})")  # fmt: skip


def _upcoming(page: Page, base: str, stack: Orchestra) -> None:
    page.open(f"{base}/deployments/deployment/{stack.api.deployment('recommendations')['id']}", "Upcoming")
    page.click("Upcoming")
    page.wait_for("trend-safety")


def _briefing(page: Page, base: str, stack: Orchestra) -> None:
    found = next(each for each in stack.api.artifacts() if each["key"].startswith(f"preflight-{CAMPAIGN}"))
    page.open(f"{base}/artifacts/artifact/{found['id']}", "Who gets it")


def _approval(page: Page, base: str, stack: Orchestra) -> None:
    (run,) = stack.api.runs("approval", "PAUSED")
    page.open(f"{base}/runs/flow-run/{run['id']}", "Suspended")
    page.click("Open menu")
    page.click("Resume")
    page.wait_for("Who gets it")


def _answer(page: Page, base: str, stack: Orchestra) -> None:
    _approval(page, base, stack)
    page.run("[...document.querySelectorAll('[role=dialog] *')].forEach(e => { e.scrollTop = 1e6; })")


def _rerun(page: Page, base: str, stack: Orchestra) -> None:
    page.open(f"{base}/deployments/deployment/{stack.api.deployment('cohort-rerun')['id']}/run", "dry_run")


def _automations(page: Page, base: str, _stack: Orchestra) -> None:
    page.open(f"{base}/automations", "Pushpull: a campaign stopped itself")


PICTURES: dict[str, Callable[[Page, str, Orchestra], None]] = {
    "runs": _runs,
    "upcoming-waves": _upcoming,
    "preflight": _briefing,
    "approval-form": _approval,
    "approval-answer": _answer,
    "rerun-form": _rerun,
    "automations": _automations,
}


def main() -> int:
    """Make all; 1 when one could not be made."""
    options = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    options.add_argument("--to", type=Path, default=ROOT / "docs" / "images")
    folder: Path = options.parse_args().to
    folder.mkdir(parents=True, exist_ok=True)
    missing = 0
    with (
        tempfile.TemporaryDirectory(prefix="pushpull-pictures-", ignore_cleanup_errors=True) as place,
        _playing(Path(place)) as stack,
        chromium(width=1440, height=1000) as page,
    ):
        for name, show in PICTURES.items():
            try:
                show(page, f"http://127.0.0.1:{stack.port}/v2", stack)  # what a browser is led to
            except NotShownError as error:
                print(f"{name}: {error}", file=sys.stderr)
                missing += 1
            page.draw(folder / f"{name}.png", settle=4)
            print(folder / f"{name}.png", flush=True)
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
