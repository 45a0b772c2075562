"""SendGrid, played: mail is taken now or at its time, batches are cancelled, logs are late, events are owed, signed.

What a test may set is told at :class:`SendGrid`.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson

from tests.standin.provider import Callback, Provider, Reply, Request, Taken
from tests.standin.sendgrid.events import Signer, event
from tests.standin.sendgrid.logs import details, page
from tests.standin.sendgrid.mail import Mail, Refused, check, mail_of
from tests.standin.sendgrid.settings import AccountSettings

#: The key it takes: that of :mod:`tests.standin.variables`.
API_KEY = "SG.stand-in"

_BATCH = re.compile(r"/v3/user/scheduled_sends/([^/]+)")
_LOG = re.compile(r"/v3/logs/([^/]+)")
_PERMITTED_BYTES = 30_000_000
_SURE_TO_CANCEL = timedelta(minutes=10)
_EVENTS_PER_CALLBACK = 500


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
        batches: the batch ids it gave.
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
        self._signer = Signer()
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
        self.batches: set[str] = set()
        self._cancelled: dict[str, datetime] = {}
        self._waiting: list[Mail] = []
        self._sent: dict[str, Mail] = {}

    def forget(self) -> None:
        super().forget()
        with self.lock:
            self._set_up()

    @property
    def webhook_key(self) -> str:
        """What its events are verified with: base64 of DER."""
        return self._signer.public_key

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
                self.batches.add(name)
                return Reply(201, {"batch_id": name})
            case "POST", "/v3/user/scheduled_sends":
                return self._cancel(request.json())
            case "GET", "/v3/user/scheduled_sends":
                return Reply(200, [{"batch_id": each, "status": "cancel"} for each in self._cancelled])
            case "POST", "/v3/logs":
                body = request.json()
                return Reply(200, page(self._logged(), body.get("query", ""), body.get("limit", 10)))
        if request.method == "GET" and (found := _BATCH.fullmatch(request.path)):
            there = [found[1]] if found[1] in self._cancelled else []
            return Reply(200, [{"batch_id": each, "status": "cancel"} for each in there])
        if request.method == "GET" and (found := _LOG.fullmatch(request.path)):
            return Reply(200, details(self._logged(), found[1]))
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
        check(body, self)
        name = uuid4().hex[:22]
        now = self.now()
        people = enumerate(body["personalizations"])
        mails = [mail_of(body, each, f"{name}.recvd-0-{place}.0", now) for place, each in people]
        with self.lock:
            self._waiting += [mail for mail in mails if mail.send_at is not None and mail.send_at > now]
        self._deliver([mail for mail in mails if mail.send_at is None or mail.send_at <= now])
        return Reply(202, None, {"X-Message-Id": name})

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
            events += [event(mail, each, self.now()) for each in ("processed", ending) if each]
        self._owe(events)

    def release(self) -> None:
        """Send what waited for its time, unless it was cancelled early enough."""
        now = self.now()
        with self.lock:
            held = self._waiting
            due = [mail for mail in held if mail.send_at is not None and mail.send_at <= now]
            self._waiting = [mail for mail in held if mail.send_at is None or mail.send_at > now]
        self._deliver([mail for mail in due if not self._is_cancelled(mail)])
        self._owe([event(mail, "dropped", now) for mail in due if self._is_cancelled(mail)])

    def _is_cancelled(self, mail: Mail) -> bool:
        at = self._cancelled.get(mail.batch_id or "")
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
        if batch not in self.batches:
            raise Refused("The batch_id is invalid.", "batch_id")
        if batch in self._cancelled:
            raise Refused("A cancel or pause already exists for this batch_id.", "batch_id")
        self._cancelled[batch] = self.now()
        return Reply(201, {"batch_id": batch, "status": "cancel"})

    # Logs.

    def _logged(self) -> list[Mail]:
        if self.log_lag is None:
            raise Refused("access forbidden", status=403)
        until = self.now() - self.log_lag
        return [mail for mail in self.mails() if max(mail.created_at, mail.send_at or mail.created_at) <= until]

    # Events.

    def report(self, kind: str, delivery_id: str, *, with_custom_args: bool = True, **more: Any) -> None:
        """Owe one more event about a message: bounce, dropped, deferred, spamreport, group_unsubscribe, open, click.

        Args:
            with_custom_args: asynchronous bounces come without.
            more: fields beside the usual ones.
        """
        mail = next(each for each in self.mails() if each.custom_args.get("delivery") == delivery_id)
        self._owe([event(mail, kind, self.now(), with_custom_args=with_custom_args) | more])

    def _owe(self, events: Sequence[Mapping[str, Any]]) -> None:
        chosen = list(events) * (2 if self.is_doubled else 1)
        if self.is_shuffled:
            random.Random(len(chosen)).shuffle(chosen)
        for start in range(0, len(chosen), _EVENTS_PER_CALLBACK):
            self.owe(self.signed(orjson.dumps(chosen[start : start + _EVENTS_PER_CALLBACK])))

    def signed(self, body: bytes, *, at: datetime | None = None) -> Callback:
        """A callback with this body, signed as SendGrid signs."""
        return self._signer.callback(self.callback_url, body, at or self.now())
