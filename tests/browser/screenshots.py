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
                yield stack
        engine.dispose()


def _runs(page: Page, base: str, _stack: Orchestra) -> None:
    page.open(f"{base}/runs", f"{CAMPAIGN}: launch")


def _upcoming(page: Page, base: str, stack: Orchestra) -> None:
    page.open(f"{base}/deployments/deployment/{stack.api.deployment('recommendations')['id']}", CAMPAIGN)
    page.click("Upcoming")
    page.wait_for("trend-safety")


def _briefing(page: Page, base: str, stack: Orchestra) -> None:
    found = next(each for each in stack.api.artifacts() if each["key"].startswith(f"preflight-{CAMPAIGN}"))
    page.open(f"{base}/artifacts/artifact/{found['id']}", "launch.announcement")


def _approval(page: Page, base: str, stack: Orchestra) -> None:
    (run,) = stack.api.runs("approval", "PAUSED")
    page.open(f"{base}/runs/flow-run/{run['id']}", "approve")
    page.click("Resume")
    page.wait_for("Your decision")


def _rerun(page: Page, base: str, stack: Orchestra) -> None:
    page.open(f"{base}/deployments/deployment/{stack.api.deployment('cohort-rerun')['id']}/run", "cohort")


def _automations(page: Page, base: str, _stack: Orchestra) -> None:
    page.open(f"{base}/automations", "Pushpull")


PICTURES: dict[str, Callable[[Page, str, Orchestra], None]] = {
    "runs": _runs,
    "upcoming-waves": _upcoming,
    "preflight": _briefing,
    "approval-form": _approval,
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
    with tempfile.TemporaryDirectory(prefix="pushpull-pictures-", ignore_cleanup_errors=True) as place:
        profile = Path(place) / "browser"
        profile.mkdir()
        with _playing(Path(place)) as stack, chromium(profile, height=1000) as page:
            for name, show in PICTURES.items():
                try:
                    show(page, f"http://127.0.0.1:{stack.port}", stack)
                except NotShownError as error:
                    print(f"{name}: {error}", file=sys.stderr)
                    missing += 1
                page.draw(folder / f"{name}.png")
                print(folder / f"{name}.png", flush=True)
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
