"""E-mail by SendGrid: which way each message goes, and the seam every channel has.

Messages written from one template travel together, a thousand in a request (:mod:`channels.email.shared`); a message
with a body of its own is a request of its own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING

from channels.accounts import SendGridAccount
from channels.answers import common_outcome, unanswered
from channels.base import Limits
from channels.email.addresses import sendable
from channels.email.refusals import stopping
from channels.email.requests import MOST_RECIPIENTS, envelope, recipient, request, subject_tags
from channels.email.shared import Batch, Entry, SharedSending, accepted, of_one
from channels.fanout import FanOut
from channels.wire import Answer, Failure, Wire
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.messages import EmailBody, EmailTemplate, OutgoingMessage, SharedEmail
from pushpull.ledger.outcomes import (
    CHANNEL_STOPPED,
    Accepted,
    ChannelStopped,
    Evidence,
    NotSent,
    Outcome,
    Question,
    Rejected,
    Uncertain,
)

if TYPE_CHECKING:
    from sendgrid import SendGridAPIClient

_AT_ONCE = 12
_BAD_ADDRESS = Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)
_KEY = re.compile(r"[!-~]+")
#: How far ahead SendGrid plans.
_FURTHEST_AHEAD = timedelta(hours=72)


class SendGridChannel:
    """The e-mail channel of one SendGrid account.

    Args:
        clock: UTC.
        wire: to the account's ``base_url``; None: one of its own.
        monotonic, sleep: the clock of deadlines and slots, and waiting by it.

    Raises:
        ValueError: the API key cannot be one.
    """

    channel = Channel.EMAIL
    can_look_up = True

    def __init__(
        self,
        account: SendGridAccount,
        *,
        clock: Callable[[], datetime],
        wire: Wire | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not _KEY.fullmatch(account.api_key.get_secret_value()):
            raise ValueError("SendGrid's API key is empty, or has a space, a line break or a letter no key has")
        self.limits = Limits(
            batch_size=MOST_RECIPIENTS,
            per_second=account.per_second,
            can_plan_ahead=True,
            takes_shared_bodies=True,
        )
        self._groups: Mapping[str, int] = account.groups
        self._clock, self._monotonic, self._sleep = clock, monotonic, sleep
        self._wire = wire or Wire(account.base_url, monotonic=monotonic)
        self._account = account
        # As the official client says them; a test holds both together.
        self._headers = {
            "Authorization": f"Bearer {account.api_key.get_secret_value()}",
            "User-Agent": f"sendgrid/{version('sendgrid')};python",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        self._fanout = FanOut(_AT_ONCE, "sendgrid", monotonic=monotonic, sleep=sleep)

    def send(
        self, messages: Sequence[OutgoingMessage], *, deadline: float, not_before: Sequence[float] = ()
    ) -> Sequence[Outcome]:
        """Hand over the messages of one handover. See :class:`channels.base.ChannelAdapter`.

        Messages of one template are of one wave, so they have its campaign and family in common.

        Raises:
            ChannelStopped: the key, the account, the sender or a group is not what it should be; it carries what
                became of every message.
        """
        outcomes: list[Outcome | None] = [None] * len(messages)
        batches, alone = self._sorted(messages, outcomes, not_before)
        sending = SharedSending(
            self._post, outcomes, clock=self._clock, monotonic=self._monotonic, sleep=self._sleep, deadline=deadline
        )
        stopped: ChannelStopped | None = None
        try:
            for batch in batches:
                sending.send(batch)
            self._send_alone(messages, alone, outcomes, deadline, not_before, rest=sending.rest)
        except ChannelStopped as stop:
            stopped = stop
        settled = _together(
            messages, [NotSent(CHANNEL_STOPPED) if outcome is None else outcome for outcome in outcomes]
        )
        if stopped is not None:
            raise ChannelStopped(str(stopped), settled)
        return settled

    def look_up(self, questions: Sequence[Question]) -> Sequence[Evidence]:
        """What SendGrid knows about the deliveries of these handovers. See :mod:`channels.email.lookup`."""
        from channels.email import lookup

        return lookup.look_up(self._sdk.client, questions, monotonic=self._monotonic)

    def reserve(self, count: int) -> Sequence[str]:
        """Batch ids for planned mail, by which SendGrid can be told to forget it.

        Raises:
            ChannelStopped: the key does not allow it.
            channels.wire.NothingSent: SendGrid gave none now.
        """
        from channels.email import lookup

        return lookup.reserve(self._sdk.client, count)

    @cached_property
    def _sdk(self) -> SendGridAPIClient:
        # Late: who only sends need not hold the SDK in memory.
        from channels.email.transport import sdk

        return sdk(self._account, self._wire, monotonic=self._monotonic)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def _sorted(
        self, messages: Sequence[OutgoingMessage], outcomes: list[Outcome | None], not_before: Sequence[float]
    ) -> tuple[list[Batch], list[int]]:
        """The messages that travel together, and the places of those that travel alone; bad ones have their outcome."""
        batches: dict[tuple[EmailTemplate, datetime | None], Batch] = {}
        alone: list[int] = []
        furthest = self._clock() + _FURTHEST_AHEAD
        for place, message in enumerate(messages):
            body = message.body
            if message.send_at is not None and message.send_at > furthest:
                outcomes[place] = NotSent("too_far_ahead", retry_at=message.send_at - _FURTHEST_AHEAD)
                continue
            if not isinstance(body, SharedEmail):
                if isinstance(body, EmailBody):
                    alone.append(place)
                else:
                    outcomes[place] = Rejected("body_of_another_channel")
                continue
            key = (body.template, message.send_at)
            batch = batches.get(key)
            if batch is None:
                shared = envelope(message, body.template, self._groups)
                batch = batches[key] = Batch(shared, subject_tags(body.template))
            if isinstance(batch.envelope, Rejected):
                outcomes[place] = batch.envelope
                continue
            address = sendable(message.to)
            if address is None:
                outcomes[place] = _BAD_ADDRESS
                continue
            part = recipient(
                message, address, body.unsubscribe_url, values=body.values, subject_tags=batch.subject_tags
            )
            if part is None:
                alone.append(place)
            elif isinstance(part, Rejected):
                outcomes[place] = part
            else:
                slot = not_before[place] if not_before else 0.0
                batch.entries.append(Entry(place, address, part, slot))
        return list(batches.values()), alone

    def _send_alone(
        self,
        messages: Sequence[OutgoingMessage],
        places: Sequence[int],
        outcomes: list[Outcome | None],
        deadline: float,
        not_before: Sequence[float],
        *,
        rest: Outcome | None,
    ) -> None:
        """One request per message, several at a time."""
        if rest is not None:
            for place in places:
                outcomes[place] = rest
            return
        found: Sequence[Outcome] = ()
        try:
            found = self._fanout.send(
                [messages[place] for place in places],
                self._one,
                deadline=deadline,
                not_before=[not_before[place] for place in places] if not_before else (),
            )
        except ChannelStopped as stopped:
            found = stopped.outcomes
            raise
        finally:
            for place, outcome in zip(places, found, strict=False):
                outcomes[place] = outcome

    def _one(self, message: OutgoingMessage, deadline: float) -> Outcome:
        """Send one message with a body of its own."""
        body = message.body.filled() if isinstance(message.body, SharedEmail) else message.body
        assert isinstance(body, EmailBody)
        address = sendable(message.to)
        if address is None:
            return _BAD_ADDRESS
        shared = envelope(message, body, self._groups)
        part = recipient(message, address, body.unsubscribe_url)
        if isinstance(shared, Rejected):
            return shared
        if part is None or isinstance(part, Rejected):
            return part or Rejected("too_large")
        answer = self._post(request([part], shared), deadline)
        if isinstance(answer, Answer):
            return _outcome_of_one(answer, now=self._clock())
        return answer

    def _post(self, body: bytes, deadline: float) -> Answer | Outcome:
        """Make a mail/send request; where no answer came, what that means."""
        try:
            return self._wire.request("POST", "/v3/mail/send", headers=self._headers, body=body, deadline=deadline)
        except Failure as failure:
            return unanswered(failure)
        except Exception as defect:  # noqa: BLE001  # whatever it was, bytes may have left
            return Uncertain(f"defect:{type(defect).__name__}")


def _together(messages: Sequence[OutgoingMessage], outcomes: list[Outcome]) -> list[Outcome]:
    """Planned mail of one handover has one batch id, and an unknown outcome is settled by cancelling that batch: the
    mail SendGrid did accept under it is cancelled with it, so its outcome is as open.
    """
    open_batches = {
        message.request_id
        for message, outcome in zip(messages, outcomes, strict=True)
        if message.send_at is not None and message.request_id and isinstance(outcome, Uncertain)
    }
    if not open_batches:
        return outcomes
    return [
        Uncertain("planned_together")
        if message.request_id in open_batches and isinstance(outcome, Accepted)
        else outcome
        for message, outcome in zip(messages, outcomes, strict=True)
    ]


def _outcome_of_one(answer: Answer, *, now: datetime) -> Outcome:
    """What an answer says about the only message of its request."""
    if answer.is_success:
        return accepted(answer)
    if (reason := stopping(answer)) is not None:
        raise ChannelStopped(reason)
    return common_outcome(answer, now=now) or of_one(answer)
