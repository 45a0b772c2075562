"""How often one link, one visit, one network may ask."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from tests.web.conftest import BASE, Place
from web.app import create_app
from web.limits import By, Limit, Meter, RateLimits


@dataclass
class Clock:
    """Seconds that a test lets pass."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@given(times=st.integers(1, 50), seconds=st.floats(0.5, 100), tries=st.integers(0, 120))
def test_so_many_are_let_through_at_once_and_the_next_one_when_it_was_told_to_come(
    times: int, seconds: float, tries: int
) -> None:
    clock = Clock(1e6)
    meter, limit = Meter(clock), Limit(By.LINK, (), times=times, seconds=seconds)
    waits = [meter.wait(b"key", limit) for _ in range(tries)]
    assert sum(not wait for wait in waits) == min(tries, times)
    if tries > times:
        assert 0 < waits[-1] <= seconds / times * 1.001
        clock.now += waits[-1] + 1e-6
        assert meter.wait(b"key", limit) == 0


def test_over_time_no_more_come_through_than_are_allowed() -> None:
    clock = Clock()
    meter, limit = Meter(clock), Limit(By.NETWORK, (), times=10, seconds=10)
    through = 0
    for _ in range(1000):
        clock.now += 0.1
        through += not meter.wait(b"key", limit)
    assert 100 <= through <= 110


def test_keys_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.limits._MOST_KEYS", 100)
    clock = Clock()
    meter, limit = Meter(clock), Limit(By.LINK, (), times=2, seconds=60)
    for n in range(5_000):
        clock.now += 0.001
        meter.wait(str(n).encode(), limit)
    assert len(meter._full_until) <= 100


@dataclass
class Door:
    """The middleware before an app that answers everything, and a clock that stands still."""

    clock: Clock
    app: RateLimits

    def knocks(self, path: str, *, address: str | None = "203.0.113.7", cookie: str = "") -> int:
        return self.answer(path, address=address, cookie=cookie)[0]

    def answer(self, path: str, *, address: str | None, cookie: str = "") -> tuple[int, dict[str, str]]:
        said: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            said.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        client = (address, 1234) if address else None
        headers = [(b"cookie", cookie.encode()), (b"x-forwarded-for", str(len(said)).encode())]
        scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "client": client}
        asyncio.run(self.app(scope, receive, send))
        return said[0]["status"], {key.decode(): value.decode() for key, value in said[0]["headers"]}


@pytest.fixture
def door() -> Door:
    async def anything(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("ok")(scope, receive, send)

    clock = Clock()
    return Door(clock, RateLimits(anything, monotonic=clock))


def test_a_gateway_that_opens_five_hundred_links_at_once_waits_and_nobody_else_does(door: Door) -> None:
    links = [f"/{'lup'[n % 3]}/{n}" for n in range(500)]
    statuses = [door.knocks(link) for link in links]
    assert statuses == [200] * 300 + [429] * 200
    status, headers = door.answer("/l/another", address="203.0.113.250")  # the same block is the gateway's own
    assert (status, headers["retry-after"]) == (429, "1")
    for human in ("203.0.114.7", "2001:db8::1", "203.0.112.7"):
        assert [door.knocks(path, address=human) for path in ("/l/mine", "/me", "/me/start/1")] == [200] * 3
    door.clock.now += 10
    assert [door.knocks(link) for link in links] == [200] * 300 + [429] * 200


def test_one_link_is_opened_so_often_from_wherever_and_another_still_opens(door: Door) -> None:
    statuses = [door.knocks("/p/one", address=f"198.51.{n}.1") for n in range(40)]
    assert statuses == [200] * 30 + [429] * 10
    assert [door.knocks(path) for path in ("/p/two", "/l/one", "/l/one/fresh")] == [200] * 3
    assert door.answer("/p/one", address=None)[1]["retry-after"] == "2"


def test_a_visit_turns_pages_quickly_but_not_endlessly(door: Door) -> None:
    statuses = [door.knocks("/me/plans", cookie="__Host-pushpull=a") for _ in range(250)]
    assert statuses == [200] * 240 + [429] * 10
    assert door.knocks("/me", cookie="__Host-pushpull=b") == 200


def test_style_sheets_and_probes_are_never_refused(door: Door) -> None:
    assert {door.knocks(path) for path in ["/static/style.css", "/brand/larkfield.css", "/healthz"] * 600} == {200}


def test_machines_have_a_limit_of_their_own(door: Door) -> None:
    paths = [f"/{('xapi', 'scim', 'hooks', 'callbacks')[n % 4]}/x" for n in range(1100)]
    assert [door.knocks(path) for path in paths] == [200] * 1000 + [429] * 100
    assert [door.knocks(path) for path in ("/l/one", "/me")] == [200] * 2


def test_without_an_address_only_links_and_visits_are_counted(door: Door) -> None:
    for unknown in (None, "testclient"):
        assert {door.knocks(f"/l/{unknown}{n}", address=unknown) for n in range(400)} == {200}


def test_who_waits_is_told_so_in_their_language_and_with_all_security_headers(place: Place) -> None:
    path = place.preferences()
    answers = [place.client.get(path, headers={"accept-language": "fr"}) for _ in range(45)]
    assert {answer.status_code for answer in answers[:30]} == {200}
    refused = answers[-1]
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["content-security-policy"].startswith("default-src 'none'")
    assert "à la fois" in refused.text
    assert place.client.get(place.unsubscribe()).status_code == 200


def test_a_proxys_word_for_the_address_is_not_taken_from_a_header(place: Place) -> None:
    app = create_app(place.settings, place.engine, limits=[Limit(By.NETWORK, (), times=5, seconds=3600)])
    client = TestClient(app, base_url=BASE, client=("203.0.113.7", 1234))
    statuses = [client.get("/nowhere", headers={"x-forwarded-for": f"198.51.{n}.1"}).status_code for n in range(7)]
    assert statuses == [404] * 5 + [429] * 2


def test_limits_can_be_lifted(place: Place) -> None:
    client = TestClient(create_app(place.settings, place.engine, limits=None), base_url=BASE)
    assert {client.get(place.preferences()).status_code for _ in range(50)} == {200}
