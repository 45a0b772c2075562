"""Pictures of the demo's reports for the docs: ``python -m tests.browser.report_screenshots``.

The demo is played first, which takes about a minute, unless one is given. Light and dark, as a browser shows them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser

from tests.browser.chromium import browser
from tests.orchestra.processes import ROOT

#: Name, page, and between which sections: its beginning and end where there are none.
_PICTURES: Final = (
    ("report", "report.html", ("", "effect")),
    ("report-charts", "report.html", ("days", "catalogue")),
    ("executive", "executive.html", ("", "")),
)
#: Invented, so that the sheet has an answer to what it cost.
_PRICES: Final = {
    "PUSHPULL_COST_EMAIL": "0.002",
    "PUSHPULL_COST_TEAMS": "0.01",
    "PUSHPULL_COST_SLACK": "0.01",
    "PUSHPULL_COST_SMS": "0.08",
}


def main() -> None:
    """Make all."""
    options = argparse.ArgumentParser(prog="python -m tests.browser.report_screenshots", description=__doc__)
    options.add_argument("--to", type=Path, default=ROOT / "docs" / "images")
    options.add_argument("--demo", type=Path, help="The folder of a demo that was played already.")
    chosen = options.parse_args()
    chosen.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pushpull-reports-") as at, browser() as started:
        folder = chosen.demo or Path(at) / "demo"
        if chosen.demo is None:
            program = Path(sys.executable).with_name("pushpull")
            played = [str(program), "demo", "--work-dir", str(folder)]
            subprocess.run(played, cwd=ROOT, check=True, env=os.environ | _PRICES)
        for theme in ("light", "dark"):
            for name, page, between in _PICTURES:
                suffix = "" if theme == "light" else "-dark"
                _draw(started, folder / page, chosen.to / f"{name}{suffix}.png", theme=theme, between=between)


def _draw(started: Browser, page: Path, path: Path, *, theme: Any, between: tuple[str, str]) -> None:
    tab = started.new_page(viewport={"width": 1000, "height": 800}, color_scheme=theme)
    tab.goto(page.resolve().as_uri())
    first, last = (tab.locator(f"#{each}").bounding_box() if each else None for each in between)
    top = first["y"] - 20 if first else 0
    end = last["y"] + last["height"] + 20 if last else tab.evaluate("document.documentElement.scrollHeight")
    tab.screenshot(path=path, full_page=True, clip={"x": 0, "y": top, "width": 1000, "height": end - top})
    tab.close()
    print(path, flush=True)


if __name__ == "__main__":
    main()
