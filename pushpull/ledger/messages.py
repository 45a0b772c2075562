"""A message on its way: what is known about the learner when it is written, its body per channel, its envelope.

These values are what `content` fills and `channels` carries; neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pushpull.learners.vocabulary import Channel


@dataclass(frozen=True, slots=True)
class RecommendedItem:
    """One recommended item as a message shows it.

    Args:
        title: as in the catalogue.
        url: signed deep link.
        minutes: duration; None is unknown, not zero.
        reason_kind: ``goal``, ``need``, ``trend``, ``colleagues``, ``popular`` or ``short``.
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


@dataclass(frozen=True, slots=True)
class CardBody:
    """A Teams Adaptive Card or Slack blocks: the JSON as text, and the line a notification shows."""

    json: str
    summary: str


@dataclass(frozen=True, slots=True)
class SmsBody:
    """A text message of one segment."""

    text: str


Body = EmailBody | CardBody | SmsBody


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message, addressed and written, as a channel gets it.

    Args:
        delivery_id: ``wave-rotation-learner``; travels inside the message so that callbacks find their row.
        handover_id: hex UUID of the provider request this message is part of.
        to: the address in the channel's own form: e-mail address, E.164 number, Teams or Slack user id.
        to_name: display name; may be empty.
        family: the message family, for unsubscribe groups.
    """

    delivery_id: str
    handover_id: str
    channel: Channel
    to: str
    to_name: str
    family: str
    body: Body


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
