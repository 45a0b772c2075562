"""Twilio, played: messages are created and listed, a messaging service is described, callbacks are owed, signed.

Errors are answered as Twilio words them; which number gets which is told by a test.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

from tests.standin.provider import Callback, Provider, Reply, Request, Taken

#: The credentials it takes: those of :mod:`tests.standin.variables`.
ACCOUNT_SID = "AC" + "0" * 32
AUTH_TOKEN = "stand-in"
SERVICE_SID = "MG" + "0" * 32
SENDER = "+15005550006"

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_MESSAGES = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})/Messages\.json")
_SERVICE = re.compile(r"/v1/Services/(MG[0-9a-fA-F]{32})")
_OURS = re.compile(r"/([0-9]+-[0-9]+-[0-9]+)/([0-9a-f]{32})$")
_STOP, _START = {"stop", "stopall", "unsubscribe", "cancel", "end", "quit"}, {"start", "yes", "unstop"}


@dataclass(frozen=True)
class _Message:
    """A message Twilio keeps."""

    sid: str
    to: str
    body: str
    at: datetime
    service: str = SERVICE_SID


class Twilio(Provider):
    """What a test may set: everything below ``__init__``'s first line; ``forget`` sets it back.

    Attributes:
        errors: by number, the error code its messages are refused with (and the HTTP status, 400 if only a code).
        undelivered: by number, the error code its messages end with.
        keeps_text: whether lists show the text of messages.
        is_queue_stuck: messages wait unsent, so that they have no date of sending.
        passes_replies_on: whether the messaging service has an inbound address.
        now: the time messages are created at.
    """

    name = "twilio"
    prefix = "/twilio"
    contracts = ("twilio_messages_v2010.json", "twilio_messaging_v1.json")

    def __init__(self) -> None:
        super().__init__()
        self._set_up()

    def _set_up(self) -> None:
        self.errors: dict[str, int | tuple[int, int]] = {}
        self.undelivered: dict[str, int] = {}
        self.keeps_text = True
        self.is_queue_stuck = False
        self.passes_replies_on = True
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._opted_out: set[str] = set()
        self._messages: dict[str, _Message] = {}
        self._others: list[str] = []

    def forget(self) -> None:
        super().forget()
        with self.lock:
            self._set_up()

    def answer(self, request: Request) -> Reply:
        if not _is_allowed(request):
            return self.unauthorized(request)
        if found := _MESSAGES.fullmatch(request.path):
            if found[1] != ACCOUNT_SID:
                return _error(404, 20404, "The requested resource was not found")
            return self._create(request) if request.method == "POST" else self._list(request)
        if (found := _SERVICE.fullmatch(request.path)) and request.method == "GET":
            return self._service(found[1])
        return _error(404, 20404, f"The requested resource {request.path} was not found")

    def throttled(self, request: Request) -> Reply:
        return _error(429, 20429, "Too Many Requests")

    def unauthorized(self, request: Request) -> Reply:
        return _error(401, 20003, "Authenticate")

    def broken(self, request: Request, status: int) -> Reply:
        return _error(status, 20500, "An internal server error has occurred")

    def write(self, number: str, text: str, *, service: str) -> None:
        """Another application of the same account writes to somebody."""
        message = _Message(f"SM{uuid4().hex}", number, text, self.now(), service)
        with self.lock:
            self._messages[message.sid] = message
            self._others.append(message.sid)

    def reply(self, number: str, text: str, url: str) -> None:
        """Somebody answers a text message: the callback is owed, and STOP and START are obeyed by Twilio itself."""
        word = text.strip().lower()
        with self.lock:
            if word in _STOP:
                self._opted_out.add(number)
            elif word in _START:
                self._opted_out.discard(number)
        sid = f"SM{uuid4().hex}"
        fields = {
            "ToCountry": "US",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "Body": text,
            "FromCountry": "DE",
            "To": SENDER,
            "MessagingServiceSid": SERVICE_SID,
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": ACCOUNT_SID,
            "From": number,
            "ApiVersion": "2010-04-01",
        }
        if word in _STOP | _START:
            fields["OptOutType"] = "STOP" if word in _STOP else "START"
        self.owe(signed(url, fields))

    def _create(self, request: Request) -> Reply:
        form = request.form()
        to, body = form.get("To", ""), form.get("Body", "")
        refused = self._refusal(form)
        if refused is not None:
            return refused
        message = _Message(f"SM{uuid4().hex}", to, body, self.now())
        with self.lock:
            self._messages[message.sid] = message
        callback = form.get("StatusCallback", "")
        ours = _OURS.search(urlsplit(callback).path)
        self.take(
            Taken(
                provider=self.name,
                delivery_id=ours[1] if ours else "",
                handover_id=ours[2] if ours else "",
                to=to,
                content={"text": body},
                provider_id=message.sid,
                at=time.time(),
            )
        )
        if callback:
            for status, code in self._course(to):
                self.owe(signed(callback, _report(message, status, code)))
        return Reply(201, self._resource(message, status="accepted"))

    def _refusal(self, form: Mapping[str, str]) -> Reply | None:
        to, body = form.get("To", ""), form.get("Body", "")
        if to in self.errors:
            told = self.errors[to]
            status, code = told if isinstance(told, tuple) else (400, told)
            return _error(status, code, f"Refused on demand: {to}")
        if not _E164.fullmatch(to):
            return _error(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if to in self._opted_out:
            return _error(400, 21610, "Attempt to send to unsubscribed recipient")
        if not body:
            return _error(400, 21602, "Message body is required.")
        if len(body) > 1600:
            return _error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if form.get("MessagingServiceSid") != SERVICE_SID:
            return _error(400, 21703, "The Messaging Service does not contain a phone number")
        callback = form.get("StatusCallback")
        if callback is not None and "_" in (urlsplit(callback).hostname or "_"):
            return _error(400, 21609, f"Invalid 'StatusCallback' URL: {callback}")
        if not 1 <= int(form.get("ValidityPeriod", 1)) <= 36_000:
            return _error(400, 21622, "Invalid ValidityPeriod")
        return None

    def _course(self, to: str) -> Iterator[tuple[str, int | None]]:
        """What a message goes through, with the error it ends in."""
        yield "queued", None
        yield "sent", None
        code = self.undelivered.get(to)
        yield ("undelivered", code) if code else ("delivered", None)

    def _list(self, request: Request) -> Reply:
        def asked(name: str) -> str:
            return next(iter(request.query.get(name, ())), "")

        sids = [*self._others, *(each.provider_id for each in self.visible())]
        listed = [self._messages[sid] for sid in reversed(sids)]
        shown = [
            message
            for message in listed
            if asked("To") in ("", message.to) and self._was_sent_in(message, asked("DateSent>"), asked("DateSent<"))
        ]
        size, page = int(asked("PageSize") or 50), int(asked("Page") or 0)
        here = shown[page * size : (page + 1) * size]
        path = request.path

        def uri(number: int) -> str:
            kept = {name: values[0] for name, values in request.query.items()} | {"Page": number, "PageSize": size}
            return f"{path}?{urlencode(kept, quote_via=quote)}"

        is_last = (page + 1) * size >= len(shown)
        return Reply(
            200,
            {
                "messages": [self._resource(each, status="delivered") for each in here],
                "end": page * size + max(0, len(here) - 1),
                "start": page * size,
                "page": page,
                "page_size": size,
                "uri": uri(page),
                "first_page_uri": uri(0),
                "previous_page_uri": uri(page - 1) if page else None,
                "next_page_uri": None if is_last else f"{uri(page + 1)}&PageToken=PA{here[-1].sid}",
            },
        )

    def _was_sent_in(self, message: _Message, since: str, until: str) -> bool:
        if (since or until) and self.is_queue_stuck:
            return False
        day = message.at.strftime("%Y-%m-%d")
        return (not since or day >= since[:10]) and (not until or day <= until[:10])

    def _resource(self, message: _Message, *, status: str) -> dict[str, Any]:
        at = format_datetime(message.at)
        is_new = status == "accepted"
        base = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{message.sid}"
        return {
            "account_sid": ACCOUNT_SID,
            "api_version": "2010-04-01",
            "body": message.body if is_new or self.keeps_text else "",
            "date_created": at,
            "date_sent": None if is_new or self.is_queue_stuck else at,
            "date_updated": at,
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": None if is_new else SENDER,
            "messaging_service_sid": message.service,
            "num_media": "0",
            "num_segments": "0" if is_new else "1",
            "price": None,
            "price_unit": None,
            "sid": message.sid,
            "status": "queued" if self.is_queue_stuck else status,
            "subresource_uris": {"media": f"{base}/Media.json"},
            "to": message.to,
            "uri": f"{base}.json",
        }

    def _service(self, sid: str) -> Reply:
        if sid != SERVICE_SID:
            return _error(404, 20404, f"The requested resource /Services/{sid} was not found")
        return Reply(
            200,
            {
                "account_sid": ACCOUNT_SID,
                "sid": SERVICE_SID,
                "friendly_name": "Learning",
                "date_created": "2026-01-30T20:12:31Z",
                "date_updated": "2026-01-30T20:12:33Z",
                "inbound_request_url": "https://learn.example/callbacks/twilio/inbound"
                if self.passes_replies_on
                else None,
                "inbound_method": "POST",
                "fallback_url": None,
                "fallback_method": "POST",
                "status_callback": None,
                "sticky_sender": True,
                "mms_converter": True,
                "smart_encoding": False,
                "fallback_to_long_code": False,
                "area_code_geomatch": True,
                "validity_period": 14_400,
                "scan_message_content": "inherit",
                "synchronous_validation": False,
                "usecase": "notifications",
                "us_app_to_person_registered": True,
                "use_inbound_webhook_on_number": False,
                "links": {},
                "url": f"https://messaging.twilio.com/v1/Services/{SERVICE_SID}",
            },
        )


def signed(url: str, fields: Mapping[str, str], *, token: str = AUTH_TOKEN) -> Callback:
    """A request of Twilio's with its signature.

    Source: https://www.twilio.com/docs/usage/security#validating-requests: the base64 of HMAC-SHA1 over the address and
    every field's name and value, sorted by name.
    """
    text = url + "".join(name + fields[name] for name in sorted(fields))
    signature = b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()
    return Callback(
        url=url,
        headers={
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": signature,
            "I-Twilio-Idempotency-Token": str(uuid4()),
            "User-Agent": "TwilioProxy/1.1",
        },
        body=urlencode(fields).encode(),
    )


def _report(message: _Message, status: str, code: int | None) -> dict[str, str]:
    fields = {
        "SmsSid": message.sid,
        "SmsStatus": status,
        "MessageStatus": status,
        "To": message.to,
        "MessagingServiceSid": SERVICE_SID,
        "MessageSid": message.sid,
        "AccountSid": ACCOUNT_SID,
        "From": SENDER,
        "ApiVersion": "2010-04-01",
    }
    if code is not None:
        fields["ErrorCode"] = str(code)
    return fields


def _is_allowed(request: Request) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        return scheme == "Basic" and b64decode(given).decode() == f"{ACCOUNT_SID}:{AUTH_TOKEN}"
    except ValueError:
        return False


def _error(status: int, code: int, message: str) -> Reply:
    return Reply(
        status,
        {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        },
    )
