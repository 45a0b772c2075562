"""Handing text messages to Twilio: one request each, several under way at a time.

What the answers mean is in :mod:`channels.sms.meanings`, asking afterwards in :mod:`channels.sms.lookup`. Requests are
written here byte for byte as the SDK's ``client.messages.create(...)`` would write them (a test compares the two).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote_plus

from channels.accounts import TwilioAccount
from channels.base import Limits
from channels.fanout import FanOut
from channels.sms.client import Wires, basic
from channels.sms.evidence import DeliveryOf
from channels.sms.lookup import look_up
from channels.sms.meanings import MEANINGS, Meaning, outcome_of
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.messages import OutgoingMessage, SmsBody
from pushpull.ledger.outcomes import Evidence, NotSent, Outcome, Question, Rejected

#: Longest text Twilio takes, in characters (its Message resource, parameter ``Body``).
LONGEST_TEXT = 1600

#: Bounds of ``ValidityPeriod`` in seconds: Twilio takes 1 to 36,000 and advises against 5 or less.
SHORTEST_VALIDITY, LONGEST_VALIDITY = 6, 36_000

_AT_ONCE = 8
_MOST_MESSAGES = 200
#: A handover at the provider's rate takes so many seconds at most: well inside a call's deadline.
_SECONDS_PER_HANDOVER = 10.0

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class SmsChannel:
    """Text messages by Twilio. See :class:`channels.base.ChannelAdapter`.

    Args:
        clock: the time, aware UTC.
        delivery_of: reads the delivery off a text (:func:`channels.sms.evidence.by_links`); None: nothing can be looked
            up afterwards.
        meanings: what Twilio's error codes mean.
        at_once: how many requests may be under way at the same time.
        monotonic, sleep: the clock of deadlines, and waiting by it.
    """

    channel = Channel.SMS

    def __init__(
        self,
        account: TwilioAccount,
        *,
        clock: Callable[[], datetime],
        delivery_of: DeliveryOf | None = None,
        meanings: Mapping[int, Meaning] = MEANINGS,
        at_once: int = _AT_ONCE,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._account, self._clock, self._delivery_of = account, clock, delivery_of
        self._meanings, self._monotonic = meanings, monotonic
        self._wires = Wires(account.base_url, monotonic=monotonic)
        self._fan_out = FanOut(at_once, "sms", monotonic=monotonic, sleep=sleep)
        rate = account.per_second
        most = _MOST_MESSAGES if rate is None else max(1, int(rate * _SECONDS_PER_HANDOVER))
        self.limits = Limits(batch_size=min(_MOST_MESSAGES, most), per_second=rate)
        self.can_look_up = delivery_of is not None
        self._path = f"/2010-04-01/Accounts/{account.account_sid}/Messages.json"
        self._headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "Authorization": basic(account.account_sid, account.auth_token.get_secret_value()),
        }
        base = account.callback_url.rstrip("/")
        self._callback = f"&StatusCallback={quote_plus(base)}" if base else ""
        self._service = f"&SmartEncoded=false&MessagingServiceSid={quote_plus(account.messaging_service_sid)}&Body="

    def send(
        self, messages: Sequence[OutgoingMessage], *, deadline: float, not_before: Sequence[float] = ()
    ) -> Sequence[Outcome]:
        """Hand over text messages. See :meth:`channels.base.ChannelAdapter.send`.

        Raises:
            ChannelStopped: Twilio refuses the account or its senders.
        """
        started = self._monotonic()

        def hand_over(message: OutgoingMessage, by: float) -> Outcome:
            return self._one(message, by, waited=self._monotonic() - started)

        return self._fan_out.send(messages, hand_over, deadline=deadline, not_before=not_before)

    def look_up(self, questions: Sequence[Question]) -> Sequence[Evidence]:
        """What Twilio knows about these deliveries. See :mod:`channels.sms.lookup`."""
        if self._delivery_of is None:
            return []
        return look_up(self._account, self._wires, questions, self._delivery_of, monotonic=self._monotonic)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._wires.close()

    def _one(self, message: OutgoingMessage, deadline: float, *, waited: float) -> Outcome:
        validity = _validity(message.valid_for, waited)
        if validity is not None and validity < SHORTEST_VALIDITY:
            # Too late by the time it would arrive. The ledger finds that out itself before it tries again.
            return NotSent("expired")
        body = self._form(message, validity)
        if isinstance(body, Rejected):
            return body
        answer = self._wires.api.request("POST", self._path, headers=self._headers, body=body, deadline=deadline)
        return outcome_of(answer, now=self._clock(), meanings=self._meanings)

    def _form(self, message: OutgoingMessage, validity: int | None) -> bytes | Rejected:
        """The request's body, or why no provider would take the message."""
        if not isinstance(message.body, SmsBody):
            return Rejected("body_of_another_channel")
        text = message.body.text
        if not _E164.fullmatch(message.to):
            return Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)
        if len(text) > LONGEST_TEXT:
            return Rejected("too_long")
        if not text:
            return Rejected("no_text")
        try:
            return self._written(message, validity, quote_plus(text))
        except UnicodeEncodeError:
            return Rejected("not_unicode")

    def _written(self, message: OutgoingMessage, validity: int | None, text: str) -> bytes:
        """The form's fields, in the SDK's order. An E.164 number needs no quoting but for its plus sign."""
        form = "To=%2B" + message.to[1:]
        if self._callback:
            # All that Twilio ever tells us back of what is ours is the address it calls.
            form += f"{self._callback}%2F{quote_plus(message.delivery_id)}%2F{quote_plus(message.handover_id)}"
        if validity is not None:
            form += f"&ValidityPeriod={validity}"
        return f"{form}{self._service}{text}".encode()


def _validity(valid_for: timedelta | None, waited: float) -> int | None:
    """Seconds a message may still wait in Twilio's queue; None: no end is known."""
    if valid_for is None:
        return None
    return min(LONGEST_VALIDITY, int(valid_for.total_seconds() - waited))
