"""The stand-in itself: it speaks HTTP as it should, strikes as told, and sees what breaks a provider's description."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from channels.wire import Answer, NobodyKnows, Wire
from tests.standin.contracts import FOLDER
from tests.standin.echo import Echo
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.process import standin_process
from tests.standin.provider import Callback, Provider, Reply, Request, Taken

MAIL = {
    "personalizations": [{"to": [{"email": "ada@example.org"}], "custom_args": {"delivery": "1-0-1"}}],
    "from": {"email": "learning@example.org"},
    "subject": "Hello",
    "content": [{"type": "text/plain", "value": "Two minutes"}],
}


class Described(Echo):
    """An echo that is held to the description of SendGrid's mail."""

    name, prefix, contracts = "described", "/described", ("sendgrid_mail_v3.json",)


class Broken(Provider):
    """A provider with a defect."""

    name, prefix = "broken", "/broken"

    def answer(self, request: Request) -> Reply:
        raise KeyError("a defect")


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    with StandIn([Echo, Described, Broken]) as server:
        yield server


@pytest.fixture
def server(running: StandIn) -> StandIn:
    running.forget()
    return running


def asked(url: str, path: str = "/x", body: bytes = b"{}", *, content_type: str = "application/json") -> Answer:
    wire = Wire(url)
    try:
        headers = {"Content-Type": content_type}
        return wire.request("POST", path, headers=headers, body=body, deadline=time.monotonic() + 5)
    finally:
        wire.close()


def control(server: StandIn, method: str, path: str, body: bytes = b"") -> Answer:
    wire = Wire(f"http://127.0.0.1:{server.port}")
    try:
        return wire.request(method, path, headers={}, body=body, deadline=time.monotonic() + 5)
    finally:
        wire.close()


def test_a_request_arrives_as_it_was_made(server: StandIn) -> None:
    asked(server.url(Echo), "/a%20b/c?x=1&x=2&y=%C3%A4", b"abc")
    (request,) = server.requests(Echo)
    assert (request.method, request.path, request.body) == ("POST", "/a b/c", b"abc")
    assert request.query == {"x": ["1", "2"], "y": ["ä"]}


def test_many_connections_are_served_at_once(server: StandIn) -> None:
    server.fault(Fault.HANG_PROCESSED, times=20, seconds=0.3)
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(asked, server.url(Echo)) for _ in range(20)]
    assert {type(each.exception()) for each in calls} == {NobodyKnows}
    assert time.monotonic() - began < 2
    assert len(server.provider("echo").taken()) == 20


def test_a_fault_strikes_only_what_it_is_meant_for(server: StandIn) -> None:
    server.fault(Fault.BROKEN_UNPROCESSED, provider=Described)
    server.fault(Fault.BROKEN_UNPROCESSED, path="^/only/this", times=2)
    assert [asked(server.url(Echo), path).status for path in ("/x", "/only/this", "/only/this", "/only/this")] == [
        202,
        503,
        503,
        202,
    ]
    assert asked(server.url(Described)).status == 503


def test_chances_are_the_same_with_the_same_seed(server: StandIn) -> None:
    def struck(seed: int) -> list[int]:
        server.forget()
        server.fault(Fault.BROKEN_PROCESSED, Fault.THROTTLED_SILENT, times=None, share=0.3, seed=seed)
        return [asked(server.url(Echo)).status for _ in range(60)]

    first = struck(7)
    assert first == struck(7) != struck(8)
    assert set(first) == {202, 429, 503}
    assert 8 <= sum(status != 202 for status in first) <= 30


def test_a_defect_of_a_provider_is_told(server: StandIn) -> None:
    assert asked(server.url(Broken)).status == 500
    assert server.violations == ["broken: POST /x: defect KeyError('a defect')"]


def test_what_breaks_a_description_is_told_with_its_place(server: StandIn) -> None:
    if not FOLDER.is_dir():
        pytest.skip("needs the descriptions beside the checkout")
    url = server.url(Described)
    asked(url, "/v3/mail/send", orjson.dumps(MAIL))
    assert server.violations == []
    asked(url, "/v3/mail/send", orjson.dumps({**MAIL, "from": "learning@example.org"}))
    asked(url, "/v3/mail/sent", orjson.dumps(MAIL))
    asked(url, "/v3/mail/send", b"{not json")
    asked(url, "/v3/mail/send", b"a=b", content_type="application/x-www-form-urlencoded")
    wrong_type, no_path, no_json, other_type = server.violations
    assert wrong_type.startswith("described: POST /v3/mail/send: ")
    assert "from" in wrong_type
    assert "no such path" in no_path
    assert no_json
    assert other_type


