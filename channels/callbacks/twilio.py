"""Twilio's callbacks: what became of a text message, and what people answer.

Source: "Webhooks security", "Outbound Message Status in Status Callbacks" and "Twilio's request to your incoming
message webhook URL", Twilio. There is no timestamp in the signature, so nothing can be said about age; a message id
and its status are kept once. The signature is over the address Twilio was given, never over the request's Host.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from twilio.request_validator import RequestValidator, add_port, remove_port

from channels.callbacks.fields import an_event, delivery_name, inner, parsed_object, short_hash, text
from channels.callbacks.verdict import ACCEPTED, Refusal, Unreadable, Verdict, refused
from channels.callbacks.words import reply_told, word_of
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.news import Address, News, ProviderEvent, Told, Word
from pushpull.ledger.vocabulary import EventKind

SIGNATURE = "x-twilio-signature"

_MOST_FIELDS = 200
_FORM = "application/x-www-form-urlencoded"

_KINDS = {
    "queued": EventKind.ACCEPTED,
    "accepted": EventKind.ACCEPTED,
    "sending": EventKind.ACCEPTED,
    "sent": EventKind.ACCEPTED,
    "delivered": EventKind.DELIVERED,
    "read": EventKind.OPENED,
    "undelivered": EventKind.UNDELIVERED,
    "failed": EventKind.UNDELIVERED,
}

#: What an error code says about the number. Others are about this message or the sender.
_SUPPRESSING = {
    "21610": SuppressionReason.STOPPED,
    "21211": SuppressionReason.INVALID_ADDRESS,
    "21214": SuppressionReason.INVALID_ADDRESS,
    "21217": SuppressionReason.INVALID_ADDRESS,
    "21614": SuppressionReason.INVALID_ADDRESS,
    "30005": SuppressionReason.INVALID_ADDRESS,
    "30006": SuppressionReason.INVALID_ADDRESS,
}


class _Form(dict[str, list[str]]):
    """Parameters as the SDK's validator asks for them."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def verify(body: bytes, *, url: str, content_type: str, signature: str, tokens: Sequence[str]) -> Verdict:
    """Whether Twilio made this request.

    Args:
        url: the public address it was made to, with its query; made from settings.
        content_type: of the body: a form, or JSON whose hash is in the signed query.
        tokens: that may have signed; two while one is being rotated out.
    """
    if not signature:
        return refused(Refusal.MISSING)
    try:
        params = _signed_params(body, url, content_type)
        if params is None or not signature.isascii() or not url.isascii():
            return refused(Refusal.MALFORMED)
        parts = urlsplit(url)
        # Twilio is not of one mind whether the port belongs to what is signed.
        spellings = {url, remove_port(parts), add_port(parts)}
    except ValueError:
        return refused(Refusal.MALFORMED)
    is_genuine = False
    for token in tokens:
        for spelling in spellings:
            made = RequestValidator(token).compute_signature(spelling, params)
            is_genuine |= hmac.compare_digest(made, signature)
    return ACCEPTED if is_genuine else refused(Refusal.FORGED)


def _signed_params(body: bytes, url: str, content_type: str) -> _Form | None:
    if content_type.partition(";")[0].strip().lower() == _FORM:
        return _form(body)
    hashes = parse_qs(urlsplit(url).query).get("bodySHA256", [])
    made: str = RequestValidator("").compute_hash(body.decode())
    return _Form() if len(hashes) == 1 and hmac.compare_digest(made, hashes[0]) else None


def _form(body: bytes) -> _Form:
    found = _Form()
    # Bytes that are not UTF-8 raise: replaced, two bodies would have one signature.
    pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def split(body: bytes, *, delivery: str = "", handover: str = "") -> list[ProviderEvent]:
    """The one event a request is.

    Args:
        delivery, handover: our ids from the address of a status callback; empty for what people answer.

    Raises:
        Unreadable: it is not a form.
    """
    try:
        fields = {name: values[-1] for name, values in _form(body).items()}
    except ValueError:
        raise Unreadable("not a form") from None
    message = fields.get("MessageSid") or fields.get("SmsSid") or ""
    if not message:
        raise Unreadable("names no message")
    value: dict[str, Any] = {"fields": fields}
    key = f"inbound:{message}"
    if delivery:
        value |= {"delivery": delivery, "handover": handover}
        key = ":".join([message, delivery, handover, _status(fields), fields.get("ErrorCode", "")])
    return [an_event(value, key=key)]


def read(body: str, *, received_at: datetime) -> Sequence[News]:
    """What an event means; nothing where it means nothing to us.

    Raises:
        Unreadable: it is not an event.
    """
    event = parsed_object(body)
    fields = dict(inner(event, "fields"))
    message = text(fields, "MessageSid") or text(fields, "SmsSid")
    if "delivery" not in event:
        return _answer(fields, message, received_at)
    about = delivery_name(event["delivery"], event.get("handover"))
    kind = _KINDS.get(_status(fields))
    if about is None or kind is None:
        return ()
    code = text(fields, "ErrorCode")
    code = code if code.isascii() and code.isdigit() and len(code) <= 6 and kind is EventKind.UNDELIVERED else ""
    told = Told(
        about,
        key=f"{kind.value}:{short_hash(message, text(event, 'delivery'))}",
        at=received_at,
        kind=kind,
        detail=code or None,
        suppress=_SUPPRESSING.get(code),
    )
    return (told,)


def _status(fields: dict[str, Any]) -> str:
    return text(fields, "MessageStatus") or text(fields, "SmsStatus")


def _answer(fields: dict[str, Any], message: str, received_at: datetime) -> Sequence[News]:
    sender = text(fields, "From").strip()
    if not sender.startswith("+") or len(sender) > 32 or not sender.isprintable():
        return ()
    # With advanced opt-out Twilio has read the word itself, in whatever language it was taught.
    decided = {"STOP": Word.STOP, "START": Word.START}.get(text(fields, "OptOutType"))
    if text(fields, "OptOutType") == "HELP":
        return ()
    word = decided or word_of(text(fields, "Body"), yes_starts=True)
    if word is None:
        return ()
    return (reply_told(word, Address(Channel.SMS, sender), key=f"reply:{short_hash(message)}", at=received_at),)
