"""A browser and a place to walk through, for the tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import PROGRAM, browser
from tests.browser.place import Place, open_place
from tests.browser.walking import DEVICES, Device


@pytest.fixture(scope="package")
def a_browser() -> Iterator[Browser]:
    """One browser for all; each test opens windows of its own."""
    if PROGRAM is None:
        pytest.skip("needs Chromium, which is not here")
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The company whose pages are walked through, one for each module."""
    with open_place(tmp_path_factory.mktemp("place")) as opened:
        yield opened


#: Walked with always; with the others in a soak. A phone without scripts is what everything must work on.
_ALWAYS = (DEVICES[1], DEVICES[2])


@pytest.fixture(
    params=[pytest.param(each, id=str(each), marks=() if each in _ALWAYS else pytest.mark.soak) for each in DEVICES]
)
def device(request: pytest.FixtureRequest) -> Device:
    """A phone and a desktop, with and without scripts, in the light and in the dark."""
    found: Device = request.param
    return found