def test_what_was_late_when_everything_was_forgotten_is_forgotten_too(server: StandIn) -> None:
    server.fault(Fault.BROKEN_LATE, seconds=0.1)
    asked(server.url(Echo))
    server.forget()
    time.sleep(0.2)
    assert server.provider(Echo).taken() == []


def test_a_look_up_may_lag(server: StandIn) -> None:
    echo: Provider = server.provider(Echo)
    echo.show_late(look_ups=2)
    asked(server.url(Echo))
    assert [len(echo.visible()) for _ in range(4)] == [0, 0, 1, 1]
    echo.show_late(seconds=0.1)
    assert echo.visible() == []
    time.sleep(0.12)
    assert len(echo.visible()) == len(echo.taken()) == 1


def test_callbacks_are_made_twice_and_out_of_order_on_demand(server: StandIn) -> None:
    made: list[bytes] = []

    def deliver(callback: Callback) -> int:
        made.append(callback.body)
        return 204

    echo: Provider = server.provider(Echo)
    for number in range(9):
        echo.owe(Callback("https://learn.example/callbacks", {}, b"%d" % number))
    assert server.deliver_callbacks(deliver, copies=2, shuffled_by=7) == [204] * 18
    assert sorted(made) == sorted([b"%d" % number for number in range(9)] * 2)
    assert made != sorted(made)
    assert server.deliver_callbacks(deliver) == [], "they are owed no longer"


def test_callbacks_go_to_another_host_with_the_public_one_named(server: StandIn) -> None:
    server.provider(Echo).owe(Callback("https://learn.example/echo/back?a=b", {"X-Signed": "1"}, b"body"))
    assert server.deliver_callbacks(f"http://127.0.0.1:{server.port}") == [202]
    (request,) = server.requests(Echo)
    assert (request.path, request.query, request.body) == ("/back", {"a": ["b"]}, b"body")
    assert (request.headers["host"], request.headers["x-signed"]) == ("learn.example", "1")


def test_the_outbox_shows_what_was_taken_and_runs_none_of_it(server: StandIn) -> None:
    evil = '<script>alert("x")</script>"\'><img src=x onerror=alert(1)>'
    for number in range(3):
        content = {"html": evil, "text": evil, "subject": f"number {number}"}
        server.provider(Echo).take(Taken("echo", evil, evil, evil, content, evil, float(number)))
    answer = control(server, "GET", "/")
    page = answer.body.decode()
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in page
    assert "<img" not in page
    assert page.count('<iframe sandbox="" ') == 3
    assert page.index("number 2") < page.index("number 1") < page.index("number 0"), "the newest first"
    assert "<b>3</b>echo" in page


def test_the_outbox_draws_cards_and_survives_what_is_none(server: StandIn) -> None:
    card = '[{"type": "header", "text": {"type": "plain_text", "text": "Two <minutes>"}}]'
    for text in (card, "{no card", "7"):
        server.provider(Echo).take(Taken("echo", "1-0-1", "h", "U1", {"text": "hello", "card": text}, "id", 0.0))
    page = control(server, "GET", "/").body.decode()
    assert '<p class="heading">Two &lt;minutes&gt;</p>' in page
    assert page.count('<details class="message"') == 3


def test_another_process_can_tell_it_what_to_do() -> None:
    with standin_process() as remote:
        assert remote.violations() == []
        assert set(remote.taken()) == set(remote.struck())
        remote.fault(Fault.THROTTLED_SECONDS, times=1, seconds=3)
        name = next(iter(remote.taken()))
        assert remote.struck()[name] == {"requests": 0}
        with pytest.raises(RuntimeError, match="not a valid Fault"):
            remote.fault("nonsense")  # type: ignore[arg-type]
        remote.forget()
        assert set(remote.variables) >= {"PUSHPULL_CHANNELS"}


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /echo/x HTTP/1.1\r\nHost: x\r\nContent-Length: z\r\n\r\n",
    ],
)
def test_what_is_no_http_does_no_harm(server: StandIn, sent: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=2)
    connection.connect()
    connection.sock.sendall(sent)
    connection.sock.recv(1000)
    connection.close()
    assert asked(server.url(Echo)).status == 202


def test_an_unknown_path_says_that_nobody_lives_there(server: StandIn, tmp_path: Path) -> None:
    assert asked(f"http://127.0.0.1:{server.port}", "/nobody").status == 404
    assert control(server, "POST", "/_standin/faults", b"[]").status == 400
