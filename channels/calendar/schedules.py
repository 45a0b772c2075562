"""How Graph writes times, and who is busy when."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from channels.calendar.gaps import Busy

#: Minutes one digit of ``availabilityView`` stands for.
SLOT = 15
#: States by these digits (learn.microsoft.com/graph/api/resources/scheduleinformation, `availabilityView`).
_DIGITS = {"0": "free", "1": "tentative", "2": "busy", "3": "oof", "4": "workingElsewhere"}


def graph_time(instant: datetime) -> dict[str, str]:
    """An instant, to the second.

    Raises:
        ValueError: it has no zone.
    """
    if instant.utcoffset() is None:
        raise ValueError("an instant without a zone could be any of a day's")
    return {"dateTime": f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}


def read_schedules(listed: object, users: Sequence[str], starts_at: datetime) -> Mapping[str, list[Busy] | None]:
    """What Graph says about each of these people, from the list in its answer.

    Args:
        starts_at: of the time that was asked about.
    """
    said = {
        str(each.get("scheduleId", "")).lower(): each
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict)
    }
    return {user: _read_schedule(said.get(user.lower()), starts_at) for user in users}


def _read_schedule(schedule: Mapping[str, Any] | None, starts_at: datetime) -> list[Busy] | None:
    """None where there is an error, or nothing that could be understood: unknown is not free."""
    if schedule is None or schedule.get("error"):
        return None
    items, view = schedule.get("scheduleItems"), schedule.get("availabilityView")
    if isinstance(items, list) and (items or not isinstance(view, str)):
        try:
            return [Busy(_instant(each["start"]), _instant(each["end"]), str(each.get("status"))) for each in items]
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            return None
    if isinstance(view, str) and view:  # Outlook may share no more than this
        slot, begin = timedelta(minutes=SLOT), starts_at.astimezone(UTC)
        return [
            Busy(begin + at * slot, begin + (at + 1) * slot, _DIGITS.get(digit, "unknown"))
            for at, digit in enumerate(view)
            if digit != "0"
        ]
    return None


def _instant(said: Mapping[str, str]) -> datetime:
    """A time as Graph writes it: seven digits of a second and no offset, in UTC unless asked otherwise.

    Raises:
        ValueError: it is in another zone, or no time.
    """
    if said["timeZone"] not in {"UTC", "Etc/UTC", "Etc/GMT", "tzone://Microsoft/Utc"}:
        raise ValueError("not in UTC")
    text = re.sub(r"(\.\d{6})\d+", r"\1", said["dateTime"].removesuffix("Z"))
    instant = datetime.fromisoformat(text)
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
