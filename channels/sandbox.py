"""The default channel set: nothing leaves the machine.

Every message is checked and written as a provider's stand-in would take it: an e-mail as RFC 5322 text, a Teams card
or Slack blocks as JSON, a text message as text. What was taken is kept in parcels, one per handover, so the sandbox
remembers perfectly: a look-up always settles. The browsable pages over the parcels are made by `channels.outbox`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import orjson

from channels.base import Limits
from channels.mime import BadAddress, UnsafeHeader, write_email
from channels.parcels import DamagedParcel, Parcel, Parcels
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.messages import CardBody, EmailBody, OutgoingMessage, SharedEmail, SmsBody, parse_delivery_id
from pushpull.ledger.outcomes import (
    DEADLINE_PASSED,
    Accepted,
    ChannelStopped,
    Evidence,
    Finding,
    NotSent,
    Outcome,
    Question,
    Rejected,
)

#: How many messages a sandbox takes at once: what the batch size may be set to.
BATCH_SIZE = 1000

#: The file ending of a written message, per channel.
SUFFIXES: Mapping[Channel, str] = {
    Channel.EMAIL: ".eml",
    Channel.TEAMS: ".card.json",
    Channel.SLACK: ".blocks.json",
    Channel.SMS: ".txt",
}

_ACCEPTED = Accepted()
_REFUSALS: Mapping[type[Exception], str] = {
    UnsafeHeader: "unsafe_header",
    UnicodeEncodeError: "not_unicode",
    orjson.JSONDecodeError: "invalid_json",
}
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class SandboxChannel:
    """One channel of the sandbox.

    Args:
        channel: which one.
        outbox_dir: where messages land; made when missing.
        clock: gives e-mails their Date; None leaves the header out.
    """

    can_look_up = True

    def __init__(self, channel: Channel, outbox_dir: Path, *, clock: Callable[[], datetime] | None = None) -> None:
        self.channel = channel
        self.limits = Limits(batch_size=BATCH_SIZE)
        self._outbox_dir = outbox_dir
        self._parcels = Parcels(outbox_dir, channel)
        self._clock = clock

    def send(
        self, messages: Sequence[OutgoingMessage], *, deadline: float, not_before: Sequence[float] = ()
    ) -> Sequence[Outcome]:
        """Keep the messages of one handover. See :class:`channels.base.ChannelAdapter`.

        Sending a handover again changes nothing and gives the same answers.

        Raises:
            ChannelStopped: the outbox cannot be written, or the messages are not of one handover of one wave.
        """
        if not messages:
            return []
        wave_id, handover_id = _handover_of(messages)
        date = self._clock() if self._clock else None
        outcomes: list[Outcome] = []
        written: dict[str, bytes] = {}
        for message in messages:
            result = self._written(message, date)
            if isinstance(result, bytes):
                written[message.delivery_id] = result
                outcomes.append(_ACCEPTED)
            else:
                outcomes.append(result)
        if time.monotonic() >= deadline:
            return [NotSent(DEADLINE_PASSED)] * len(messages)
        if not written:
            return outcomes
        try:
            parcel = self._parcels.deposit(wave_id, handover_id, written)
        except OSError as error:
            raise ChannelStopped(
                f"the sandbox cannot write to {self._outbox_dir}: {error.strerror}. "
                "Free space there or point PUSHPULL_OUTBOX_DIR to a folder that can be written."
            ) from error
        except DamagedParcel as error:
            raise ChannelStopped(str(error)) from error
        return [
            NotSent("handover_closed") if outcome is _ACCEPTED and message.delivery_id not in parcel.sizes else outcome
            for message, outcome in zip(messages, outcomes, strict=True)
        ]

    def look_up(self, questions: Sequence[Question]) -> Sequence[Evidence]:
        """What was taken of these deliveries. See :class:`channels.base.ChannelAdapter`.

        "Absent" is final: a handover nothing was taken of is closed by the question, so that a writer who was only
        slow cannot bring it later.
        """
        return [
            evidence
            for question in questions
            for evidence in self._findings(question.handover_id, list(question.addresses))
        ]

    def _findings(self, handover_id: UUID, delivery_ids: Sequence[str]) -> list[Evidence]:
        found = []
        parcels: dict[int, Parcel | None] = {}
        for delivery_id in delivery_ids:
            wave_id = parse_delivery_id(delivery_id)[0]
            if wave_id not in parcels:
                parcels[wave_id] = self._settled(wave_id, handover_id)
            parcel = parcels[wave_id]
            if parcel is None:
                finding = Finding.UNKNOWN
            else:
                finding = Finding.ACCEPTED if delivery_id in parcel.sizes else Finding.ABSENT
            found.append(Evidence(delivery_id, handover_id.hex, finding))
        return found

    def _settled(self, wave_id: int, handover_id: UUID) -> Parcel | None:
        """The parcel, closed empty if nothing was taken; None when the disk gives no answer."""
        try:
            return self._parcels.find(wave_id, handover_id) or self._parcels.deposit(wave_id, handover_id, {})
        except (OSError, DamagedParcel):
            return None

    def _written(self, message: OutgoingMessage, date: datetime | None) -> bytes | Rejected:
        """The message in its channel's form, or why no provider would take it."""
        try:
            match message.body:
                case EmailBody() | SharedEmail() as body if self.channel is Channel.EMAIL:
                    whole = body.filled() if isinstance(body, SharedEmail) else body
                    return write_email(message, whole, date=date)
                case SmsBody() as body if self.channel is Channel.SMS:
                    return _text_message(message, body)
                case CardBody() as body if self.channel in (Channel.TEAMS, Channel.SLACK):
                    return _card(message, body)
        except BadAddress as error:
            # Only the recipient's address is the recipient's fault.
            return Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS if error.field == "To" else None)
        except (UnsafeHeader, UnicodeEncodeError, orjson.JSONDecodeError) as error:
            return Rejected(_REFUSALS[type(error)])
        return Rejected("body_of_another_channel")


def _handover_of(messages: Sequence[OutgoingMessage]) -> tuple[int, UUID]:
    try:
        places = {(parse_delivery_id(message.delivery_id)[0], UUID(hex=message.handover_id)) for message in messages}
    except ValueError as error:
        raise ChannelStopped(f"a message without a proper delivery or handover id: {error}") from error
    if len(places) != 1:
        raise ChannelStopped("the messages of one request must be of one handover of one wave")
    return places.pop()


def _card(message: OutgoingMessage, body: CardBody) -> bytes:
    """A card with its envelope, as JSON; the card itself is kept to the letter."""
    if not message.to or _CONTROL.search(message.to):
        raise BadAddress("To")
    text = body.json.encode()
    orjson.loads(text)
    envelope = {
        "delivery_id": message.delivery_id,
        "handover_id": message.handover_id,
        "to": message.to,
        "to_name": message.to_name,
        "family": message.family,
        "summary": body.summary,
        "card": orjson.Fragment(text),
    }
    try:
        return orjson.dumps(envelope)
    except orjson.JSONEncodeError:
        raise UnsafeHeader("summary") from None


def _text_message(message: OutgoingMessage, body: SmsBody) -> bytes:
    """A text message: its envelope as lines, an empty line, the text."""
    if not _E164.fullmatch(message.to):
        raise BadAddress("To")
    name = _CONTROL.sub(" ", message.to_name)
    head = f"To: {message.to}\nName: {name}\nDelivery: {message.delivery_id}\nHandover: {message.handover_id}\n\n"
    return (head + body.text).encode()
