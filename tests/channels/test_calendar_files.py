"""A hold as a file: what RFC 5545 asks of it, what calendars make of it, and that no text can add to it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar as Parsed

from channels.calendar import write_hold

NINE = datetime(2026, 1, 12, 9, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)


def read_back(data: bytes) -> dict[str, str]:
    """Properties by name, as RFC 5545 says to read them."""
    assert data.endswith(b"\r\n")
    assert b"\n" not in data.replace(b"\r\n", b"")
    for line in data[:-2].split(b"\r\n"):
        assert 0 < len(line) <= 75
        line.decode()  # no character is cut in two
    text = data.decode().replace("\r\n ", "")
    return dict(line.split(":", 1) for line in text.splitlines())


def unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] in "nN" else found[1], value)


def a_file(subject: str = "Feedback", body_text: str = "Twenty minutes.", **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "transaction_id": "7-0-42",
        "starts_at": NINE,
        "ends_at": TEN,
        "made_at": NINE - timedelta(days=1),
        **changes,
    }
    return write_hold(subject=subject, body_text=body_text, **values)


def parsed(data: bytes) -> Any:
    """The one entry in a file, as a calendar reads it."""
    calendar = Parsed.from_ical(data)
    assert calendar.errors == []
    assert (calendar["VERSION"], calendar["CALSCALE"]) == ("2.0", "GREGORIAN")
    assert "PRODID" in calendar
    [event] = calendar.subcomponents
    assert event.errors == []
    return event


def test_a_file_is_a_tentative_entry_of_ones_own() -> None:
    found = read_back(a_file(starts_at=NINE.astimezone(ZoneInfo("Asia/Kolkata"))))
    assert found["UID"] == "7-0-42"
    assert (found["DTSTART"], found["DTEND"]) == ("20260112T090000Z", "20260112T100000Z")
    assert found["DTSTAMP"] == "20260111T090000Z"
    assert (found["STATUS"], found["SEQUENCE"]) == ("TENTATIVE", "0")
    # Nobody is invited, and nobody is asked to answer.
    assert not {"ATTENDEE", "ORGANIZER", "METHOD"} & set(found)
    assert a_file() == a_file()


def test_a_file_that_changed_is_the_same_entry_with_a_higher_sequence() -> None:
    days = [None, *(NINE + timedelta(days=day) for day in (-400, -2, 0, 0.5))]
    entries = [parsed(a_file(revised_at=day)) for day in days]
    assert len({entry["UID"] for entry in entries}) == 1
    numbers = [entry["SEQUENCE"] for entry in entries]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] < 2**31
    assert [entry["DTSTAMP"].dt for entry in entries] == [
        *3 * [NINE - timedelta(days=1)],
        NINE,
        NINE + timedelta(days=0.5),
    ]


@given(
    st.text(max_size=300),
    st.text(alphabet="aé€😀\\;,\n\r\t: ", max_size=300),
    st.datetimes(datetime(2021, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]),
)
@settings(deadline=None)
def test_any_text_at_any_time_survives_the_file(subject: str, body: str, at: datetime, zone: str) -> None:
    starts_at = at.replace(microsecond=0, tzinfo=UTC).astimezone(ZoneInfo(zone))
    ends_at = (starts_at.astimezone(UTC) + timedelta(minutes=5)).astimezone(ZoneInfo(zone))
    data = a_file(subject, body, starts_at=starts_at, ends_at=ends_at)
    found = read_back(data)
    assert unescaped(found["DESCRIPTION"]) == body.replace("\r\n", "\n").replace("\r", "\n")
    if subject.isprintable():
        assert unescaped(found["SUMMARY"]) == subject
    entry = parsed(data)
    assert entry["DTSTART"].dt == starts_at
    assert entry["DTEND"].dt - entry["DTSTART"].dt == timedelta(minutes=5)


def test_a_subject_cannot_add_a_line() -> None:
    found = read_back(a_file("Feedback\r\nATTENDEE:mailto:eve@example.org\x00\x85END:VEVENT\u2028X:1"))
    assert "ATTENDEE" not in found
    assert "X" not in found


@pytest.mark.parametrize(
    "changes",
    [{"ends_at": NINE}, {"starts_at": datetime(2026, 1, 12, 9)}, {"made_at": datetime(2026, 1, 12, 9)}],  # noqa: DTZ001
)
def test_a_file_that_would_be_wrong_is_not_written(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        a_file(**changes)
