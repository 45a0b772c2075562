"""Slack's events: what people answer in direct messages, and that the app was removed.

Source: "Verifying requests from Slack" and "The Events API", Slack. Slack refuses requests older than five minutes
itself in its SDK; it signs each of its repetitions anew, so nothing is lost by being as strict.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from slack_sdk.signature import SignatureVerifier

from channels.callbacks.fields import an_event, inner, parsed_object, short_hash, text, unix_time
from channels.callbacks.verdict import ACCEPTED, Refusal, Unreadable, Verdict, is_recent, refused, signed_at
from channels.callbacks.words import reply_told, word_of
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.news import Address, ChannelLost, News, ProviderEvent

SIGNATURE = "x-slack-signature"
TIMESTAMP = "x-slack-request-timestamp"

#: Slack's own rule.
OLDEST = timedelta(minutes=5)


def verify(
    body: bytes, *, signature: str, timestamp: str, secrets: Sequence[str], now: datetime, oldest: timedelta = OLDEST
) -> Verdict:
    """Whether Slack signed these bytes, and not too long ago.

    Args:
        body: raw, as it came.
        signature, timestamp: the two headers; empty where they are missing.
        secrets: that may have signed; two while one is being rotated out.
    """
    if not signature or not timestamp:
        return refused(Refusal.MISSING)
    made_at = signed_at(timestamp)
    if made_at is None or not signature.isascii():
        return refused(Refusal.MALFORMED)
    if not is_recent(made_at, now=now, oldest=oldest):
        return refused(Refusal.STALE)
    is_genuine = False
    for secret in secrets:
        try:
            made = SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=body)
        except UnicodeDecodeError:
            return refused(Refusal.MALFORMED)
        is_genuine |= hmac.compare_digest(made or "", signature)
    return ACCEPTED if is_genuine else refused(Refusal.FORGED)


def challenge_of(body: bytes) -> str | None:
    """What Slack wants to hear back when the address of our endpoint is entered there; None for all else."""
    try:
        request = parsed_object(body)
    except Unreadable:
        return None
    return text(request, "challenge")[:1_000] or None if text(request, "type") == "url_verification" else None


def split(body: bytes) -> list[ProviderEvent]:
    """The one event a request is.

    Raises:
        Unreadable: it is not an object.
    """
    envelope = parsed_object(body)
    return [an_event(envelope, key=envelope.get("event_id"))]


def read(body: str, *, received_at: datetime) -> Sequence[News]:
    """What an event means; nothing where it means nothing to us.

    Raises:
        Unreadable: it is not an event.
    """
    envelope = parsed_object(body)
    event = inner(envelope, "event")
    happened = unix_time(envelope.get("event_time"), received_at=received_at)
    match text(event, "type"):
        case "app_uninstalled":
            return (ChannelLost(Channel.SLACK, "the app was removed from the workspace", happened),)
        case "tokens_revoked" if inner(event, "tokens").get("bot"):
            return (ChannelLost(Channel.SLACK, "the bot's token was revoked", happened),)
        case "message" if text(event, "channel_type") == "im" and not (event.get("bot_id") or event.get("subtype")):
            sender, word = text(event, "user"), word_of(text(event, "text"))
            if word is None or not sender.isalnum() or len(sender) > 64:
                return ()
            said_at = unix_time(event.get("ts"), received_at=received_at)
            key = f"reply:{short_hash(sender, text(event, 'ts'))}"
            return (reply_told(word, Address(Channel.SLACK, sender), key=key, at=said_at),)
        case _:
            return ()
