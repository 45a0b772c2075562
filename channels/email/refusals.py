"""What SendGrid's refusals mean: whom a 400 is about, and which answers stop the channel.

SendGrid processes nothing of a request it answers with 4xx. Its words are read here and go no further: they may quote
an address.

Sources: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors and
https://support.sendgrid.com/hc/en-us/articles/18322114821403 (4XX errors).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from channels.wire import Answer
from pushpull.learners.vocabulary import SuppressionReason
from pushpull.ledger.outcomes import NotSent, Outcome, Rejected

_RECIPIENT = re.compile(r"personalizations[.\[](\d{1,4})\]?[.\[]?(.*)", re.DOTALL)
_BAD_ADDRESS = Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)

#: A refusal that names so many recipients, and all of them, is about something they share.
_SUSPICIOUS = 8

_SENDER = (
    "SendGrid refuses the sender's address. Verify the sender, or authenticate its domain, in SendGrid "
    "(Settings, Sender Authentication), then run `pushpull channel resume`."
)
_GROUP = (
    "SendGrid does not know the unsubscribe group of a message family. Run `pushpull setup sendgrid`, "
    "then `pushpull channel resume`."
)
_KEY = (
    "SendGrid does not accept the API key. Make a key with the scope mail.send in SendGrid (Settings, API Keys), "
    "set it, then run `pushpull channel resume`."
)
_CREDITS = (
    "SendGrid takes no more e-mails: the plan's credits are used up. Upgrade the plan or wait until they are renewed, "
    "then run `pushpull channel resume`."
)
_FORBIDDEN = (
    "SendGrid forbids sending: the API key lacks the scope mail.send, or the account is blocked for now. Look at the "
    "key and the account in SendGrid, then run `pushpull channel resume`."
)
_EVERYBODY = (
    "SendGrid refuses every recipient of a request alike, so the fault is in what they share: the sender, the text or "
    "the account. Mend it, then run `pushpull channel resume`."
)

_SHARED: Mapping[str, Outcome | str] = {
    "from": _SENDER,
    "asm": _GROUP,
    "batch_id": NotSent("batch_refused"),
    "send_at": NotSent("send_at_refused"),
    "subject": Rejected("refused:subject"),
    "content": Rejected("refused:content"),
    "reply_to": Rejected("refused:reply_to"),
}
_OURS = frozenset({"categories", "tracking_settings", "mail_settings", "headers", "custom_args", "template_id"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Whom a 400 is about. Nothing of its request was processed.

    Args:
        recipients: outcome by place in the request, of those it names.
        everybody: the outcome of all, where it names something they share.
        stop: what to tell ops, where no message can be sent like this.
    """

    recipients: Mapping[int, Outcome] = field(default_factory=dict)
    everybody: Outcome | None = None
    stop: str | None = None

    @property
    def names_nobody(self) -> bool:
        """Whether nothing can be concluded about any recipient."""
        return not self.recipients and self.everybody is None and self.stop is None


def read_refusal(answer: Answer, count: int) -> Refusal:
    """What a 400 says about a request with so many recipients."""
    recipients: dict[int, Outcome] = {}
    everybody: Outcome | None = None
    for name in _fields(answer.body):
        found = _RECIPIENT.fullmatch(name)
        if found:
            if int(found[1]) < count:
                recipients.setdefault(int(found[1]), _of_recipient(found[2]))
            continue
        root = re.split(r"[.\[]", name, maxsplit=1)[0]
        if root in _OURS:
            return Refusal(stop=f"SendGrid refuses the field {root} of our requests: report this as a defect.")
        shared = _SHARED.get(root)
        if isinstance(shared, str):
            return Refusal(stop=shared)
        everybody = everybody or shared
    if everybody is not None:
        return Refusal(everybody=everybody)
    if count == len(recipients) > _SUSPICIOUS:
        return Refusal(stop=_EVERYBODY)
    return Refusal(recipients)


def stopping(answer: Answer) -> str | None:
    """What to tell ops, where an answer to mail/send says that no e-mail can be sent; None for any other answer."""
    status = answer.status
    if status == 401:
        return _CREDITS if b"credits" in answer.body.lower() else _KEY
    if status == 403:
        return _SENDER if b"sender identity" in answer.body.lower() else _FORBIDDEN
    if 400 <= status < 500 and status not in {400, 408, 413, 429}:
        return (
            f"SendGrid answers {status} to mail/send. Look at PUSHPULL_SENDGRID_URL and at what stands "
            "between here and SendGrid, then run `pushpull channel resume`."
        )
    return None


def refuses_everybody() -> str:
    """What to tell ops when SendGrid refuses one message after another without saying why."""
    return _EVERYBODY


def _of_recipient(path: str) -> Outcome:
    parts = [part for part in re.split(r"[.\[\]]+", path) if part and not part.isdigit()]
    if not parts:
        return Rejected("refused:recipient")
    if parts[0] == "to" and parts[-1] in {"to", "email"}:
        return _BAD_ADDRESS
    if parts[0] == "send_at":
        return NotSent("send_at_refused")
    known = parts[0] if parts[0] in {"to", "headers", "substitutions", "custom_args", "subject"} else "recipient"
    return Rejected(f"refused:{known}")


def _fields(body: bytes) -> list[str]:
    """The fields an error body names; empty for anything that is no error body."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    errors = said.get("errors") if isinstance(said, dict) else None
    if not isinstance(errors, list):
        return []
    return [
        error["field"]
        for error in errors
        if isinstance(error, dict) and isinstance(error.get("field"), str) and error["field"] not in {"", "null"}
    ]
