"""What SendGrid reports about messages: events, and the signed callbacks they travel in."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.standin.provider import Callback
from tests.standin.sendgrid.mail import Mail

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"

#: What some events say beyond the usual.
_ABOUT: Mapping[str, Mapping[str, Any]] = {
    "delivered": {"response": "250 OK"},
    "bounce": {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 The email account does not exist"},
    "dropped": {"reason": "Bounced Address"},
    "deferred": {"response": "421 try again later", "attempt": "1"},
    "open": {"useragent": "Mozilla/5.0", "ip": "192.0.2.1", "sg_machine_open": False},
    "click": {"useragent": "Mozilla/5.0", "ip": "192.0.2.1", "url": "https://learn.example/"},
}

_NUMBERS = count()


def event(mail: Mail, kind: str, at: datetime, *, with_custom_args: bool = True) -> dict[str, Any]:
    """One event about a message."""
    said: dict[str, Any] = {
        "email": mail.to,
        "event": kind,
        "timestamp": int(at.timestamp()),
        "sg_event_id": b64encode(f"{kind}-{next(_NUMBERS)}-{mail.name}".encode()).decode(),
        "sg_message_id": mail.name,
        "smtp-id": f"<{mail.name}@geopod.sendgrid.net>",
        "category": list(mail.categories),
        **_ABOUT.get(kind, {}),
    }
    if mail.group_id is not None:
        said["asm_group_id"] = mail.group_id
    return said | dict(mail.custom_args) if with_custom_args else said


#: A secret that is none.
_KEY = int.from_bytes(b"the stand-in signs with this")


class Signer:
    """Signs callbacks with a key that is everybody's and always the same: a web app outlives its stand-in."""

    def __init__(self) -> None:
        self._key = ec.derive_private_key(_KEY, ec.SECP256R1())
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.public_key = b64encode(der).decode()

    def callback(self, url: str, body: bytes, at: datetime) -> Callback:
        """A callback with this body, signed as SendGrid signs."""
        timestamp = str(int(at.timestamp()))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        headers = {
            "Content-Type": "application/json",
            SIGNATURE: b64encode(signature).decode(),
            TIMESTAMP: timestamp,
        }
        return Callback(url, headers, body)
