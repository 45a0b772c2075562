"""Asking SendGrid what became of a request that was not answered, and making it forget planned mail.

Planned mail is settled for good: its batch is cancelled while SendGrid still keeps it, so it will never be sent, and is
sent again under another batch id. Immediate mail is looked for in SendGrid's logs, by wave and recipient, in the time
since the request was made. What is found there was accepted. What is not found is *absent*, which proves nothing by
itself: logs come late, and a request may lie in SendGrid's queue for minutes. The ledger therefore asks, and believes
an absence, only once the settle window is over (15 minutes for e-mail); for planned mail, that long after its time.
Anything but a complete answer leaves a delivery unknown.

Sources: https://www.twilio.com/docs/sendgrid/api-reference/email-logs/filter-all-messages (query language; at most
1,000 messages, no pages), …/cancel-scheduled-sends/cancel-or-pause-a-scheduled-send (at least 10 minutes ahead).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from python_http_client.exceptions import HTTPError

from channels.email.addresses import sendable
from channels.email.requests import DELIVERY, HANDOVER, wave_category
from channels.wire import Failure, NothingSent
from pushpull.ledger.outcomes import ChannelStopped, Evidence, Finding, Question

#: SendGrid is sure to cancel a batch only 10 minutes before it is due; a minute more covers clocks and the asking.
CANCEL_AHEAD = timedelta(minutes=11)

#: How long after its time planned mail may still come into the logs.
SETTLES_AFTER = timedelta(minutes=15)

#: How far SendGrid's clock may be from the database's.
CLOCK_SKEW = timedelta(minutes=2)

#: Seconds one look-up may take; what was not asked by then is asked next time.
LOOK_UP_SECONDS = 25.0

_LONGEST_PAGE = 1000

#: So few messages are looked at one by one: whether they carry our delivery id.
_FEW = 20

_QUOTABLE = re.compile(r"[A-Za-z0-9.!#$%&*+/=?^_{|}~@-]+")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")


def reserve(client: Any, count: int) -> list[str]:
    """Batch ids for so many requests of planned mail.

    Args:
        client: ``SendGridAPIClient.client``.

    Raises:
        ChannelStopped: the key does not allow it.
        channels.wire.NothingSent: SendGrid gave none now.
    """
    names = []
    for _ in range(count):
        try:
            name = client.mail.batch.post().to_dict["batch_id"]
        except HTTPError as error:
            if error.status_code in {401, 403}:
                raise ChannelStopped(
                    "SendGrid gives no batch ids, by which planned mail can be cancelled: the API key is not accepted "
                    "or lacks the scope mail.batch. Mend the key, then run `pushpull channel resume`."
                ) from None
            raise NothingSent(f"http_{error.status_code}") from None
        except Failure as failure:  # a batch id may have been made that nobody uses; no mail was
            raise NothingSent(failure.code) from None
        except (ValueError, KeyError, TypeError):
            raise NothingSent("no_batch_id") from None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise NothingSent("no_batch_id")
        names.append(name)
    return names


def look_up(client: Any, questions: Sequence[Question], *, monotonic: Callable[[], float]) -> list[Evidence]:
    """Evidence about the deliveries of these handovers; what is missing is unknown.

    Args:
        client: ``SendGridAPIClient.client``.
        monotonic: seconds.
    """
    until = monotonic() + LOOK_UP_SECONDS
    evidence: list[Evidence] = []
    for question in questions:
        try:
            if monotonic() >= until:
                break
            if _may_cancel(question):
                if _cancelled(client, question.request_id):
                    evidence += _all(question, Finding.CANCELLED)
            else:
                evidence += _Search(client, question, lambda: monotonic() < until).evidence()
        except (HTTPError, Failure, ValueError, KeyError, TypeError, AttributeError):
            continue  # nothing is known about this handover now: the ledger asks again
    return evidence


def _may_cancel(question: Question) -> bool:
    return (
        question.send_at is not None
        and question.request_id is not None
        and question.send_at - question.asked_at >= CANCEL_AHEAD
    )


def _cancelled(client: Any, batch: str | None) -> bool:
    """Cancel a batch; whether SendGrid agrees that it is cancelled."""
    try:
        said = client.user.scheduled_sends.post(request_body={"batch_id": batch, "status": "cancel"})
        return bool(said.status_code == 201)
    except HTTPError as error:
        if error.status_code != 400:
            raise
    # 400 is also what SendGrid says when it was cancelled before, by a look-up whose answer was lost.
    known = client.user.scheduled_sends._(batch).get().to_dict
    states = known if isinstance(known, list) else [known]
    return any(state["batch_id"] == batch and state["status"] == "cancel" for state in states)


def _all(question: Question, finding: Finding) -> list[Evidence]:
    return [Evidence(delivery, question.handover_id.hex, finding) for delivery in question.addresses]


@dataclass(frozen=True, slots=True)
class _Message:
    """A message in SendGrid's logs."""

    name: str
    to: str


