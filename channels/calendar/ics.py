"""A hold as an .ics file (RFC 5545), for people whose calendar we cannot reach."""

from __future__ import annotations

import re
from datetime import UTC, datetime

#: RFC 5545, section 3.1: octets of a line, its end not counted.
_LONGEST_LINE = 75
#: No line of a text may contain these, escaped or not (section 3.3.11).
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0085\u2028\u2029]|[\ud800-\udfff]")
#: Revisions are counted in seconds since then: what changes later has the higher number, and nobody keeps count.
_FIRST_REVISION = datetime(2020, 1, 1, tzinfo=UTC)


def write_hold(
    *,
    transaction_id: str,
    subject: str,
    body_text: str,
    starts_at: datetime,
    ends_at: datetime,
    made_at: datetime,
    revised_at: datetime | None = None,
) -> bytes:
    """A tentative entry of one's own, as UTF-8.

    The same hold written again is the same entry: calendars know it by its UID, and take the one of the highest
    SEQUENCE. It is an entry on a single user's calendar, which names no organizer (section 3.8.4.3), and it is opened,
    not sent, so that it has no method (section 3.7.2): nobody is asked to answer it.

    Args:
        transaction_id: our own stable id, which becomes the UID.
        starts_at, ends_at, made_at: aware instants; written in UTC, by the second.
        revised_at: when what it says last changed; None: never.

    Raises:
        ValueError: an instant has no zone, or the end is not after the start.
    """
    if _stamp(ends_at) <= _stamp(starts_at):
        raise ValueError("a hold must end after it starts")
    revised = max(_FIRST_REVISION, revised_at or _FIRST_REVISION)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Pushpull//Learning campaigns//EN",
        "CALSCALE:GREGORIAN",
        "BEGIN:VEVENT",
        f"UID:{_text(transaction_id)}",
        f"DTSTAMP:{max(_stamp(made_at), _stamp(revised))}",
        f"SEQUENCE:{int((revised - _FIRST_REVISION).total_seconds())}",
        f"DTSTART:{_stamp(starts_at)}",
        f"DTEND:{_stamp(ends_at)}",
        f"SUMMARY:{_text(subject)}",
        f"DESCRIPTION:{_text(body_text)}",
        "STATUS:TENTATIVE",
        "TRANSP:OPAQUE",
        "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return b"".join(_folded(line) for line in lines)


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
