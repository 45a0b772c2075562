"""The driver does what it says, on a page of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.chromium import PROGRAM, NotShownError, chromium

_PAGE = "data:text/html,<button onclick=\"document.body.innerText='pressed'\">Press me</button>"

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Chromium, which is not here")


def test_it_opens_clicks_waits_and_draws(tmp_path: Path) -> None:
    with chromium() as page:
        page.open(_PAGE, "Press me")
        with pytest.raises(NotShownError, match="Press nothing"):
            page.click("Press nothing", seconds=0.3)
        page.click("Press me")
        page.wait_for("pressed")
        page.draw(tmp_path / "page.png", settle=0)
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
