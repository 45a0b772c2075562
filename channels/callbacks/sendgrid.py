"""SendGrid's event webhook: signed batches of events about e-mails.

Source: "Event Webhook Reference" and "Getting Started with the Event Webhook Security Features", SendGrid. The
signature is checked by `cryptography` itself, as the SDK's helper does (`sendgrid.helpers.eventwebhook`): the helper
wants text, while what is signed are bytes, and raises on anything that is not base64. A test holds the two together.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from channels.callbacks.fields import an_event, delivery_name, parsed, parsed_object, short_hash, text, unix_time
from channels.callbacks.verdict import (
    ACCEPTED,
    OLDEST,
    Refusal,
    Unreadable,
    Verdict,
    exact_base64,
    is_recent,
    refused,
    signed_at,
)
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.news import Address, DeliveryName, News, ProviderEvent, Told, Word
from pushpull.ledger.vocabulary import EventKind

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"

#: Names of our ids among an e-mail's ``custom_args``; the event repeats them.
DELIVERY_ARG = "delivery"
HANDOVER_ARG = "handover"

_MOST_EVENTS = 20_000

_KINDS = {
    "processed": EventKind.ACCEPTED,
    "delivered": EventKind.DELIVERED,
    "bounce": EventKind.BOUNCED,
    "dropped": EventKind.UNDELIVERED,
    "spamreport": EventKind.COMPLAINED,
    "unsubscribe": EventKind.OPTED_OUT,
    "group_unsubscribe": EventKind.OPTED_OUT,
    "group_resubscribe": None,  # a word, no fact about the message
    "open": EventKind.OPENED,
    "click": EventKind.CLICKED,
}

#: Facts that come without our ids when they come late, and that are about the address.
_ABOUT_ADDRESS = frozenset({"bounce", "spamreport", "unsubscribe", "group_unsubscribe"})

#: Why SendGrid dropped it, by how its reason begins, and whether it will drop everything else there too.
_DROPPED = (
    ("bounced address", "bounced_address", SuppressionReason.BOUNCED),
    ("spam reporting address", "spam_reporting_address", SuppressionReason.COMPLAINED),
    ("invalid smtpapi header", "invalid_header", None),
    ("invalid", "invalid_address", SuppressionReason.INVALID_ADDRESS),
    ("unsubscribed address", "unsubscribed_address", None),
    ("recipient list over package quota", "over_quota", None),
    ("spam content", "spam_content", None),
    ("expired", "expired", None),
)


@lru_cache(maxsize=16)
def public_key(text_of_key: str) -> ec.EllipticCurvePublicKey:
    """A verification key as SendGrid shows it: base64 of DER.

    Raises:
        ValueError: it is no such key.
    """
    try:
        found = load_der_public_key(b64decode(text_of_key, validate=True))
    except ValueError:
        raise ValueError("SendGrid's verification key is not base64 of a public key") from None
    if not isinstance(found, ec.EllipticCurvePublicKey):
        raise ValueError("SendGrid's verification key is not one for ECDSA")
    return found


def verify(
    body: bytes, *, signature: str, timestamp: str, keys: Sequence[str], now: datetime, oldest: timedelta = OLDEST
) -> Verdict:
    """Whether SendGrid signed these bytes, and not too long ago.

    Args:
        body: raw, as it came.
        signature, timestamp: the two headers; empty where they are missing.
        keys: that may have signed; two while one is being rotated out.
    """
    if not signature or not timestamp:
        return refused(Refusal.MISSING)
    made_at, signed = signed_at(timestamp), exact_base64(signature)
    if made_at is None or signed is None:
        return refused(Refusal.MALFORMED)
    if not is_recent(made_at, now=now, oldest=oldest):
        return refused(Refusal.STALE)
    for key in keys:
        try:
            public_key(key).verify(signed, timestamp.encode() + body, ec.ECDSA(SHA256()))
        except InvalidSignature:
            continue
        return ACCEPTED
    return refused(Refusal.FORGED)


def split(body: bytes) -> list[ProviderEvent]:
    """The events of a batch.

    Raises:
        Unreadable: it is not a list.
    """
    found = parsed(body)
    if not isinstance(found, list) or len(found) > _MOST_EVENTS:
        raise Unreadable("not a list of events")
    return [_event(each) for each in found]


def _event(value: Any) -> ProviderEvent:
    key = value.get("sg_event_id") if isinstance(value, dict) else None
    try:
        return an_event(value, key=key)
    except Unreadable:  # too deep to be kept whole; what we read of an event is flat, and the rest of its batch goes on
        fields = value if isinstance(value, dict) else {}
        return an_event({name: each for name, each in fields.items() if not isinstance(each, dict | list)}, key=key)


def read(body: str, *, received_at: datetime) -> Sequence[News]:
    """What an event means; nothing where it means nothing to us.

    Raises:
        Unreadable: it is not an event.
    """
    event = parsed_object(body)
    name = text(event, "event")
    if name not in _KINDS or event.get("sg_machine_open") is True:
        return ()
    about = _about(event, name)
    if about is None:
        return ()
    kind, detail, suppress = _meaning(event, name)
    at = unix_time(event.get("timestamp"), received_at=received_at)
    word = _word(name, detail)
    if isinstance(about, Address):
        # These must stand though no message of ours is found for them.
        suppress = SuppressionReason.COMPLAINED if name == "spamreport" else suppress
        word = Word.OPT_OUT if name == "group_unsubscribe" else word
    return (
        Told(
            about,
            key=_key(event, name),
            at=at,
            kind=kind,
            detail=detail,
            suppress=suppress,
            word=word,
        ),
    )


def _about(event: dict[str, Any], name: str) -> DeliveryName | Address | None:
    if event.get(DELIVERY_ARG):
        return delivery_name(event[DELIVERY_ARG], event.get(HANDOVER_ARG))
    address = text(event, "email").strip()
    if name not in _ABOUT_ADDRESS or "@" not in address or len(address) > 320 or not address.isprintable():
        return None
    return Address(Channel.EMAIL, address)


def _meaning(event: dict[str, Any], name: str) -> tuple[EventKind | None, str | None, SuppressionReason | None]:
    if name == "bounce" and text(event, "type") == "blocked":
        # A block is about this message or our reputation: the address may take the next one.
        return EventKind.UNDELIVERED, "blocked", None
    if name == "dropped":
        reason = text(event, "reason").strip().lower()
        for beginning, detail, suppress in _DROPPED:
            if reason.startswith(beginning):
                return EventKind.UNDELIVERED, detail, suppress
        return EventKind.UNDELIVERED, "dropped", None
    return _KINDS[name], None, None


def _word(name: str, detail: str | None) -> Word | None:
    if name == "unsubscribe":
        return Word.OPT_OUT_ALL
    if name == "group_resubscribe":
        return Word.OPT_IN
    return Word.OPT_OUT if detail == "unsubscribed_address" else None


def _key(event: dict[str, Any], name: str) -> str:
    """Not ``sg_event_id``: a repeated event may carry a new one."""
    whom = str(event.get(DELIVERY_ARG) or text(event, "email").lower())
    return f"{name}:{short_hash(whom, text(event, 'sg_message_id'), str(event.get('timestamp')), text(event, 'url'))}"
