"""Reading a learning record store over real HTTP: a stand-in on 127.0.0.1 that pages as real ones do."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine

from pushpull.importers.tables import import_cursor
from pushpull.importers.tabular import import_people
from pushpull.importers.xapi import LrsError, import_xapi
from pushpull.importers.xapi.lrs import next_page
from pushpull.learners.tables import activity
from tests.importers.files import LATER, NOW, a_table, rows_of

START = datetime(2026, 1, 1, tzinfo=UTC)


class StandIn(ThreadingHTTPServer):
    """An LRS of statements stored one minute apart, two to a page."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.statements: list[dict[str, Any]] = []
        self.more_style = "path"
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.fail_with = 0
        self.body: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/xapi"

    def store(self, count: int) -> None:
        for _ in range(count):
            number = len(self.statements) + 1
            stored = (START + timedelta(minutes=number)).isoformat().replace("+00:00", "Z")
            self.statements.append(
                {
                    "id": f"22222222-2222-4222-8222-{number:012d}",
                    "actor": {"mbox": "mailto:ann@example.org"},
                    "verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"},
                    "object": {"id": "https://learn.example/x"},
                    "timestamp": stored,
                    "stored": stored,
                }
            )

    def more(self, position: int, since: str) -> str:
        query = f"position={position}&since={since}"
        return {
            "absolute": f"{self.url}/statements?{query}",
            "path": f"/xapi/statements?{query}",
            "query": f"?{query}",
            "relative": f"statements?{query}",
            "foreign": f"http://127.0.0.1:9/xapi/statements?{query}",
            "circle": "/xapi/statements?position=0&since=",
        }[self.more_style]


class _Answers(BaseHTTPRequestHandler):
    server: StandIn

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.server.fail_with:
            self.send_error(self.server.fail_with)
            return
        since = query.get("since", "")
        found = [s for s in self.server.statements if not since or _time(s["stored"]) > _time(since)]
        position = int(query.get("position", 0))
        answer: dict[str, Any] = {"statements": found[position : position + 2], "more": ""}
        if position + 2 < len(found) or self.server.more_style == "circle":
            answer["more"] = self.server.more(position + 2, since)
        content = self.server.body if self.server.body is not None else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: Any) -> None:
        """Quiet."""


def _time(raw: str) -> datetime:
    return datetime.fromisoformat(raw)


@pytest.fixture
def lrs() -> Iterator[StandIn]:
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def known(engine: Engine, tmp_path: Path) -> Engine:
    people = a_table(tmp_path / "people.csv", ["external_id", "email"], [["e1", "ann@example.org"]])
    import_people(engine, people, now=NOW)
    return engine


@pytest.mark.parametrize("style", ["absolute", "path", "query", "relative"])
def test_all_pages_are_read_however_the_next_one_is_named(known: Engine, lrs: StandIn, style: str) -> None:
    lrs.store(7)
    lrs.more_style = style
    report = import_xapi(known, lrs.url, now=NOW, auth=("user", "secret"))
    assert (report.rows_in, report.accepted) == (7, 7)
    assert len(lrs.asked) == 4
    basic = "Basic " + base64.b64encode(b"user:secret").decode()
    for _, headers in lrs.asked:
        sent = {name.lower(): value for name, value in headers.items()}
        assert (sent["x-experience-api-version"], sent["authorization"]) == ("1.0.3", basic)


def test_the_next_import_continues_with_an_overlap_and_counts_it_as_duplicates(known: Engine, lrs: StandIn) -> None:
    lrs.store(30)
    import_xapi(known, lrs.url, now=NOW)
    assert rows_of(known, import_cursor, "source", "stored_until") == [
        (f"{lrs.url}/statements", START + timedelta(minutes=30))
    ]
    lrs.store(2)
    lrs.asked.clear()
    report = import_xapi(known, f"{lrs.url}/statements", now=LATER, overlap=timedelta(minutes=5))
    assert "since=2026-01-01T00%3A25%3A00.000Z" in lrs.asked[0][0]
    assert (report.rows_in, report.accepted, report.duplicate) == (7, 2, 5)
    assert len(rows_of(known, activity, "id")) == 32


