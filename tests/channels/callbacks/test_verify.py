"""Who is believed: the published vectors, rotation, age, and everything a token can be wrong about."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from sendgrid.helpers.eventwebhook import EventWebhook
from twilio.request_validator import RequestValidator

from channels.callbacks import sendgrid, twilio
from channels.callbacks.openid import SigningKey
from channels.callbacks.teams import is_service_url
from channels.callbacks.verdict import Refusal
from channels.email.requests import DELIVERY, HANDOVER
from tests.channels.callbacks.signing import (
    ACCOUNT,
    KEY_ID,
    Keys,
    a_message,
    a_token,
    an_activity,
    callback_keys,
    from_sendgrid,
    from_slack,
    from_teams,
    from_twilio,
    rsa_key,
    sendgrid_key,
)
from tests.standin import twilio as standin_twilio
from tests.standin.sendgrid.events import Signer

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def vectors(shared: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shared / "contracts" / "vectors.json").read_text())
    return found


def test_sendgrids_vectors_get_the_verdict_they_ask_for_and_the_sdk_agrees(vectors: dict[str, Any]) -> None:
    cases = vectors["sendgrid_event_webhook"]["cases"]
    assert len(cases) == 6
    for case in cases:
        verdict = sendgrid.verify(
            case["payload"].encode(),
            signature=case["signature"],
            timestamp=case["timestamp"],
            keys=[case["public_key"]],
            now=datetime.fromtimestamp(1600112502, UTC) + HOUR,
        )
        by_sdk = EventWebhook(case["public_key"]).verify_signature(
            case["payload"], case["signature"], case["timestamp"]
        )
        assert verdict.is_accepted == case["valid"] == by_sdk, case["name"]


def test_twilios_vectors_get_the_verdict_they_ask_for(vectors: dict[str, Any]) -> None:
    block = vectors["twilio_request_validator"]
    assert len(block["cases"]) == 10
    for case in block["cases"]:
        is_form = "params" in case
        body = urlencode(case["params"]).encode() if is_form else case["body"].encode()
        verdict = twilio.verify(
            body,
            url=case["url"],
            content_type="application/x-www-form-urlencoded" if is_form else "application/json",
            signature=case["signature"],
            tokens=["other", block["auth_token"]],
        )
        assert verdict.is_accepted == case["valid"], case["name"]


def test_twilio_signs_repeated_parameters_once_each_and_hashes_json(vectors: dict[str, Any]) -> None:
    block = vectors["twilio_request_validator"]
    repeated, hashed = block["compute_only"]
    body = urlencode([tuple(pair) for pair in repeated["params_multi"]]).encode()
    form = {"content_type": "application/x-www-form-urlencoded", "tokens": [block["auth_token"]]}
    assert twilio.verify(body, url=repeated["url"], signature=repeated["signature"], **form).is_accepted
    url = f"https://learn.example/x?bodySHA256={hashed['sha256_hex']}"
    signature = RequestValidator("t").compute_signature(url, {})
    verdict = twilio.verify(
        hashed["body"].encode(), url=url, content_type="application/json", signature=signature, tokens=["t"]
    )
    assert verdict.is_accepted


def test_an_empty_value_of_twilios_is_signed_too() -> None:
    assert from_twilio({"MessageSid": "SM1", "Body": "", "From": "+49151"}).verdict(NOW).is_accepted


def test_our_ids_have_the_same_name_in_the_e_mail_and_in_the_event() -> None:
    assert (sendgrid.DELIVERY_ARG, sendgrid.HANDOVER_ARG) == (DELIVERY, HANDOVER)


# ---- rotation and age


def test_two_keys_are_valid_while_one_is_being_rotated_out() -> None:
    assert from_sendgrid([], at=NOW, key="next").verdict(NOW).is_accepted
    assert from_twilio({"MessageSid": "SM1"}, token="the token before").verdict(NOW).is_accepted
    only = callback_keys(sendgrid=(sendgrid_key(),), twilio=("another",))
    assert from_sendgrid([], at=NOW, key="next").verdict(NOW, only).refusal is Refusal.FORGED
    assert from_twilio({"MessageSid": "SM1"}).verdict(NOW, only).refusal is Refusal.FORGED


@pytest.mark.parametrize(
    ("age", "is_taken"),
    [(timedelta(), True), (25 * HOUR, True), (25 * HOUR + timedelta(seconds=1), False), (-6 * HOUR / 60, False)],
)
def test_sendgrids_batches_are_taken_for_25_hours(age: timedelta, is_taken: bool) -> None:
    assert from_sendgrid([], at=NOW).verdict(NOW + age).is_accepted == is_taken


def test_slacks_requests_are_taken_for_five_minutes() -> None:
    call = from_slack({"type": "event_callback"}, at=NOW)
    assert call.verdict(NOW + timedelta(minutes=5)).is_accepted
    assert call.verdict(NOW + timedelta(minutes=5, seconds=1)).refusal is Refusal.STALE


def test_a_key_that_is_none_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="not base64"):
        callback_keys(sendgrid=("garbage",))
    with pytest.raises(ValueError, match="belong together"):
        callback_keys(microsoft_keys=None)


# ---- the Bot Connector's tokens


def test_a_token_of_the_bot_connector_for_our_bot_is_accepted() -> None:
    assert from_teams(an_activity(at=NOW), at=NOW).verdict(NOW).is_accepted


@pytest.mark.parametrize(
    ("claims", "refusal"),
    [
        ({"iss": "https://sts.windows.net/tenant-1/"}, Refusal.STRANGER),
        ({"aud": "another-bot"}, Refusal.STRANGER),
        ({"aud": None}, Refusal.STRANGER),
        ({"exp": None}, Refusal.STALE),
        ({"exp": int(NOW.timestamp()) - 301}, Refusal.STALE),
        ({"nbf": int(NOW.timestamp()) + 301}, Refusal.STALE),
        ({"serviceurl": "https://smba.trafficmanager.net/other/"}, Refusal.STRANGER),
        ({"serviceurl": None}, Refusal.STRANGER),
    ],
)
def test_a_token_about_something_else_is_refused(claims: dict[str, Any], refusal: Refusal) -> None:
    token = a_token(at=NOW, **claims)
    assert from_teams(an_activity(at=NOW), at=NOW, token=token).verdict(NOW).refusal is refusal


def test_a_token_lives_five_minutes_longer_than_it_says() -> None:
    token = a_token(at=NOW, exp=int(NOW.timestamp()) - 299)
    assert from_teams(an_activity(at=NOW), at=NOW, token=token).verdict(NOW).is_accepted


def test_only_rs256_with_a_published_key_counts() -> None:
    activity = an_activity(at=NOW)
    shared_secret = jwt.encode(
        {"iss": "https://api.botframework.com", "aud": ACCOUNT.client_id, "exp": 2**31},
        "secret of at least thirty-two bytes",
        algorithm="HS256",
        headers={"kid": KEY_ID},
    )
    unsigned = jwt.encode({"aud": ACCOUNT.client_id}, None, algorithm="none", headers={"kid": KEY_ID})
    for token in (
        a_token(at=NOW, key="somebody else's"),
        a_token(at=NOW, algorithm="RS512"),
        shared_secret,
        unsigned,
        "a.b.c",
        "..",
        "",
        "é.é.é",
        "x" * 100_000,
    ):
        assert not from_teams(activity, at=NOW, token=token or " ").verdict(NOW).is_accepted


@pytest.mark.parametrize(
    "changes",
    [
        {"serviceUrl": "https://evil.example/"},
        {"channelId": "webchat"},
        {"channelData": {"tenant": {"id": "another-tenant"}}},
        {"conversation": {"id": "a:1", "tenantId": "another-tenant"}},
        {"serviceUrl": None},
    ],
)
def test_an_activity_of_another_place_is_refused_though_its_token_is_good(changes: dict[str, Any]) -> None:
    activity = an_activity(at=NOW, **changes)
    assert from_teams(activity, at=NOW).verdict(NOW).refusal is Refusal.STRANGER


def test_a_service_address_must_be_allowed_even_when_the_token_names_it() -> None:
    evil = "https://evil.example/"
    call = from_teams(an_activity(at=NOW, serviceUrl=evil), at=NOW, token=a_token(at=NOW, serviceurl=evil))
    assert call.verdict(NOW).refusal is Refusal.STRANGER


def test_a_key_that_may_not_speak_for_teams_is_not_believed() -> None:
    keys = callback_keys(
        microsoft_keys=Keys({KEY_ID: SigningKey(rsa_key("current").public_key(), frozenset({"webchat"}))})
    )
    assert from_teams(an_activity(at=NOW), at=NOW).verdict(NOW, keys).refusal is Refusal.STRANGER


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://smba.trafficmanager.net/emea/", True),
        ("https://x.botframework.com/", True),
        ("http://smba.trafficmanager.net/", False),
        ("https://smba.trafficmanager.net.evil.example/", False),
        ("https://smba.trafficmanager.net@evil.example/", False),
        ("https://evil.example\\.botframework.com/", False),
        ("https://evilbotframework.com/", False),
        ("https://[::1", False),
        ("", False),
    ],
)
def test_tokens_are_sent_to_allowed_hosts_alone(url: str, is_allowed: bool) -> None:
    assert is_service_url(url, ACCOUNT.service_hosts) == is_allowed


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"{" * 5000])
def test_bodies_of_any_shape_are_judged_without_an_error(body: bytes) -> None:
    assert from_sendgrid(body, at=NOW).verdict(NOW).is_accepted
    assert not from_teams(body, at=NOW).verdict(NOW).is_accepted
    from_slack(body, at=NOW).verdict(NOW)
    from_twilio({"a": "b"}).verdict(NOW)


def test_slack_verifies_what_its_own_sdk_would() -> None:
    assert from_slack(a_message("grüße", at=NOW), at=NOW).verdict(NOW).is_accepted


def test_the_stand_ins_signatures_made_without_our_help_are_believed() -> None:
    signer = Signer()
    owed = signer.callback("/", b"[]", NOW)
    signature, timestamp = (owed.headers[name.title()] for name in (sendgrid.SIGNATURE, sendgrid.TIMESTAMP))
    keys = [sendgrid_key(), signer.public_key]
    assert sendgrid.verify(b"[]", signature=signature, timestamp=timestamp, keys=keys, now=NOW).is_accepted
    url = "https://learn.example/callbacks/twilio/1-0-1/ab"
    status = standin_twilio.signed(url, {"MessageSid": "SM1", "Body": "", "To": "+4915112345678"}, token="t")
    verdict = twilio.verify(
        status.body,
        url=url,
        content_type=status.headers["Content-Type"],
        signature=status.headers["X-Twilio-Signature"],
        tokens=["t"],
    )
    assert verdict.is_accepted