class _Search:
    """The messages of one handover in SendGrid's logs.

    Args:
        has_time: whether another request may be made.
    """

    def __init__(self, client: Any, question: Question, has_time: Callable[[], bool]) -> None:
        self._client, self._question, self._has_time = client, question, has_time
        self._absence_counts = question.send_at is None or question.asked_at >= question.send_at + SETTLES_AFTER
        self._by_address: dict[str, list[str]] = defaultdict(list)
        for delivery, to in question.addresses.items():
            address = sendable(to) if to else None
            if address is not None:
                self._by_address[address.lower()].append(delivery)

    def evidence(self) -> Iterator[Evidence]:
        """What the logs say about each delivery whose address is known."""
        if not self._by_address:
            return
        whole = self._asked("")
        found = _by_recipient(whole)
        if len(whole) < _LONGEST_PAGE:
            for address, deliveries in self._by_address.items():
                yield from self._about(deliveries, found.get(address, []))
            return
        # More messages than a page holds, so each recipient is asked about: what a page lacks proves nothing.
        for address, deliveries in self._by_address.items():
            messages = found.get(address)
            if messages is None:
                if not self._has_time():
                    return
                messages = self._asked_about(address)
            if messages is not None:
                yield from self._about(deliveries, messages)

    def _asked_about(self, address: str) -> list[_Message] | None:
        """The messages to one recipient, however SendGrid spells it; None: it cannot be asked about safely."""
        spellings = {sendable(to) for to in self._question.addresses.values() if to} | {address}
        messages: dict[str, _Message] = {}
        for spelling in sorted(each for each in spellings if each and each.lower() == address):
            if not _QUOTABLE.fullmatch(spelling):
                return None
            page = self._asked(f" AND to_email = '{spelling}'")
            if len(page) >= _LONGEST_PAGE:
                return None
            messages |= {message.name: message for message in page}
        return list(messages.values())

    def _asked(self, condition: str) -> list[_Message]:
        """One page of the wave's messages since shortly before the handover.

        Raises:
            ValueError: the answer is not what it should be.
        """
        question = self._question
        query = (
            f"sg_message_id_created_at >= TIMESTAMP {_quoted(question.intended_at - CLOCK_SKEW)}"
            f" AND sg_message_id_created_at <= TIMESTAMP {_quoted(question.asked_at + CLOCK_SKEW)}"
            f" AND categories IN ('{wave_category(question.wave_id)}'){condition}"
        )
        said = self._client.logs.post(request_body={"query": query, "limit": _LONGEST_PAGE}).to_dict
        if not isinstance(said["messages"], list):
            raise ValueError("not a page of messages")
        return [_Message(_text(each["sg_message_id"]), _text(each["to_email"])) for each in said["messages"]]

    def _about(self, deliveries: Sequence[str], messages: Sequence[_Message]) -> Iterator[Evidence]:
        """What the messages to one address say about the deliveries to it.

        An address may be shared, and another handover of the wave may have written to it; where that is possible, the
        delivery ids inside the messages decide.
        """
        unnamed = {message.name: message for message in messages}
        left = list(deliveries)
        is_shared = not self._question.shared.isdisjoint(deliveries)
        if messages and (is_shared or len(messages) != len(deliveries) or len(self._by_address) <= _FEW):
            for message in messages:
                carried = self._carried_by(message)
                if carried is None:
                    continue
                del unnamed[message.name]
                delivery, handover = carried
                if delivery in left:
                    left.remove(delivery)
                    if handover == self._question.handover_id.hex:  # of another attempt: proof of nothing
                        yield self._evidence(delivery, Finding.ACCEPTED, message.name)
        if unnamed and len(unnamed) == len(left) and not is_shared:
            for delivery, message in zip(left, unnamed.values(), strict=True):
                yield self._evidence(delivery, Finding.ACCEPTED, message.name if len(left) == 1 else None)
        elif not unnamed and self._absence_counts:
            for delivery in left:
                yield self._evidence(delivery, Finding.ABSENT)

    def _carried_by(self, message: _Message) -> tuple[str, str] | None:
        """The delivery and handover ids a message carries; None: SendGrid does not say."""
        if not self._has_time():
            return None
        try:
            carried = self._client.logs._(message.name).get().to_dict["custom_args"]
            return _text(carried[DELIVERY]), _text(carried[HANDOVER])
        except (HTTPError, Failure, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _evidence(self, delivery: str, finding: Finding, name: str | None = None) -> Evidence:
        return Evidence(delivery, self._question.handover_id.hex, finding, name)


def _by_recipient(messages: Sequence[_Message]) -> Mapping[str, list[_Message]]:
    found: dict[str, list[_Message]] = defaultdict(list)
    for message in messages:
        found[message.to.lower()].append(message)
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _quoted(instant: datetime) -> str:
    return instant.strftime('"%Y-%m-%dT%H:%M:%SZ"')
