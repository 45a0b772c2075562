"""Links that lead nowhere are found before a wave starts, and nobody is held up who cannot tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from channels.deliverability import Finding, ask
from channels.deliverability.links import MOST_LINKS, check_links
from channels.wire import Failure, NobodyKnows, NothingSent, Wire


def codes(findings: Sequence[Finding]) -> list[str]:
    return [f"{finding.severity[0]}:{finding.code}" for finding in findings]


def probing(statuses: Mapping[str, int | Failure]) -> Callable[[str, float], int]:
    def probe(url: str, deadline: float) -> int:
        answer = statuses[url]
        if isinstance(answer, Failure):
            raise answer
        return answer

    return probe


@pytest.mark.parametrize(
    "url",
    [
        "http://lms.example.org/a",
        "https://",
        "lms.example.org/a",
        "javascript:alert(1)",
        "https://user:word@lms.example.org/",
        "https://localhost/a",
        "https://127.0.0.1/a",
        "https://[::1]/a",
        "https://169.254.169.254/latest",
        "https://lms.example.org/a b",
        "https://lms.example.org/a\nb",
        "https://lms.example.org:99999/",
        "https://[broken/",
    ],
)
def test_a_link_no_message_may_carry_is_an_error_and_nobody_tries_it(url: str) -> None:
    assert codes(check_links({"a": url}, probing({}))) == ["e:link-unusable"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (200, []),
        (204, []),
        (302, []),  # to the sign-in page
        (401, []),
        (403, []),
        (429, []),
        (404, ["e:link-gone"]),
        (410, ["e:link-gone"]),
        (500, ["w:link-doubtful"]),
        (418, ["w:link-doubtful"]),
        (NobodyKnows("read_timeout"), ["w:link-not-reached"]),
        (NothingSent("tls_failed"), ["w:link-not-reached"]),
        (NothingSent("name_not_found"), ["w:link-not-reached"]),
    ],
)
def test_only_a_page_that_is_gone_is_an_error(answer: int | Failure, expected: list[str]) -> None:
    url = "https://lms.example.org/course?id=7&token=secret"
    findings = check_links({"feedback": url}, probing({url: answer}))
    assert codes(findings) == expected
    assert not any("secret" in finding.message for finding in findings)


def test_the_same_page_is_tried_once_and_no_more_than_fifty_are() -> None:
    tried: list[str] = []

    def probe(url: str, deadline: float) -> int:
        tried.append(url)
        return 200

    assert check_links({"a": "https://x.org/1", "b": "https://x.org/1"}, probe) == []
    assert len(tried) == 1
    many = {f"i{at:03}": f"https://x.org/{at}" for at in range(MOST_LINKS + 7)}
    found = check_links(many, probe)
    assert codes(found) == ["w:links-not-tried"]
    assert found[0].message.startswith("7 links")
    assert len(tried) == 1 + MOST_LINKS


def test_an_item_without_a_link_is_a_warning() -> None:
    assert codes(check_links({"a": None, "b": ""}, probing({}))) == ["w:link-missing", "w:link-missing"]


def test_all_links_together_have_one_deadline() -> None:
    deadlines: list[float] = []
    now = iter(range(0, 1000, 9))

    def probe(url: str, deadline: float) -> int:
        deadlines.append(deadline)
        return 200

    links = {f"i{at}": f"https://x.org/{at}" for at in range(6)}
    check_links(links, probe, monotonic=lambda: float(next(now)))
    assert max(deadlines) == 20.0


@contextmanager
def site(statuses: Mapping[tuple[str, str], int]) -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(statuses.get((self.command, self.path), 404))
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = _reply  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], asked
    server.shutdown()
    server.server_close()


def test_a_page_is_asked_for_by_head_and_by_get_only_where_head_says_no() -> None:
    told = {("HEAD", "/a"): 200, ("HEAD", "/get-only"): 405, ("GET", "/get-only"): 200, ("HEAD", "/sign-in"): 401}
    with site(told) as (port, asked):
        here = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 5
        assert ask(f"{here}/a", end) == 200
        assert ask(f"{here}/get-only", end) == 200
        assert ask(f"{here}/sign-in", end) == 401
        assert ask(f"{here}/gone", end) == 404
        assert ask(f"{here}/käse?q=ü#part", end) == 404
    assert asked[:4] == ["HEAD /a", "HEAD /get-only", "GET /get-only", "HEAD /sign-in"]
    assert asked[-1] == "GET /k%C3%A4se?q=%C3%BC"
    with pytest.raises(NothingSent):
        ask(f"{here}/a", time.monotonic() + 1)
    assert Wire(here)  # the address itself was fine


@contextmanager
def course_site() -> Iterator[tuple[str, list[str]]]:
    """A site with everything that can become of a link; the paths it was asked for."""
    asked: list[str] = []
    leads = {"/moved": "/a", "/round": "/about", "/about": "/round", "/myself": "/myself#again", "/to-gone": "/gone"}
    leads |= {"/cookie": "/cookie", "/away": "http://127.0.0.1:1/private", "/odd": "http://[", "/nowhere": ""}
    over = threading.Event()

    class Site(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            asked.append(self.path)
            if self.path == "/slow":
                over.wait(10)
            is_endless = self.path.startswith("/endless/")
            target = f"/endless/{len(asked)}" if is_endless else leads.get(self.path)
            self.send_response(302 if target is not None else 200 if self.path in ("/a", "/slow") else 404)
            if target:
                self.send_header("Location", target)
            if self.path == "/cookie":
                self.send_header("Set-Cookie", "seen=1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = _reply  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    over.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a", []),
        ("/moved", []),
        ("/gone", ["e:link-gone"]),
        ("/to-gone", ["e:link-gone"]),
        ("/round", ["e:link-goes-round"]),
        ("/myself", ["e:link-goes-round"]),
        ("/endless/0", ["e:link-goes-round"]),
        ("/cookie", ["w:link-doubtful"]),  # whoever keeps the cookie may get on
        ("/away", []),  # to this machine itself: nobody asks there
        ("/nowhere", []),
        ("/odd", ["w:link-not-reached"]),
        ("/slow", ["w:link-not-reached"]),
    ],
)
def test_a_link_is_as_dead_as_what_it_leads_to(path: str, expected: list[str]) -> None:
    with course_site() as (here, asked):

        def probe(url: str, deadline: float) -> int:
            return ask(url.replace("https://courses.example.org", here), min(deadline, time.monotonic() + 1))

        assert codes(check_links({"feedback": f"https://courses.example.org{path}"}, probe)) == expected
        assert len(asked) <= 25
