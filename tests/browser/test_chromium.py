"""The driver does what it says, on a page of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import NotShownError, Page

_PAGE = "data:text/html,<button onclick=\"document.body.innerText='pressed'\">Press me</button>"


def test_it_opens_clicks_waits_and_draws(a_browser: Browser, tmp_path: Path) -> None:
    tab = a_browser.new_page()
    page = Page(tab)
    page.open(_PAGE, "Press me")
    with pytest.raises(NotShownError, match="Press nothing"):
        page.click("Press nothing", seconds=0.3)
    page.click("Press me")
    page.wait_for("pressed")
    page.draw(tmp_path / "page.png", settle=0)
    tab.close()
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
