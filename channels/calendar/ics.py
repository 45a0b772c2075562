"""A hold as an .ics file (RFC 5545), for people whose calendar we cannot reach."""

from __future__ import annotations

import re
from datetime import UTC, datetime

#: RFC 5545, section 3.1: octets of a line, its end not counted.
_LONGEST_LINE = 75
#: No line of a text may contain these, escaped or not (section 3.3.11).
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0085\u2028\u2029]|[\ud800-\udfff]")
_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f<>\",;:@]+@[^\s\x00-\x1f\x7f<>\",;:@]+")


def write_hold(
    *,
    transaction_id: str,
    subject: str,
    body_text: str,
    starts_at: datetime,
    ends_at: datetime,
    made_at: datetime,
    organizer: str,
) -> bytes:
    """A tentative entry without guests, as UTF-8.

    The same hold written again is the same entry: calendars know it by its UID.

    Args:
        transaction_id: our own stable id, which becomes the UID.
        starts_at, ends_at, made_at: aware instants; written in UTC, by the second.
        organizer: the address it comes from, which a published entry must name (RFC 5546, section 3.2.1).

    Raises:
        ValueError: an instant has no zone, the end is not after the start, or the organizer is no address.
    """
    if not is_address(organizer):
        raise ValueError("the organizer must be an e-mail address such as learning@example.com")
    if _stamp(ends_at) <= _stamp(starts_at):
        raise ValueError("a hold must end after it starts")
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Pushpull//Learning campaigns//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{_text(transaction_id)}",
        f"DTSTAMP:{_stamp(made_at)}",
        f"DTSTART:{_stamp(starts_at)}",
        f"DTEND:{_stamp(ends_at)}",
        f"ORGANIZER:mailto:{organizer}",
        f"SUMMARY:{_text(subject)}",
        f"DESCRIPTION:{_text(body_text)}",
        "STATUS:TENTATIVE",
        "TRANSP:OPAQUE",
        "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return b"".join(_folded(line) for line in lines)


def is_address(text: str) -> bool:
    """Whether it can be named as who an entry comes from."""
    return _ADDRESS.fullmatch(text) is not None


def _stamp(instant: datetime) -> str:
    if instant.utcoffset() is None:
        raise ValueError("an instant without a zone could be any of a day's")
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(value: str) -> str:
    """A value of the type TEXT: section 3.3.11."""
    plain = _CONTROLS.sub(" ", value.replace("\r\n", "\n").replace("\r", "\n"))
    return plain.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(line: str) -> bytes:
    """The line in pieces of at most 75 octets, none of which cuts a character; a space leads all but the first."""
    data = line.encode()
    pieces: list[bytes] = []
    while len(data) > (room := _LONGEST_LINE - (1 if pieces else 0)):
        while data[room] & 0xC0 == 0x80:  # within a character
            room -= 1
        pieces.append(data[:room])
        data = data[room:]
    return b"\r\n ".join([*pieces, data]) + b"\r\n"
