"""A person with a browser in front of our pages: what they open and press, and what must hold on every page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Response, Route

from tests.browser.place import Place

#: WCAG 2.0 to 2.2, levels A and AA, and what axe-core counts among good practice.
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_AXE: Final = Axe()
#: What Chromium says of itself where somebody sits in front of it.
_PERSON: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@dataclass(frozen=True)
class Device:
    """What somebody holds, and whether it runs scripts.

    Args:
        width, height: of its window, in CSS pixels.
    """

    name: str
    width: int
    height: int
    runs_scripts: bool = True
    is_dark: bool = False

    def __str__(self) -> str:
        return f"{self.name}{'' if self.runs_scripts else ' without scripts'}{' in the dark' if self.is_dark else ''}"


PHONE: Final = Device("phone", 390, 844)
DESKTOP: Final = Device("desktop", 1280, 900)
DEVICES: Final = (
    PHONE,
    Device("desktop", 1280, 900, is_dark=True),
    Device("phone", 390, 844, runs_scripts=False),
    Device("desktop", 1280, 900, runs_scripts=False),
)


class Walker:
    """One person; every page they come to is looked at as :meth:`look` says."""

    def __init__(self, place: Place, context: BrowserContext, device: Device) -> None:
        self.place = place
        self.tab: Page = context.new_page()
        self.device = device
        #: What the browser complained of: policies that were broken, scripts that failed.
        self.complaints: list[str] = []
        self.tab.on("console", self._hear)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self._looked_at: set[str] = set()

    def open(self, address: str) -> Response:
        """Go to an address of the place, or to a whole one."""
        whole = address if address.startswith("http") else self.place.base + address
        response = self.tab.goto(whole)
        assert response is not None
        self.look()
        return response

    def press(self, name: str) -> None:
        """Press a button or follow a link of exactly this name, and look at where it leads."""
        self.named(name).click()
        self.look()

    def named(self, name: str) -> Locator:
        """The first button or link that is called so."""
        exactly = re.compile(rf"^\s*{re.escape(name)}\s*$")
        return self.tab.get_by_role("button", name=exactly).or_(self.tab.get_by_role("link", name=exactly)).first

    def path(self) -> str:
        """Where they are."""
        return self.tab.url.removeprefix(self.place.base)

    def says(self) -> str:
        """What the page says."""
        return self.tab.locator("body").inner_text()

    def heading(self) -> str:
        """Its one headline."""
        return self.tab.locator("h1").inner_text()

    def look(self) -> None:
        """What must hold on every page.

        Raises:
            AssertionError: it breaks a policy of its own, a rule of accessibility, or does not fit the window.
        """
        self.tab.wait_for_load_state()
        assert self.tab.locator("h1").count() == 1, f"{self.path()} has no headline, or several"
        wide = self.tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{self.path()} is {wide} pixels wider than a {self.device}"
        assert not self.complaints, f"{self.path()}: {self.complaints}"
        kind = re.sub(r"\d+|(?<=/[a-z]/)[^/]+", "…", self.path().partition("?")[0]) + self.heading()
        if self.device.runs_scripts and kind not in self._looked_at:  # axe-core is one
            self._looked_at.add(kind)
            found = violations(self.tab)
            assert not found, f"{self.path()} on a {self.device}:\n" + "\n".join(found)

    def _hear(self, message: ConsoleMessage) -> None:
        # An answer of 401 or 422 is written there too, and is what was asked for.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)


def violations(tab: Page) -> list[str]:
    """What axe-core has to say against a page, one line for each element."""
    found = _AXE.run(tab, options={"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": _RULES}})
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]}"
        for each in found.response["violations"]
        for node in each["nodes"]
    ]


@contextmanager
def walking(browser: Browser, place: Place, device: Device = PHONE, *, language: str = "en-GB") -> Iterator[Walker]:
    """Somebody with a browser that knows nothing yet.

    Where they leave for what there is to learn, a page says where that is.
    """
    context = browser.new_context(
        viewport={"width": device.width, "height": device.height},
        java_script_enabled=device.runs_scripts,
        color_scheme="dark" if device.is_dark else "light",
        locale=language,
        user_agent=_PERSON,
        accept_downloads=True,
    )
    context.set_default_timeout(10_000)
    context.route("**/me/start/*", _leave)
    try:
        yield Walker(place, context, device)
    finally:
        context.close()


def _leave(route: Route) -> None:
    """Show where a start leads, in place of going there: nothing leaves this machine."""
    answer = route.fetch(max_redirects=0)
    there = answer.headers.get("location")
    page = f"<!doctype html><html lang=en><title>Elsewhere</title><main><h1>{there}</h1></main>"
    route.fulfill(response=answer) if there is None else route.fulfill(content_type="text/html", body=page)
