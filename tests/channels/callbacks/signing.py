"""Callbacks as the providers sign them, with keys of the tests alone."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from channels.accounts import MicrosoftAccount
from channels.callbacks import sendgrid, slack, teams, twilio
from channels.callbacks.keys import CallbackKeys
from channels.callbacks.openid import SigningKey
from channels.callbacks.verdict import Verdict

BASE = "https://learn.example"
TWILIO_TOKEN = "a token of the tests"
SLACK_SECRET = "a secret of the tests"
KEY_ID = "key-1"
SERVICE_URL = "https://smba.trafficmanager.net/emea/tenant-1/"
ACCOUNT = MicrosoftAccount(tenant_id="tenant-1", client_id="bot-1", client_secret=SecretStr("unused"))


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def sendgrid_key(name: str = "current") -> str:
    """As SendGrid shows it."""
    public = ec_key(name).public_key()
    return b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@dataclass
class Keys:
    """Signing keys that are there from the start."""

    keys: dict[str, SigningKey] = field(
        default_factory=lambda: {KEY_ID: SigningKey(rsa_key("current").public_key(), frozenset({"msteams"}))}
    )

    def find(self, key_id: str) -> SigningKey | None:
        return self.keys.get(key_id)


def callback_keys(**changes: Any) -> CallbackKeys:
    values: dict[str, Any] = {
        "public_url": BASE,
        "sendgrid": (sendgrid_key(), sendgrid_key("next")),
        "twilio": (TWILIO_TOKEN, "the token before"),
        "microsoft": ACCOUNT,
        "microsoft_keys": Keys(),
        "slack": (SLACK_SECRET,),
        **changes,
    }
    return CallbackKeys(**values)


@dataclass(frozen=True)
class Call:
    """One request of a provider."""

    provider: str
    path: str
    body: bytes
    headers: Mapping[str, str]

    def verdict(self, at: datetime, keys: CallbackKeys | None = None) -> Verdict:
        """What our verifiers say about it."""
        keys, header = keys or callback_keys(), lambda name: self.headers.get(name, "")
        match self.provider:
            case "sendgrid":
                signature, timestamp = header(sendgrid.SIGNATURE), header(sendgrid.TIMESTAMP)
                return sendgrid.verify(self.body, signature=signature, timestamp=timestamp, keys=keys.sendgrid, now=at)
            case "twilio":
                return twilio.verify(
                    self.body,
                    url=keys.public_url + self.path,
                    content_type=header("content-type"),
                    signature=header(twilio.SIGNATURE),
                    tokens=keys.twilio,
                )
            case "slack":
                signature, timestamp = header(slack.SIGNATURE), header(slack.TIMESTAMP)
                return slack.verify(self.body, signature=signature, timestamp=timestamp, secrets=keys.slack, now=at)
            case _:
                assert keys.microsoft
                assert keys.microsoft_keys
                authorization = header("authorization")
                return teams.verify(
                    self.body, authorization=authorization, account=keys.microsoft, keys=keys.microsoft_keys, now=at
                )

    def with_header(self, name: str, value: str) -> Call:
        return replace(self, headers={**self.headers, name: value})


def from_sendgrid(events: Any, *, at: datetime, key: str = "current") -> Call:
    body = events if isinstance(events, bytes) else (json.dumps(events) + "\r\n").encode()
    timestamp = str(int(at.timestamp()))
    signature = b64encode(ec_key(key).sign(timestamp.encode() + body, ec.ECDSA(SHA256()))).decode()
    headers = {
        "content-type": "application/json",
        sendgrid.SIGNATURE: signature,
        sendgrid.TIMESTAMP: timestamp,
    }
    return Call("sendgrid", "/callbacks/sendgrid", body, headers)


def from_twilio(
    fields: Mapping[str, str], *, path: str = "/callbacks/twilio/inbound", token: str = TWILIO_TOKEN
) -> Call:
    signature = RequestValidator(token).compute_signature(BASE + path, dict(fields))
    headers = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8", twilio.SIGNATURE: signature}
    return Call("twilio", path, urlencode(fields).encode(), headers)


def from_slack(payload: Any, *, at: datetime) -> Call:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    timestamp = str(int(at.timestamp()))
    made = hmac.new(SLACK_SECRET.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", slack.SIGNATURE: f"v0={made}", slack.TIMESTAMP: timestamp}
    return Call("slack", "/callbacks/slack", body, headers)


def a_token(*, at: datetime, key: str = "current", algorithm: str = "RS256", **claims: Any) -> str:
    now = int(at.timestamp())
    values = {
        "iss": teams.ISSUER,
        "aud": ACCOUNT.client_id,
        "serviceurl": SERVICE_URL,
        "nbf": now - 60,
        "exp": now + 3600,
        **claims,
    }
    values = {name: value for name, value in values.items() if value is not None}
    return jwt.encode(values, rsa_key(key), algorithm=algorithm, headers={"kid": KEY_ID})


def an_activity(kind: str = "message", *, at: datetime, person: str = "aad-1", **fields: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "id": fields.pop("id", "activity-1"),
        "timestamp": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "serviceUrl": SERVICE_URL,
        "channelId": "msteams",
        "from": {"id": f"29:{person}", "aadObjectId": person},
        "recipient": {"id": "28:bot-1"},
        "conversation": {"id": f"a:{person}", "conversationType": "personal", "tenantId": "tenant-1"},
        "channelData": {"tenant": {"id": "tenant-1"}},
        **fields,
    }


def from_teams(activity: Any, *, at: datetime, token: str | None = None) -> Call:
    body = activity if isinstance(activity, bytes) else json.dumps(activity).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {token or a_token(at=at)}"}
    return Call("teams", "/callbacks/teams", body, headers)


def a_message(text: str, *, at: datetime, user: str = "U1", ts: str = "", **fields: Any) -> dict[str, Any]:
    """A direct message in Slack."""
    event = {"type": "message", "channel_type": "im", "user": user, "text": text, "ts": ts or str(at.timestamp())}
    return {
        "type": "event_callback",
        "event_id": f"Ev{user}{event['ts']}",
        "event_time": int(at.timestamp()),
        "event": event,
        **fields,
    }
