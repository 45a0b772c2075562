"""The machine's Chromium, driven by Playwright. It speaks to this machine alone."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Locator, sync_playwright
from playwright.sync_api import Page as Tab

#: Debian's, and what others call it; Playwright's own downloads are not used.
PROGRAM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


class NotShownError(AssertionError):
    """A page does not show what was waited for."""

    def __init__(self, what: str, page: str) -> None:
        super().__init__(f"{what!r} is not there; the page says:\n{page[:2000]}")


class Page:
    """One tab, spoken to in words."""

    def __init__(self, tab: Tab) -> None:
        self._tab = tab

    def run(self, script: str) -> Any:
        """What a JavaScript expression comes to."""
        return self._tab.evaluate(script)

    def open(self, url: str, *words: str) -> None:
        """Go to an address and wait for words on its page."""
        self._tab.goto(url, wait_until="commit")
        for each in words:
            self.wait_for(each)

    def says(self) -> str:
        """All visible text."""
        return str(self.run("document.body ? document.body.innerText : ''"))

    def wait_for(self, words: str, *, seconds: float = 60) -> None:
        """Wait until the page says something.

        Raises:
            NotShownError: not in time.
        """
        give_up = time.monotonic() + seconds
        while words not in self.says():
            if time.monotonic() > give_up:
                raise NotShownError(words, self.says())
            self._tab.wait_for_timeout(200)

    def click(self, words: str, *, seconds: float = 30) -> None:
        """Click on the last visible element that says exactly these words, or is labelled with them."""
        exactly = re.compile(rf"^\s*{re.escape(words)}\s*$")
        named = self._tab.get_by_text(exactly).or_(self._tab.locator(f"[aria-label={json.dumps(words)}]"))
        self._click(named, words, seconds)

    def click_on(self, selector: str, *, seconds: float = 30) -> None:
        """Click on the first element of a CSS selector."""
        self._click(self._tab.locator(selector).first, selector, seconds)

    def _click(self, found: Locator, what: str, seconds: float) -> None:
        give_up = time.monotonic() + seconds
        while not (shown := found.filter(visible=True)).count():
            if time.monotonic() > give_up:
                raise NotShownError(what, self.says())
            self._tab.wait_for_timeout(200)
        shown.last.click()

    def write(self, text: str) -> None:
        """Type into what has the focus."""
        self._tab.keyboard.insert_text(text)

    def draw(self, path: Path, *, settle: float = 1.5) -> None:
        """Keep a picture of what is visible.

        Args:
            settle: seconds to let animations end.
        """
        self._tab.wait_for_timeout(1000 * settle)
        self._tab.screenshot(path=path)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser for the length of the block.

    Raises:
        FileNotFoundError: there is no Chromium on this machine.
    """
    if PROGRAM is None:
        raise FileNotFoundError("no Chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=PROGRAM, args=list(_OPTIONS))
        try:
            yield started
        finally:
            started.close()


@contextmanager
def chromium(*, width: int = 1280, height: int = 800) -> Iterator[Page]:
    """A tab of a browser of its own, for the length of the block."""
    with browser() as started:
        yield Page(started.new_page(viewport={"width": width, "height": height}))
