"""Providers at the door: theirs is kept before they are answered, everything else gets one and the same 403."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import OperationalError

from channels.callbacks.openid import KeysUnavailable, SigningKey
from pushpull.db import reading
from pushpull.learners.tables import suppression
from pushpull.ledger.tables import callback, conversation
from pushpull.ledger.vocabulary import CallbackState
from tests.channels.callbacks.signing import (
    BASE,
    Call,
    a_message,
    a_token,
    an_activity,
    callback_keys,
    from_sendgrid,
    from_slack,
    from_teams,
    from_twilio,
)
from tests.channels.callbacks.test_mutations import good_calls, mutations
from tests.web.conftest import Place
from web.app import create_app

NOW = datetime.now(UTC)
PATHS = (
    "/callbacks/sendgrid",
    "/callbacks/twilio/inbound",
    f"/callbacks/twilio/1-0-1/{'ab' * 16}",
    "/callbacks/teams",
    "/callbacks/slack",
)


@pytest.fixture(autouse=True)
def _present() -> None:
    """Tests may run long after they were read, and providers' requests grow old."""
    global NOW  # noqa: PLW0603  # the present of the test that runs
    NOW = datetime.now(UTC)


class Door:
    """The app as providers reach it."""

    def __init__(self, client: TestClient, engine: Engine) -> None:
        self.client, self.engine = client, engine

    def post(self, call: Call) -> Response:
        headers = {name: value.encode("utf-8") for name, value in call.headers.items() if value}
        path = call.path.replace("#", "%23")
        return self.client.post(path, content=call.body, headers=headers)  # type: ignore[arg-type]

    def kept(self) -> list[tuple[str, str]]:
        """Provider and state of what was kept."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(callback.c.provider, callback.c.state).order_by(callback.c.id))
            return [(row.provider, row.state) for row in rows]

    def suppressed(self) -> set[tuple[int, str]]:
        with reading(self.engine) as connection:
            in_force = suppression.c.lifted_at.is_(None)
            rows = connection.execute(select(suppression.c.learner_id, suppression.c.channel).where(in_force))
            return {(row.learner_id, row.channel) for row in rows}


@pytest.fixture
def door(place: Place) -> Iterator[Door]:
    app = create_app(place.settings, place.engine, callbacks=callback_keys())
    # The Host of a request is whatever somebody writes there: signatures are over the address of the settings.
    with TestClient(app, base_url="http://evil.example:8080", raise_server_exceptions=True) as client:
        yield Door(client, place.engine)


def test_every_providers_good_callback_is_kept(door: Door) -> None:
    for call in good_calls(NOW, 1):
        answer = door.post(call)
        assert answer.status_code == (204 if call.provider == "twilio" else 200)
        assert answer.content == b""
    assert [provider for provider, _ in door.kept()] == ["sendgrid", "twilio", "twilio", "teams", "slack"]


def test_a_stop_stands_when_the_post_has_returned(door: Door) -> None:
    assert door.post(from_twilio({"MessageSid": "SM1", "From": "+4915112345678", "Body": "Stop"})).status_code == 204
    assert door.suppressed() == {(1, "sms")}
    assert door.kept() == [("twilio", CallbackState.FOLDED)]


def test_a_bot_that_is_installed_learns_how_to_reach_the_person(door: Door) -> None:
    call = from_teams(an_activity("installationUpdate", at=NOW, action="add", person="29:ada"), at=NOW)
    assert door.post(call).status_code == 200
    stop = from_teams(an_activity(at=NOW, text="stop", person="29:ada", id="2"), at=NOW)
    assert door.post(stop).status_code == 200
    assert door.suppressed() == {(1, "teams")}
    with reading(door.engine) as connection:
        assert connection.execute(select(conversation.c.address)).scalars().all() == ["29:ada"]


def test_slack_hears_its_challenge_back_only_when_it_is_slack(door: Door) -> None:
    call = from_slack({"type": "url_verification", "challenge": "abc"}, at=NOW)
    assert door.post(call).json() == {"challenge": "abc"}
    assert door.post(call.with_header("x-slack-signature", "v0=00")).status_code == 403
    assert door.kept() == []


def test_a_signed_body_nobody_can_read_is_kept_once_as_poison(door: Door) -> None:
    for body in (b"", b"not JSON", b"{}", b"\xff\x00", b"[" * 2_000):
        for _ in range(3):
            assert door.post(from_sendgrid(body, at=NOW)).status_code == 200
    assert door.kept() == [("sendgrid", CallbackState.POISON)] * 5


def test_events_of_any_shape_in_a_signed_batch_are_kept(door: Door) -> None:
    odd: list[Any] = [7, None, "x", [], {}, {"event": "bounce", "email": "\u0000@x"}, {"sg_event_id": "\u0000"}]
    odd += [{"event": "delivered", "delivery": "1-0-1", "timestamp": each} for each in (-1e308, 1e308, "x", [], {})]
    assert door.post(from_sendgrid(odd, at=NOW)).status_code == 200
    assert len(door.kept()) == len(odd)


def test_five_hundred_changed_callbacks_are_refused_alike_and_nothing_is_kept(door: Door) -> None:
    answers = set()
    for _, changed in mutations(500, seed=7, at=NOW):
        answer = door.post(changed)
        # An address that was changed may be no endpoint at all.
        assert answer.status_code in ({403, 404, 405} if changed.provider == "twilio" else {403}), changed
        if answer.status_code == 403:
            answers.add((answer.content, tuple(sorted(answer.headers.items()))))
    assert len(answers) == 1
    assert door.kept() == []


def test_unsigned_requests_are_refused_before_anything_is_parsed(door: Door) -> None:
    for path in PATHS:
        for body in (b"", b"{}", b"[{}]", b"a=b", b"\xff" * 1000, b"[" * 100_000):
            for kind in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data", ""):
                assert door.client.post(path, content=body, headers={"content-type": kind}).status_code == 403
    assert door.kept() == []


def test_too_long_a_body_is_not_read(door: Door) -> None:
    for path in PATHS:
        assert door.client.post(path, content=b"x" * 1_000_001).status_code == 413


def test_opening_an_endpoint_does_nothing(door: Door) -> None:
    for path in PATHS:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            assert door.client.request(method, path).status_code in {404, 405}


def test_without_keys_there_is_no_endpoint(place: Place) -> None:
    for call in good_calls(NOW, 1):
        assert place.client.post(call.path, content=call.body, headers=dict(call.headers)).status_code == 404
    none = callback_keys(sendgrid=(), twilio=(), microsoft=None, microsoft_keys=None, slack=())
    with TestClient(create_app(place.settings, place.engine, callbacks=none), base_url=BASE) as client:
        for call in good_calls(NOW, 1):
            assert client.post(call.path, content=call.body, headers=dict(call.headers)).status_code == 404


def test_a_thousand_replays_through_the_door_change_nothing(door: Door) -> None:
    calls = [call for number in range(4) for call in good_calls(NOW, number)]
    for call in calls:
        door.post(call)
    before = door.kept(), door.suppressed()
    for turn in range(200):
        assert door.post(calls[turn * 7 % len(calls)]).is_success
    assert (door.kept(), door.suppressed()) == before


def test_while_microsofts_keys_cannot_be_had_the_bot_connector_is_asked_to_come_again(place: Place) -> None:
    class Away:
        def find(self, key_id: str) -> SigningKey | None:
            raise KeysUnavailable

    app = create_app(place.settings, place.engine, callbacks=callback_keys(microsoft_keys=Away()))
    with TestClient(app, base_url=BASE) as client:
        good = from_teams(an_activity(at=NOW), at=NOW)
        answer = client.post(good.path, content=good.body, headers=dict(good.headers))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        # What is plainly not for us does not need a key to be refused.
        for token in ("x", "a.b.c", a_token(at=NOW, aud="another"), a_token(at=NOW, exp=1)):
            call = from_teams(an_activity(at=NOW), at=NOW, token=token)
            assert client.post(call.path, content=call.body, headers=dict(call.headers)).status_code == 403


def test_while_the_database_is_away_providers_are_asked_to_come_again(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr("web.callbacks.receive", away)
    call = good_calls(NOW, 1)[0]
    assert door.post(call).status_code == 503
    monkeypatch.undo()
    assert door.post(call).status_code == 200


def test_no_log_line_holds_what_a_callback_said(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for call in (
            from_twilio({"MessageSid": "SM1", "From": "+4915112345678", "Body": "please stop"}),
            from_slack(a_message("stop", at=NOW, user="UADA"), at=NOW).with_header("x-slack-signature", "v0=1"),
            from_sendgrid([{"event": "bounce", "email": "ada@example.org"}], at=NOW),
        ):
            door.post(call)
    said = "\n".join(
        record.getMessage() + str(record.__dict__.get("extra", ""))
        for record in caplog.records
        if "httpx" not in record.name
    )
    assert not any(each in said for each in ("+49151", "please stop", "UADA", "ada@example.org"))
    with reading(door.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM callback")).scalar_one() == 2
