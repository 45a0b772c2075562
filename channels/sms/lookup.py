"""Asking Twilio what became of text messages whose outcome nobody knows.

Twilio's list shows the messages to a number with their text, and the link in the text names the delivery. What this
proves:

- a message since the handover was intended whose link is the delivery's: Twilio took it;
- the whole list, and every message in it since then is another delivery's: Twilio does not know it. That is proof only
  after the settle window, for a request that was cut off may still be on its way into the list; the ledger waits for
  that, not this module;
- a message since then by our messaging service and without a link of ours (written in the console, or a text Twilio
  keeps redacted): nothing, for it may be the one in question;
- an answer that is cut, late, refused or too long: nothing.

The list is not narrowed by ``DateSent``: a message waiting in the queue has not been sent yet, and overlooking it would
send it twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from channels.accounts import TwilioAccount
from channels.sms.client import Wires, twilio_client
from channels.sms.evidence import DeliveryOf
from channels.wire import Failure
from pushpull.ledger.outcomes import Evidence, Finding, Question

#: How far Twilio's clock and the database's may be apart.
SKEW = timedelta(minutes=5)

_PAGE_SIZE, _MOST_PAGES = 1000, 5
_REQUEST_SECONDS, _ALL_SECONDS = 15.0, 60.0

#: What the SDK raises on answers that are not what its documentation says.
_UNREADABLE = (Failure, TwilioException, ValueError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message in Twilio's list.

    Args:
        created_at: None where it could not be read.
        delivery_id: None without a link of ours.
    """

    sid: str | None
    created_at: datetime | None
    delivery_id: str | None


def look_up(
    account: TwilioAccount,
    wires: Wires,
    questions: Sequence[Question],
    delivery_of: DeliveryOf,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[Evidence]:
    """What Twilio knows about the deliveries of these handovers, in at most a minute; each number is asked about once.

    Returns:
        Evidence where there is any. Deliveries whose number may have changed are left out.
    """
    give_up_at = monotonic() + _ALL_SECONDS
    lists: dict[str, Sequence[_Sent] | None] = {}
    found: list[Evidence] = []
    for question in questions:
        for delivery_id, number in question.addresses.items():
            if not number:
                continue
            if number not in lists:
                deadline = min(give_up_at, monotonic() + _REQUEST_SECONDS)
                client = twilio_client(account, wires, deadline=deadline)
                lists[number] = _messages_to(number, client, delivery_of, service=account.messaging_service_sid)
            messages = lists[number]
            if messages is not None:
                found.extend(_finding(question, delivery_id, messages))
    return found


def _messages_to(number: str, client: Client, delivery_of: DeliveryOf, *, service: str) -> Sequence[_Sent] | None:
    """All that Twilio lists for a number and may be ours; None where that cannot be known now."""
    listed: list[_Sent] = []
    try:
        page = client.messages.page(to=number, page_size=_PAGE_SIZE)
        for _ in range(_MOST_PAGES):
            listed += [
                _Sent(message.sid, message.date_created, delivery)
                for message in page
                if (delivery := delivery_of(message.body or "")) or message.messaging_service_sid in (None, service)
            ]
            page = page.next_page()
            if page is None:
                return listed
    except _UNREADABLE:
        return None
    return None


def _finding(question: Question, delivery_id: str, messages: Iterable[_Sent]) -> Iterable[Evidence]:
    since = question.intended_at - SKEW
    recent = [each for each in messages if each.created_at is None or each.created_at >= since]
    ours = [each for each in recent if each.delivery_id == delivery_id]
    handover_id = question.handover_id.hex
    if ours:
        yield Evidence(delivery_id, handover_id, Finding.ACCEPTED, ours[-1].sid)
    elif all(each.delivery_id is not None for each in recent):
        yield Evidence(delivery_id, handover_id, Finding.ABSENT)
