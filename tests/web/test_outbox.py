from __future__ import annotations

import time
from uuid import uuid4

from channels.sandbox import SandboxChannel
from pushpull.learners.vocabulary import Channel
from tests.channels.letters import a_message
from tests.web.conftest import Place


def send(place: Place, delivery: str = "5-0-17") -> None:
    adapter = SandboxChannel(Channel.EMAIL, place.settings.outbox_dir)
    adapter.send([a_message(delivery=delivery, handover=uuid4())], deadline=time.monotonic() + 30)


def test_the_outbox_is_made_when_it_is_looked_at(place: Place) -> None:
    assert "Nothing yet" in place.client.get("/outbox/").text
    send(place)
    assert "1 message in 1 wave" in place.client.get("/outbox/").text
    wave = place.client.get("/outbox/wave-5-email-1.html")
    assert "Ada Lovelace" in wave.text
    assert "script-src" not in wave.headers["content-security-policy"]
    assert wave.headers["content-security-policy"].startswith("default-src 'none';")
    assert place.client.get("/outbox").headers["location"] == "/outbox/"


def test_single_messages_can_be_read(place: Place) -> None:
    send(place)
    place.client.get("/outbox/")
    (path,) = (place.settings.outbox_dir / "messages").rglob("*.eml")
    answer = place.client.get(f"/outbox/{path.relative_to(place.settings.outbox_dir)}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"X-Pushpull-Delivery: 5-0-17" in answer.content


def test_nothing_but_pages_and_messages_can_be_read(place: Place) -> None:
    send(place)
    place.client.get("/outbox/")
    (place.settings.outbox_dir.parent / "secret.html").write_text("secret")
    for path in (
        *("../secret.html", "%2e%2e/secret.html", "messages/../../secret.html", "messages/%2e%2e/%2e%2e/secret.html"),
        *("parcels/email/5/x.parcel", "parcels", "messages", "x" * 1500, "%00", "messages/%00", "//etc/passwd"),
    ):
        assert place.client.get(f"/outbox/{path}").status_code == 404