def test_a_given_since_goes_before_the_cursor_and_an_older_run_does_not_move_it_back(
    known: Engine, lrs: StandIn
) -> None:
    lrs.store(5)
    import_xapi(known, lrs.url, now=NOW)
    lrs.statements.pop()
    report = import_xapi(known, lrs.url, now=LATER, since=START + timedelta(minutes=2))
    assert (report.rows_in, report.duplicate) == (2, 2)
    assert rows_of(known, import_cursor, "stored_until") == [(START + timedelta(minutes=5),)]


def test_nothing_new_is_an_import_of_nothing(known: Engine, lrs: StandIn) -> None:
    report = import_xapi(known, lrs.url, now=NOW)
    assert (report.rows_in, report.accepted) == (0, 0)
    assert rows_of(known, import_cursor, "source") == []


def test_a_dry_run_does_not_move_the_cursor(known: Engine, lrs: StandIn) -> None:
    lrs.store(3)
    assert import_xapi(known, lrs.url, now=NOW, dry_run=True).new == 3
    assert rows_of(known, import_cursor, "source") == []
    assert rows_of(known, activity, "id") == []


@pytest.mark.parametrize(("style", "complaint"), [("foreign", "another host"), ("circle", "round in a circle")])
def test_a_next_page_that_leads_astray_is_refused_and_nothing_is_kept(
    known: Engine, lrs: StandIn, style: str, complaint: str
) -> None:
    lrs.store(5)
    lrs.more_style = style
    with pytest.raises(LrsError, match=complaint):
        import_xapi(known, lrs.url, now=NOW, auth=("user", "secret"))
    assert rows_of(known, activity, "id") == []


@pytest.mark.parametrize(("status", "complaint"), [(401, "credentials"), (503, "HTTP 503"), (302, "HTTP 302")])
def test_an_answer_that_is_no_success_is_a_clear_error(
    known: Engine, lrs: StandIn, status: int, complaint: str
) -> None:
    lrs.fail_with = status
    with pytest.raises(LrsError, match=complaint):
        import_xapi(known, lrs.url, now=NOW)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"statements": 1}', b""])
def test_an_answer_that_holds_no_statements_is_a_clear_error(known: Engine, lrs: StandIn, body: bytes) -> None:
    lrs.body = body
    with pytest.raises(LrsError, match="sent"):
        import_xapi(known, lrs.url, now=NOW)


def test_nobody_there_is_a_clear_error(known: Engine) -> None:
    with pytest.raises(LrsError, match="could not be read"):
        import_xapi(known, "http://127.0.0.1:9/xapi", now=NOW)


def test_credentials_go_neither_into_addresses_nor_over_open_wires(known: Engine) -> None:
    with pytest.raises(LrsError, match="must not hold credentials"):
        import_xapi(known, "https://user:secret@lrs.example/xapi", now=NOW)
    with pytest.raises(LrsError, match="without encryption"):
        import_xapi(known, "http://lrs.example/xapi", now=NOW, auth=("user", "secret"))


def test_a_next_page_stays_on_its_host_and_its_scheme() -> None:
    page = "https://lrs.example/data/xAPI/statements?limit=2"
    assert next_page(page, "/data/xAPI/more/7") == "https://lrs.example/data/xAPI/more/7"
    assert next_page(page, "?cursor=7") == "https://lrs.example/data/xAPI/statements?cursor=7"
    assert next_page(page, "https://lrs.example:443/more") == "https://lrs.example:443/more"
    for astray in (
        "http://lrs.example/more",
        "//evil.example/more",
        "https://lrs.example.evil.example/",
        "file:///etc",
    ):
        with pytest.raises(LrsError, match="another host"):
            next_page(page, astray)
