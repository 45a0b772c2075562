"""A message on its way: what is known about the learner when it is written, its body per channel, its envelope.

These values are what `content` fills and `channels` carries; neither knows the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pushpull.learners.vocabulary import Channel


@dataclass(frozen=True, slots=True)
class RecommendedItem:
    """One recommended item as a message shows it.

    Args:
        title: as in the catalogue.
        url: signed deep link.
        minutes: duration; None is unknown, not zero.
        reason_kind: ``goal``, ``need``, ``trend``, ``together``, ``colleagues``, ``popular`` or ``short``.
        reason_value: what the reason is about, e.g. the goal's words.
    """

    title: str
    url: str
    minutes: float | None
    reason_kind: str
    reason_value: str | None
    summary: str | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """All a template may know about one learner at the moment of sending. Every field is data, never a template.

    Args:
        given_name: for the salutation; empty when unknown.
        link: signed deep link to the campaign's content, or to the place where the learner stopped.
        unsubscribe_url: one-click unsubscribe for this learner, channel and family; empty for mandatory messages.
        preferences_url: the learner's preference page.
        first_contact: the learner has not used the content yet, so the "start in 60 seconds" block belongs here (L5).
        place_title: where the learner stopped; empty when unknown (O1).
        item_title: the item this message is about; empty when it is about none in particular.
        item_minutes: its duration; None is unknown.
        due_on: the learner's own due date, local; None when there is none.
        days_left: whole local days from sending to ``due_on``; negative when overdue; None without a due date.
        items: recommended items, at most what the wave asked for.
        is_last_nudge: so many daily nudges were not answered that this one is the last for now.
    """

    given_name: str
    link: str
    unsubscribe_url: str
    preferences_url: str
    first_contact: bool = False
    place_title: str = ""
    item_title: str = ""
    item_minutes: float | None = None
    due_on: date | None = None
    days_left: int | None = None
    items: tuple[RecommendedItem, ...] = ()
    is_last_nudge: bool = False


@dataclass(frozen=True, slots=True)
class EmailBody:
    """An e-mail: always with a plain-text part."""

    subject: str
    html: str
    text: str
    sender_name: str
    sender_address: str
    reply_to: str | None = None
    unsubscribe_url: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class EmailTemplate:
    """An e-mail as everybody of one language and variant gets it, with named places for what differs.

    Compared by identity: messages written from the same template travel in one request.

    Args:
        subject, html, text: what is said; a place is written as its tag, and no tag is part of another.
        tags: of all places.
    """

    subject: str
    html: str
    text: str
    sender_name: str
    sender_address: str
    tags: tuple[str, ...]
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class SharedEmail:
    """An e-mail as its template and what one learner gets in its places.

    Args:
        values: by tag, escaped for where the tag stands.
    """

    template: EmailTemplate
    values: Mapping[str, str]
    unsubscribe_url: str = ""

    def filled(self) -> EmailBody:
        """The whole e-mail, as the learner will read it."""
        subject, html, text = self.template.subject, self.template.html, self.template.text
        for tag, value in self.values.items():
            subject, html, text = subject.replace(tag, value), html.replace(tag, value), text.replace(tag, value)
        return EmailBody(
            subject=subject,
            html=html,
            text=text,
            sender_name=self.template.sender_name,
            sender_address=self.template.sender_address,
            reply_to=self.template.reply_to,
            unsubscribe_url=self.unsubscribe_url,
        )


@dataclass(frozen=True, slots=True)
class CardBody:
    """A Teams Adaptive Card or Slack blocks: the JSON as text, and the line a notification shows."""

    json: str
    summary: str


@dataclass(frozen=True, slots=True)
class SmsBody:
    """A text message of one segment."""

    text: str


Body = EmailBody | SharedEmail | CardBody | SmsBody


@dataclass(frozen=True, slots=True)
class Conversation:
    """How a bot reaches one person, learned from what the person's Teams sent us.

    Args:
        service_url: where the Bot Connector of the person's region answers.
        user_id: the person's id towards the bot, ``29:…``.
        conversation_id: the one-to-one conversation; empty until it was opened.
        tenant_id: the person's Entra tenant.
    """

    service_url: str
    user_id: str
    conversation_id: str = ""
    tenant_id: str = ""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message, addressed and written, as a channel gets it.

    Args:
        delivery_id: ``wave-rotation-learner``; travels inside the message so that callbacks find their row.
        handover_id: hex UUID of the provider request this message is part of.
        to: the address in the channel's own form: e-mail address, E.164 number, Entra object id, Slack user id.
        to_name: display name; may be empty.
        family: the message family, for unsubscribe groups.
        is_mandatory: an obligation, which nobody opts out of.
        campaign: the campaign's key.
        valid_for: how long from now on it is still worth delivering, and allowed to be: until it is stale or the
            learner's quiet hours begin; None: no end is known.
        send_at: for planned mail, when the provider is to send it, UTC; None: now.
        request_id: what the provider will call the request, where it was named before (``ChannelAdapter.reserve``).
        conversation: what the channel learned about how to reach this person, e.g. a Teams conversation; opaque.
    """

    delivery_id: str
    handover_id: str
    channel: Channel
    to: str
    to_name: str
    family: str
    body: Body
    is_mandatory: bool = False
    campaign: str = ""
    valid_for: timedelta | None = None
    send_at: datetime | None = None
    request_id: str | None = None
    conversation: Conversation | None = None


def delivery_id(wave_id: int, rotation: int, learner_id: int) -> str:
    """The id that travels inside a message and finds its delivery row again."""
    return f"{wave_id}-{rotation}-{learner_id}"


def parse_delivery_id(value: str) -> tuple[int, int, int]:
    """``(wave_id, rotation, learner_id)`` of an id made by :func:`delivery_id`.

    Raises:
        ValueError: the text is not such an id.
    """
    parts = value.split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"not a delivery id: {value[:60]!r}")
    wave, rotation, learner = (int(part) for part in parts)
    return wave, rotation, learner
