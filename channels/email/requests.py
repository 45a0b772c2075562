"""The bytes of a mail/send request: one personalization per recipient, and the envelope they all share.

The SDK's ``Mail`` object says the same (a test holds both against each other) but builds 34,000 recipients a second;
here it is ten times as many. What an answer means is not decided here.

Sources: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send and …/mail-send/limitations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from pushpull.ledger.messages import EmailBody, EmailTemplate, OutgoingMessage
from pushpull.ledger.outcomes import Rejected

#: Keys of the custom arguments that come back with every event. They are no secret and never personal.
DELIVERY, HANDOVER = "delivery", "handover"

#: Most recipients of one request.
MOST_RECIPIENTS = 1000

#: Most bytes the values of one recipient may have; more of them travel in a body of their own.
MOST_SUBSTITUTED = 10_000

#: A recipient as SendGrid's JSON has it.
Personalization = dict[str, Any]

_NAME_TROUBLE = re.compile(r"[;,\x00-\x1f\x7f]")
_trouble_in = _NAME_TROUBLE.search
_LINE_BREAK = re.compile(r"[\r\n\0]")
_line_break_in = _LINE_BREAK.search
_URI = re.compile(r"[!-;=?-~]+")  # printable ASCII without angle brackets
_is_uri = _URI.fullmatch
_dumps = orjson.dumps

_LONGEST_CATEGORY = 255

#: Links are ours, and so is asking to be left alone: SendGrid changes nothing in what was written.
_TRACKING = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
    "ganalytics": {"enable": False},
}


def recipient(
    message: OutgoingMessage,
    address: str,
    unsubscribe_url: str,
    *,
    values: Mapping[str, str] | None = None,
    subject_tags: Sequence[str] = (),
) -> Personalization | Rejected | None:
    """One recipient's personalization. It is known to be Unicode, so that writing a request cannot fail.

    Args:
        address: in its sendable form.
        values: of the template's places; None: the body is the recipient's own.
        subject_tags: the places that stand in the subject.

    Returns:
        Why no provider would take it; None where the values are too large for SendGrid's substitutions.
    """
    name = message.to_name
    if name and _trouble_in(name):
        name = " ".join(_NAME_TROUBLE.sub(" ", name).split())
    entry: Personalization = {
        "to": [{"email": address, "name": name}] if name else [{"email": address}],
        "custom_args": {DELIVERY: message.delivery_id, HANDOVER: message.handover_id},
    }
    if unsubscribe_url:
        if not _is_uri(unsubscribe_url):
            return Rejected("unsafe_header")
        entry["headers"] = {
            "List-Unsubscribe": f"<{unsubscribe_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    try:
        if not name.isascii():
            name.encode()
        if values:
            for tag in subject_tags:
                if tag in values and _line_break_in(values[tag]):
                    return Rejected("unsafe_header")
            if len(_dumps(values)) > MOST_SUBSTITUTED:  # JSON is never shorter than what it says
                return None
            entry["substitutions"] = values
    except (orjson.JSONEncodeError, UnicodeEncodeError):
        return Rejected("not_unicode")
    return entry


def envelope(message: OutgoingMessage, mail: EmailBody | EmailTemplate, groups: Mapping[str, int]) -> bytes | Rejected:
    """All of a request but its recipients: what every message written from this mail has in common.

    Args:
        message: any of them.
        groups: unsubscribe group ids, by message family.
    """
    said = _template(mail) if isinstance(mail, EmailTemplate) else _written(mail)
    if isinstance(said, Rejected):
        return said
    wave = message.delivery_id.partition("-")[0]
    categories = (
        [message.campaign[:_LONGEST_CATEGORY], wave_category(wave)] if message.campaign else [wave_category(wave)]
    )
    rest: dict[str, object] = {"categories": categories, "tracking_settings": _TRACKING}
    group = groups.get(message.family)
    if group is not None:
        rest["asm"] = {"group_id": group}
    if message.send_at is not None:
        rest["send_at"] = seconds(message.send_at)
        if message.request_id:
            rest["batch_id"] = message.request_id
    try:
        return said[:-1] + b"," + _dumps(rest)[1:]
    except orjson.JSONEncodeError:
        return Rejected("not_unicode")


def request(recipients: Sequence[Personalization], shared: bytes) -> bytes:
    """The body of a request. All recipients are written at once: one by one takes ten times as long."""
    return b"".join((b'{"personalizations":', _dumps(recipients), b",", shared[1:]))


def wave_category(wave: int | str) -> str:
    """The category by which a wave's messages are found in SendGrid's logs."""
    return f"wave-{wave}"


def seconds(instant: datetime) -> int:
    """Unix time, as SendGrid's ``send_at`` is given."""
    return int(instant.timestamp())


def subject_tags(template: EmailTemplate) -> Sequence[str]:
    """The places that stand in the subject."""
    return [tag for tag in template.tags if tag in template.subject]


@lru_cache(maxsize=64)
def _template(template: EmailTemplate) -> bytes | Rejected:
    return _written(template)


def _written(mail: EmailBody | EmailTemplate) -> bytes | Rejected:
    """Sender, subject and contents. Plain text comes first: SendGrid asks for that order."""
    if _line_break_in(mail.subject) or _line_break_in(mail.sender_name):
        return Rejected("unsafe_header")
    contents = [
        {"type": kind, "value": value} for kind, value in (("text/plain", mail.text), ("text/html", mail.html)) if value
    ]
    if not mail.subject or not contents:
        return Rejected("empty_message")
    sender = {"email": mail.sender_address}
    if mail.sender_name:
        sender["name"] = mail.sender_name
    said: dict[str, object] = {"from": sender, "subject": mail.subject, "content": contents}
    if mail.reply_to:
        said["reply_to"] = {"email": mail.reply_to}
    try:
        return _dumps(said)
    except orjson.JSONEncodeError:
        return Rejected("not_unicode")
