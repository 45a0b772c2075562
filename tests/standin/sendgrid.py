"""SendGrid, played: mail is taken now or at its time, batches are cancelled, logs are late, events are owed, signed.

Refusals are worded as SendGrid words them, addresses included. The settings of an account (unsubscribe groups, event
webhooks) are in :mod:`tests.standin.sendgrid_settings`.
"""

from __future__ import annotations

import random
import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.standin.provider import Callback, Provider, Reply, Request, Taken
from tests.standin.sendgrid_settings import AccountSettings

#: The key it takes: that of :mod:`tests.standin.variables`.
API_KEY = "SG.stand-in"

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"

_ADDRESS = re.compile(r"[^@\s<>\"(),:;]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)
_BATCH = re.compile(r"/v3/user/scheduled_sends/([^/]+)")
_LOG = re.compile(r"/v3/logs/([^/]+)")
_CONDITION = re.compile(
    r"""sg_message_id_created_at\ (?P<sign>[<>]=?)\ TIMESTAMP\ "(?P<at>[^"]+)"
      |categories\ IN\ \('(?P<category>[^']+)'\)
      |to_email\ =\ '(?P<to>[^']+)'""",
    re.VERBOSE,
)
_PERMITTED_BYTES = 30_000_000
_SURE_TO_CANCEL = timedelta(minutes=10)
_EVENTS_PER_CALLBACK = 500


@dataclass(frozen=True)
class Mail:
    """One message SendGrid took on, whether it is sent already or waits for its time."""

    name: str
    to: str
    sender: str
    content: Mapping[str, str]
    custom_args: Mapping[str, str]
    headers: Mapping[str, str]
    categories: Sequence[str]
    group_id: int | None
    created_at: datetime
    send_at: datetime | None = None
    batch_id: str | None = None


@dataclass
class Refused(Exception):
    """A request is answered with an error."""

    message: str
    field: str | None = None
    status: int = 400

    @property
    def reply(self) -> Reply:
        return Reply(self.status, {"errors": [{"message": self.message, "field": self.field, "help": None}]})


@dataclass
class _Batches:
    """Batch ids, and when they were cancelled."""

    known: set[str] = field(default_factory=set)
    cancelled: dict[str, datetime] = field(default_factory=dict)


class SendGrid(Provider):
    """What a test may set: everything in ``_set_up`` without an underscore; ``forget`` sets it back.

    Attributes:
        keys: API keys that are good.
        refused_by_name: addresses a request is refused for, saying which.
        refused_silently: addresses a request is refused for, saying nothing.
        refused_field: a field every request is refused for; empty: without naming any; None: none is.
        senders: addresses mail may come from; None: any.
        largest: bytes a request may have.
        endings: by address, the event that follows ``processed`` in place of ``delivered``; empty: none.
        is_shuffled, is_doubled: events of a callback come out of order, or twice.
        log_lag: how late messages come into the logs; None: the account has no logs.
        callback_url: where events go.
        now: its clock.
    """

    name = "sendgrid"
    prefix = "/sendgrid"
    contracts = (
        "sendgrid_mail_v3.json",
        "sendgrid_scheduled_sends_v3.json",
        "sendgrid_email_logs_v3.json",
        "sendgrid_suppressions_v3.json",
        "sendgrid_event_webhook_settings_v3.json",
    )

    def __init__(self) -> None:
        super().__init__()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._set_up()

    def _set_up(self) -> None:
        self.keys = {API_KEY}
        self.refused_by_name: set[str] = set()
        self.refused_silently: set[str] = set()
        self.refused_field: str | None = None
        self.senders: set[str] | None = None
        self.largest = _PERMITTED_BYTES
        self.endings: dict[str, str] = {}
        self.is_shuffled = self.is_doubled = False
        self.log_lag: timedelta | None = timedelta(0)
        self.callback_url = "https://learn.example/callbacks/sendgrid"
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.settings = AccountSettings(self.webhook_key)
        self._batches = _Batches()
        self._waiting: list[Mail] = []
        self._sent: dict[str, Mail] = {}
        self._numbers = count()

    def forget(self) -> None:
        super().forget()
        with self.lock:
            self._set_up()

    @property
    def webhook_key(self) -> str:
        """What its events are verified with: base64 of DER."""
        public = self._key.public_key()
        return b64encode(
            public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        ).decode()

    # What it answers.

    def answer(self, request: Request) -> Reply:
        try:
            if request.bearer not in self.keys:
                raise Refused("The provided authorization grant is invalid, expired, or revoked", status=401)
            if request.path in self.settings.forbidden:
                raise Refused("access forbidden", status=403)
            return self._answer(request)
        except Refused as refused:
            return refused.reply

    def _answer(self, request: Request) -> Reply:
        match request.method, request.path:
            case "POST", "/v3/mail/send":
                return self._send(request)
            case "POST", "/v3/mail/batch":
                name = uuid4().hex
                self._batches.known.add(name)
                return Reply(201, {"batch_id": name})
            case "POST", "/v3/user/scheduled_sends":
                return self._cancel(request.json())
            case "GET", "/v3/user/scheduled_sends":
                return Reply(200, [{"batch_id": each, "status": "cancel"} for each in self._batches.cancelled])
            case "POST", "/v3/logs":
                return self._logs(request.json())
        if request.method == "GET" and (found := _BATCH.fullmatch(request.path)):
            there = [found[1]] if found[1] in self._batches.cancelled else []
            return Reply(200, [{"batch_id": each, "status": "cancel"} for each in there])
        if request.method == "GET" and (found := _LOG.fullmatch(request.path)):
            return self._log(found[1])
        return self.settings.answer(request) or Refused("resource not found", status=404).reply

    def throttled(self, request: Request) -> Reply:
        return Refused("too many requests", status=429).reply

    def unauthorized(self, request: Request) -> Reply:
        return Refused("The provided authorization grant is invalid, expired, or revoked", status=401).reply

    def broken(self, request: Request, status: int) -> Reply:
        return Refused("internal server error", status=status).reply

    # Mail.

    def _send(self, request: Request) -> Reply:
        if len(request.body) > self.largest:
            raise Refused("content too large", status=413)
        try:
            body = request.json()
        except orjson.JSONDecodeError:
            raise Refused("Bad Request") from None
        self._check(body)
        name = uuid4().hex[:22]
        mails = [
            self._mail(body, each, f"{name}.recvd-0-{place}.0") for place, each in enumerate(body["personalizations"])
        ]
        now = self.now()
        with self.lock:
            self._waiting += [mail for mail in mails if mail.send_at is not None and mail.send_at > now]
        self._deliver([mail for mail in mails if mail.send_at is None or mail.send_at <= now])
        return Reply(202, None, {"X-Message-Id": name})

    def _check(self, body: Any) -> None:
        """Refuse what SendGrid refuses."""
        if self.refused_field is not None:
            raise Refused(f"{self.refused_field} is not right", self.refused_field or None)
        people = body.get("personalizations") or []
        if not people:
            raise Refused("You must have at least one personalization.", "personalizations")
        if len(people) > 1000:
            raise Refused("The personalization block is limited to 1000 personalizations.", "personalizations")
        if self.senders is not None and body["from"]["email"] not in self.senders:
            raise Refused("The from address does not match a verified Sender Identity.", "from", status=403)
        if not body.get("subject"):
            raise Refused("The subject is required.", "subject")
        if not body.get("content") or not all(part.get("value") for part in body["content"]):
            raise Refused("The content value must be a string at least one character in length.", "content.0.value")
        group = body.get("asm", {}).get("group_id")
        if group is not None and group not in self.settings.group_ids:
            raise Refused("invalid group id", "asm.group_id")
        batch = body.get("batch_id")
        if batch is not None and batch not in self._batches.known:
            raise Refused("The batch_id is invalid.", "batch_id")
        if (at := body.get("send_at")) is not None and at > self.now().timestamp() + 72 * 3600:
            raise Refused("Scheduling more than 72 hours in advance is forbidden.", "send_at")
        seen: set[str] = set()
        for place, each in enumerate(people):
            self._check_recipient(f"personalizations.{place}", each, seen)
        for each in people:
            if each["to"][0]["email"] in self.refused_silently:
                raise Refused("Bad Request")

    def _check_recipient(self, where: str, each: Any, seen: set[str]) -> None:
        if len(each["to"]) != 1:
            raise Refused("One recipient each, or people see each other's addresses.", f"{where}.to")
        to = each["to"][0]
        address = to["email"]
        if address in self.refused_by_name or not _ADDRESS.fullmatch(address):
            raise Refused(f"Does not contain a valid address: {address}", f"{where}.to.0.email")
        if address.lower() in seen:
            raise Refused(f"Each unique email address should only be included once: {address}", "personalizations")
        seen.add(address.lower())
        if re.search(r"[;,\r\n]", to.get("name", "")):
            raise Refused("The name has a comma or a semicolon.", f"{where}.to.0.name")
        for part in ("substitutions", "custom_args"):
            values = each.get(part, {})
            if not all(isinstance(value, str) for value in values.values()):
                raise Refused(f"{part} must be strings.", f"{where}.{part}")
            if sum(len(name.encode()) + len(value.encode()) for name, value in values.items()) > 10_000:
                raise Refused(f"{part} may not exceed 10000 bytes.", f"{where}.{part}")

    def _mail(self, body: Any, each: Any, name: str) -> Mail:
        content = {"subject": body["subject"]}
        content |= {
            part["type"].removeprefix("text/").replace("plain", "text"): part["value"] for part in body["content"]
        }
        for tag, value in each.get("substitutions", {}).items():
            content = {part: text.replace(tag, value) for part, text in content.items()}
        at = each.get("send_at", body.get("send_at"))
        return Mail(
            name=name,
            to=each["to"][0]["email"],
            sender=body["from"]["email"],
            content=content,
            custom_args=each.get("custom_args", {}),
            headers=each.get("headers", {}),
            categories=body.get("categories", []),
            group_id=body.get("asm", {}).get("group_id"),
            created_at=self.now(),
            send_at=datetime.fromtimestamp(at, UTC) if at is not None else None,
            batch_id=body.get("batch_id"),
        )

    def _deliver(self, mails: Sequence[Mail]) -> None:
        """These go out now."""
        events = []
        for mail in mails:
            with self.lock:
                self._sent[mail.name] = mail
            self.take(
                Taken(
                    provider=self.name,
                    delivery_id=mail.custom_args.get("delivery", ""),
                    handover_id=mail.custom_args.get("handover", ""),
                    to=mail.to,
                    content=mail.content,
                    provider_id=mail.name,
                    at=time.monotonic(),
                )
            )
            ending = self.endings.get(mail.to, "delivered")
            events += [self._event(mail, each) for each in ("processed", ending) if each]
        self._owe(events)

    def release(self) -> None:
        """Send what waited for its time, unless it was cancelled early enough."""
        now = self.now()
        with self.lock:
            due = [mail for mail in self._waiting if mail.send_at is not None and mail.send_at <= now]
            self._waiting = [mail for mail in self._waiting if mail not in due]
        cancelled = [mail for mail in due if self._is_cancelled(mail)]
        self._deliver([mail for mail in due if mail not in cancelled])
        self._owe([self._event(mail, "dropped") for mail in cancelled])

    def _is_cancelled(self, mail: Mail) -> bool:
        at = self._batches.cancelled.get(mail.batch_id or "")
        return at is not None and mail.send_at is not None and mail.send_at - at >= _SURE_TO_CANCEL

    def taken(self) -> list[Taken]:
        self.release()
        return super().taken()

    def owed(self) -> list[Callback]:
        self.release()
        return super().owed()

    def mails(self) -> list[Mail]:
        """What was sent, with everything SendGrid knows about it."""
        self.release()
        with self.lock:
            return list(self._sent.values())

    def waiting(self) -> list[Mail]:
        """What waits for its time."""
        self.release()
        with self.lock:
            return list(self._waiting)

    def _cancel(self, body: Any) -> Reply:
        batch = body["batch_id"]
        if batch not in self._batches.known:
            raise Refused("The batch_id is invalid.", "batch_id")
        if batch in self._batches.cancelled:
            raise Refused("A cancel or pause already exists for this batch_id.", "batch_id")
        self._batches.cancelled[batch] = self.now()
        return Reply(201, {"batch_id": batch, "status": "cancel"})

    # Logs.

    def _logs(self, body: Any) -> Reply:
        if self.log_lag is None:
            raise Refused("access forbidden", status=403)
        query = body.get("query", "")
        conditions = list(_CONDITION.finditer(query))
        if " AND ".join(found[0] for found in conditions) != query:
            raise Refused("invalid query", "query")
        found = [mail for mail in self._logged() if all(_meets(mail, each) for each in conditions)]
        return Reply(200, {"messages": [_summary(mail) for mail in found[: body.get("limit", 10)]]})

    def _log(self, name: str) -> Reply:
        for mail in self._logged():
            if mail.name == name:
                whole = {"custom_args": mail.custom_args, "events": [], "api_key_id": "", "client_ip": "127.0.0.1"}
                return Reply(200, _summary(mail) | whole)
        raise Refused("message not found", status=404)

    def _logged(self) -> list[Mail]:
        if self.log_lag is None:
            raise Refused("access forbidden", status=403)
        until = self.now() - self.log_lag
        return [mail for mail in self.mails() if max(mail.created_at, mail.send_at or mail.created_at) <= until]

    # Events.

    def report(self, event: str, delivery_id: str, *, with_custom_args: bool = True, **more: Any) -> None:
        """Owe one more event about a message: bounce, dropped, deferred, spamreport, group_unsubscribe, open, click.

        Args:
            with_custom_args: asynchronous bounces come without.
            more: fields beside the usual ones.
        """
        mail = next(each for each in self.mails() if each.custom_args.get("delivery") == delivery_id)
        self._owe([self._event(mail, event, with_custom_args=with_custom_args) | more])

    def _event(self, mail: Mail, event: str, *, with_custom_args: bool = True) -> dict[str, Any]:
        said: dict[str, Any] = {
            "email": mail.to,
            "event": event,
            "timestamp": int(self.now().timestamp()),
            "sg_event_id": b64encode(f"{event}-{next(self._numbers)}-{mail.name}".encode()).decode(),
            "sg_message_id": mail.name,
            "smtp-id": f"<{mail.name}@geopod.sendgrid.net>",
            "category": list(mail.categories),
            **_ABOUT.get(event, {}),
        }
        if mail.group_id is not None:
            said["asm_group_id"] = mail.group_id
        return said | dict(mail.custom_args) if with_custom_args else said

    def _owe(self, events: Sequence[Mapping[str, Any]]) -> None:
        chosen = list(events) * (2 if self.is_doubled else 1)
        if self.is_shuffled:
            random.Random(len(chosen)).shuffle(chosen)
        for start in range(0, len(chosen), _EVENTS_PER_CALLBACK):
            self.owe(self.signed(orjson.dumps(chosen[start : start + _EVENTS_PER_CALLBACK])))

    def signed(self, body: bytes, *, at: datetime | None = None) -> Callback:
        """A callback with this body, signed as SendGrid signs."""
        timestamp = str(int((at or self.now()).timestamp()))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        headers = {
            "Content-Type": "application/json",
            SIGNATURE: b64encode(signature).decode(),
            TIMESTAMP: timestamp,
        }
        return Callback(self.callback_url, headers, body)


#: What some events say beyond the usual.
_ABOUT: Mapping[str, Mapping[str, Any]] = {
    "delivered": {"response": "250 OK"},
    "bounce": {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 The email account does not exist"},
    "dropped": {"reason": "Bounced Address"},
    "deferred": {"response": "421 try again later", "attempt": "1"},
    "open": {"useragent": "Mozilla/5.0", "ip": "192.0.2.1", "sg_machine_open": False},
    "click": {"useragent": "Mozilla/5.0", "ip": "192.0.2.1", "url": "https://learn.example/"},
}


def _summary(mail: Mail) -> dict[str, Any]:
    return {
        "from_email": mail.sender,
        "sg_message_id": mail.name,
        "subject": mail.content["subject"],
        "to_email": mail.to,
        "status": "delivered",
        "sg_message_id_created_at": mail.created_at.isoformat(),
    }


def _meets(mail: Mail, condition: re.Match[str]) -> bool:
    if condition["category"]:
        return condition["category"] in mail.categories
    if condition["to"]:
        return condition["to"] == mail.to
    at = datetime.fromisoformat(condition["at"])
    return {
        ">": mail.created_at > at,
        ">=": mail.created_at >= at,
        "<": mail.created_at < at,
        "<=": mail.created_at <= at,
    }[condition["sign"]]
