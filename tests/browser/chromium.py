"""A small driver of headless Chromium over the DevTools protocol: open a page, wait for words, click on them, draw it.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

_COMMAND = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
#: The smallest visible element that says exactly these words, or has them as its label.
_FIND = """
(words => {
  const said = e => (e.innerText || e.value || e.getAttribute('aria-label') || '').trim();
  const shown = e => { const box = e.getBoundingClientRect(); return box.width > 0 && box.height > 0; };
  const found = [...document.querySelectorAll('button, a, [role], label, input, li, span, div, p, td, h1, h2, h3')]
    .filter(e => said(e) === words && shown(e));
  return found.at(-1) || null;
})(%s)
"""


class NotShownError(AssertionError):
    """A page does not show what was waited for."""

    def __init__(self, what: str, page: str) -> None:
        super().__init__(f"{what!r} is not there; the page says:\n{page[:2000]}")


class Page:
    """One tab."""

    def __init__(self, line: ClientConnection) -> None:
        self._line, self._numbers = line, count(1)

    def ask(self, method: str, **parameters: Any) -> Any:
        """Send a command; its result.

        Raises:
            RuntimeError: Chromium refused.
        """
        number = next(self._numbers)
        self._line.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._line.recv(timeout=60))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def run(self, script: str) -> Any:
        """What a JavaScript expression comes to."""
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"].get("exception", result["exceptionDetails"])))
        return result["result"].get("value")

    def open(self, url: str, *words: str) -> None:
        """Go to an address and wait for words on its page."""
        self.ask("Page.navigate", url=url)
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
            time.sleep(0.2)

    def click(self, words: str, *, seconds: float = 30) -> None:
        """Click on what says exactly these words, or is labelled with them."""
        self._click(_FIND % json.dumps(words), words, seconds)

    def click_on(self, selector: str, *, seconds: float = 30) -> None:
        """Click on the first element of a CSS selector."""
        self._click(f"document.querySelector({json.dumps(selector)})", selector, seconds)

    def _click(self, element: str, what: str, seconds: float) -> None:
        place = (
            f"(() => {{ const e = {element}; if (!e) return null; e.scrollIntoView({{block: 'center'}}); "
            "const box = e.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        give_up = time.monotonic() + seconds
        while (found := self.run(place)) is None:
            if time.monotonic() > give_up:
                raise NotShownError(what, self.says())
            time.sleep(0.2)
        where = {"x": found[0], "y": found[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, **where)

    def write(self, text: str) -> None:
        """Type into what has the focus."""
        self.ask("Input.insertText", text=text)

    def draw(self, path: Path, *, settle: float = 1.5) -> None:
        """Keep a picture of what is visible.

        Args:
            settle: seconds to let animations end.
        """
        time.sleep(settle)
        shot = self.ask("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def chromium(folder: Path, *, width: int = 1280, height: int = 800) -> Iterator[Page]:
    """A tab of a browser of its own, for the length of the block.

    Args:
        folder: for its profile.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise FileNotFoundError("no Chromium on this machine")
    command = [program, *_COMMAND, f"--user-data-dir={folder}", f"--window-size={width},{height}", "about:blank"]
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        port = _port(folder, process)
        with connect(_tab(port), max_size=None, open_timeout=30, proxy=None) as line:
            page = Page(line)
            page.ask("Page.enable")
            page.ask(
                "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
            )
            yield page
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def _port(folder: Path, process: subprocess.Popen[bytes]) -> int:
    told = folder / "DevToolsActivePort"
    for _ in range(300):
        if told.exists() and (text := told.read_text().split()):
            return int(text[0])
        if process.poll() is not None:
            break
        time.sleep(0.2)
    raise RuntimeError(f"Chromium did not start: {(folder / 'chromium.log').read_text(errors='replace')[-1000:]}")


def _tab(port: int) -> str:
    import httpx

    tabs = httpx.get(f"http://127.0.0.1:{port}/json", trust_env=False, timeout=30).json()
    return str(next(each["webSocketDebuggerUrl"] for each in tabs if each["type"] == "page"))
