"""Where the Bot Connector's keys come from: fetched once, kept, and asked for again with restraint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest

from channels.callbacks.openid import KEPT_SECONDS, PAUSE_SECONDS, KeysUnavailable, PublishedKeys
from channels.wire import Wire
from tests.channels.callbacks.signing import rsa_key

Publish = Callable[[str], Any]


@contextmanager
def published(answer: Publish) -> Iterator[str]:
    """A server that answers paths with JSON; None is a 500."""

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answer(self.path)
            body = json.dumps(found).encode()
            self.send_response(500 if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Microsoft:
    """What Microsoft publishes, and how often it was asked."""

    def __init__(self) -> None:
        self.kids = ["one"]
        self.asked = 0
        self.is_up = True
        self.keys_at = ""
        self.url = ""

    def answer(self, path: str) -> Any:
        if not self.is_up:
            self.asked += 1
            return None
        if path == "/configuration":
            self.asked += 1
            return {"jwks_uri": self.keys_at or f"{self.url}/keys"}
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key("current").public_key()))
        good = [{**public, "kid": kid, "endorsements": ["msteams", 7]} for kid in self.kids]
        return {"keys": [{"kty": "EC"}, 7, {"kty": "RSA", "kid": "broken"}, *good]}


@pytest.fixture
def microsoft() -> Iterator[Microsoft]:
    found = Microsoft()
    with published(found.answer) as url:
        found.url = url
        yield found


class Clock:
    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(microsoft: Microsoft, clock: Clock) -> PublishedKeys:
    return PublishedKeys(
        f"{microsoft.url}/configuration", monotonic=clock, wire_to=lambda url: Wire(url, monotonic=clock)
    )


def test_keys_are_fetched_once_for_many_questions(microsoft: Microsoft, keys: PublishedKeys) -> None:
    for _ in range(100):
        found = keys.find("one")
        assert found
        assert found.endorsements == {"msteams"}
    assert microsoft.asked == 1


def test_an_unknown_key_is_asked_for_once_in_five_minutes(
    microsoft: Microsoft, keys: PublishedKeys, clock: Clock
) -> None:
    assert keys.find("one")
    microsoft.kids = ["one", "two"]
    for _ in range(50):
        assert keys.find("two") is None
    assert microsoft.asked == 1
    clock.seconds += PAUSE_SECONDS
    assert keys.find("two")
    assert microsoft.asked == 2


def test_keys_are_fetched_again_after_a_day_and_withdrawn_ones_go(
    microsoft: Microsoft, keys: PublishedKeys, clock: Clock
) -> None:
    assert keys.find("one")
    microsoft.kids = ["two"]
    clock.seconds += KEPT_SECONDS
    assert keys.find("one") is None
    assert keys.find("two")


def test_known_keys_stay_in_use_while_microsoft_is_away(
    microsoft: Microsoft, keys: PublishedKeys, clock: Clock
) -> None:
    assert keys.find("one")
    microsoft.is_up = False
    clock.seconds += KEPT_SECONDS
    for _ in range(20):
        assert keys.find("one")
    assert microsoft.asked == 2


def test_without_any_key_nobody_can_know(microsoft: Microsoft, keys: PublishedKeys, clock: Clock) -> None:
    microsoft.is_up = False
    for _ in range(20):
        with pytest.raises(KeysUnavailable):
            keys.find("one")
    assert microsoft.asked == 1
    microsoft.is_up = True
    clock.seconds += PAUSE_SECONDS
    assert keys.find("one")


def test_keys_on_another_host_are_not_fetched(microsoft: Microsoft, keys: PublishedKeys) -> None:
    microsoft.keys_at = "http://169.254.169.254/keys"
    with pytest.raises(KeysUnavailable):
        keys.find("one")
