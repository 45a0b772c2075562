"""How often one link, one visit, one network may ask."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits.storage import MemoryStorage
from starlette.responses import PlainTextResponse

from tests.web.conftest import BASE, Place
from web.app import create_app
from web.limits import LIMITS, By, Limit, RateLimits


@dataclass
class Clock:
    """Seconds that a test lets pass."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(1_780_000_000.0)
    monkeypatch.setattr("time.time", made)
    return made


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


def a_door(clock: Clock, *limits: Limit) -> Door:
    async def anything(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("ok")(scope, receive, send)

    return Door(clock, RateLimits(anything, limits=limits or LIMITS))


@pytest.fixture
def door(clock: Clock) -> Door:
    return a_door(clock)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(times=st.integers(1, 40), seconds=st.integers(1, 90), tries=st.integers(1, 60), begun=st.integers(0, 90))
def test_so_many_are_let_through_at_once_and_the_next_one_when_it_was_told_to_come(
    clock: Clock, times: int, seconds: int, tries: int, begun: int
) -> None:
    clock.now = 1_780_000_000.0 + begun
    door = a_door(clock, Limit(By.LINK, ("/l/",), times=times, seconds=seconds))
    statuses = [door.knocks("/l/one") for _ in range(tries)]
    assert statuses == [200] * min(tries, times) + [429] * max(0, tries - times)
    status, headers = door.answer("/l/one", address=None)
    if status == 429:
        assert 1 <= int(headers["retry-after"]) <= 2 * seconds + 1
        clock.now += int(headers["retry-after"])
        assert door.knocks("/l/one") == 200


def test_over_time_no_more_come_through_than_are_allowed(clock: Clock) -> None:
    door = a_door(clock, Limit(By.NETWORK, (), times=10, seconds=10))
    through = 0
    for _ in range(1000):
        clock.now += 0.1
        through += door.knocks("/nowhere") == 200
    assert 80 <= through <= 110


def test_who_has_not_come_for_a_while_is_forgotten(clock: Clock) -> None:
    door = a_door(clock)
    for n in range(500):
        door.knocks(f"/l/{n}", address=f"198.51.{n % 250}.1")
    kept = door.app._counted.storage
    assert isinstance(kept, MemoryStorage)
    assert len(kept.storage) >= 500
    clock.now += 1000
    give_up = time.monotonic() + 5
    while len(kept.storage) > 10 and time.monotonic() < give_up:
        door.knocks("/l/another")
        time.sleep(0.02)
    assert len(kept.storage) <= 10


def test_what_is_counted_holds_no_token_and_no_cookie(clock: Clock) -> None:
    door = a_door(clock)
    door.knocks("/l/a-secret-token")
    door.knocks("/me", cookie="__Host-pushpull=a-secret-cookie")
    kept = door.app._counted.storage
    assert isinstance(kept, MemoryStorage)
    assert kept.storage
    assert not any("secret" in key for key in kept.storage)


def test_a_gateway_that_opens_five_hundred_links_at_once_waits_and_nobody_else_does(door: Door) -> None:
    links = [f"/{'lup'[n % 3]}/{n}" for n in range(500)]
    statuses = [door.knocks(link) for link in links]
    assert statuses == [200] * 300 + [429] * 200
    status, headers = door.answer("/l/another", address="203.0.113.250")  # the same block is the gateway's own
    assert status == 429
    assert 1 <= int(headers["retry-after"]) <= 11
    for human in ("203.0.114.7", "2001:db8::1", "203.0.112.7"):
        assert [door.knocks(path, address=human) for path in ("/l/mine", "/me", "/me/start/1")] == [200] * 3
    door.clock.now += 20
    assert [door.knocks(link) for link in links] == [200] * 300 + [429] * 200


def test_one_link_is_opened_so_often_from_wherever_and_another_still_opens(door: Door) -> None:
    statuses = [door.knocks("/p/one", address=f"198.51.{n}.1") for n in range(40)]
    assert statuses == [200] * 30 + [429] * 10
    assert [door.knocks(path) for path in ("/p/two", "/l/one", "/l/one/fresh")] == [200] * 3
    assert door.answer("/p/one", address=None)[0] == 429


def test_a_visit_turns_pages_quickly_but_not_endlessly(door: Door) -> None:
    statuses = [door.knocks("/me/plans", cookie="__Host-pushpull=a") for _ in range(250)]
    assert statuses == [200] * 240 + [429] * 10
    assert door.knocks("/me", cookie="__Host-pushpull=b") == 200
    for more in ("__Host-pushpull=a; x=1", "x=2; __Host-pushpull=a", "__Host-pushpull-staff=3; __Host-pushpull=a"):
        assert door.knocks("/me", cookie=more) == 429  # the same visit, whatever else comes along


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
