"""The part of time that an import looks at, so that a replay never sees the future."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pushpull.importers.records import EVENT_FIELDS


@dataclass(frozen=True)
class Window:
    """The part of time that an import looks at: ``since <= instant < until``, both aware, None is open.

    Rows in which nothing happened within it are left out and counted as filtered. Of a progress row, what happens at
    ``until`` or later is not known yet and left empty, so that a replay never sees the future.
    """

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, instant: datetime) -> bool:
        """Whether the instant lies in the window."""
        return (self.since is None or instant >= self.since) and (self.until is None or instant < self.until)


def events_of(values: Mapping[str, Any]) -> Iterable[datetime]:
    """When something happened, by the fields of one row."""
    names = ("occurred_at",) if "occurred_at" in values else EVENT_FIELDS
    return [instant for name in names if (instant := values.get(name)) is not None]


def seen_through(window: Window, values: dict[str, Any]) -> bool:
    """Whether something of the row happened in the window; blanks what happens after it."""
    events = list(events_of(values))
    if not any(window.holds(instant) for instant in events):
        return False
    if "occurred_at" not in values and window.until is not None:
        later = [name for name in EVENT_FIELDS if values.get(name) is not None and values[name] >= window.until]
        for name in later:
            values[name] = None
        if later:
            values["status"] = None  # it may say what is not known yet; what the dates say remains
            values["score"] = values["ratio"] = None
    return True
