"""A message of the sandbox, read back for people: what its reader sees, and what is inside."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from channels.mime import read_email
from channels.outbox.cards import Piece, pieces
from pushpull.learners.vocabulary import Channel


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows of one message.

    Args:
        title: subject, notification line or the beginning of the text.
        html: of an e-mail, for an isolated frame; empty elsewhere.
        text: plain text of an e-mail or text message.
        pieces: an approximation of a card.
        source: the card's JSON, indented.
        facts: further names and values, e.g. headers.
    """

    delivery_id: str
    handover_id: str
    to: str
    to_name: str
    title: str
    html: str = ""
    text: str = ""
    pieces: tuple[Piece, ...] = ()
    source: str = ""
    facts: tuple[tuple[str, str], ...] = ()


def show(channel: Channel, delivery_id: str, handover_id: str, data: bytes) -> Shown:
    """A message as it lies in a parcel. What cannot be read is shown as text: the outbox hides nothing."""
    try:
        match channel:
            case Channel.EMAIL:
                return _email(delivery_id, handover_id, data)
            case Channel.SMS:
                return _text_message(delivery_id, handover_id, data)
            case _:
                return _card(delivery_id, handover_id, data)
    except (ValueError, KeyError):
        text = data.decode(errors="replace")
        return Shown(delivery_id, handover_id, "", "", "A message that cannot be read", text=text)


def _email(delivery_id: str, handover_id: str, data: bytes) -> Shown:
    letter = read_email(data)
    name, _, address = letter.headers["To"].rpartition("<")
    shown = ("From", "Reply-To", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post")
    return Shown(
        delivery_id,
        handover_id,
        to=address.rstrip(">"),
        to_name=name.strip().strip('"').replace('\\"', '"').replace("\\\\", "\\"),
        title=letter.headers["Subject"] or "(no subject)",
        # Links open beside the page: the frame itself may go nowhere.
        html=letter.html.replace("<head>", '<head><base target="_blank">', 1),
        text=letter.text,
        facts=tuple((field, letter.headers[field]) for field in shown if field in letter.headers),
    )


def _text_message(delivery_id: str, handover_id: str, data: bytes) -> Shown:
    head, _, text = data.decode().partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.split("\n"))
    return Shown(delivery_id, handover_id, to=fields["To"], to_name=fields["Name"], title=text[:90], text=text)


def _card(delivery_id: str, handover_id: str, data: bytes) -> Shown:
    envelope = orjson.loads(data)
    return Shown(
        delivery_id,
        handover_id,
        to=str(envelope["to"]),
        to_name=str(envelope["to_name"]),
        title=str(envelope["summary"]) or "(no summary)",
        pieces=tuple(pieces(envelope["card"])),
        source=orjson.dumps(envelope["card"], option=orjson.OPT_INDENT_2).decode(),
    )
