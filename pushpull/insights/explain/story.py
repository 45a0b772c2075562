"""The explanation as a value, and how it reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from textwrap import wrap
from typing import Any
from zoneinfo import ZoneInfo

_WIDTH = 112
_INDENT = " " * 18


class EntryKind(StrEnum):
    """What an entry of a path is about."""

    LIFECYCLE = "lifecycle"
    SENT = "sent"
    FAILED = "failed"  # refused, parked, or its outcome is not known yet
    SKIPPED = "skipped"
    NOT_IN_AUDIENCE = "not_in_audience"
    CAME_BACK = "came_back"
    ACTIVITY = "activity"
    CONSENT = "consent"
    WAITING = "waiting"
    UPCOMING = "upcoming"


@dataclass(frozen=True)
class Entry:
    """One thing that happened, did not happen, or will.

    Args:
        at: when (UTC).
        title: in a line.
        details: further sentences.
        wave: the wave's key, where it is about one.
        data: the same for programs; JSON can hold it.
    """

    at: datetime
    kind: EntryKind
    title: str
    details: tuple[str, ...] = ()
    wave: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def series(self) -> str | None:
        """The wave without its occurrence."""
        return None if self.wave is None else self.wave.partition("@")[0]


@dataclass(frozen=True)
class Explanation:
    """A learner's path through a campaign.

    Args:
        learner: external id.
        zone: IANA zone of the local times.
        zone_is_known: False where the campaign's zone stands in for an unknown one.
        arm: the side of the experiment.
        arm_words: which rule put the learner there.
        state: the lifecycle now; ``since`` is None without any event.
        campaign_words: set when nothing is sent at the moment, and why.
        entries: the past, in the order of time.
        next: what is planned, in the order of time.
    """

    learner: str
    campaign_key: str
    campaign_name: str
    as_of: datetime
    zone: str
    zone_is_known: bool
    arm: str
    arm_words: str
    state: str
    since: datetime | None
    campaign_words: str | None
    entries: tuple[Entry, ...]
    next: tuple[Entry, ...]

    def as_data(self) -> dict[str, Any]:
        """The whole as plain data that JSON can hold."""
        return {
            "learner": self.learner,
            "campaign": self.campaign_key,
            "as_of": self.as_of.isoformat(),
            "zone": self.zone,
            "zone_is_known": self.zone_is_known,
            "arm": {"name": self.arm, "why": self.arm_words},
            "lifecycle": {"state": self.state, "since": self.since.isoformat() if self.since else None},
            "campaign_status": self.campaign_words,
            "entries": [_entry_data(each) for each in self.entries],
            "next": [_entry_data(each) for each in self.next],
        }

    def as_text(self) -> str:
        """The whole for a terminal; times are the learner's own."""
        stand_in = "" if self.zone_is_known else " (the learner's own is unknown)"
        since = f", since {self._moment(self.since)}" if self.since else ""
        lines = [
            f"{self.learner} in {self.campaign_name} ({self.campaign_key})",
            f"as of {self._moment(self.as_of)}, local times of {self.zone}{stand_in}",
            "",
            *wrap(self.arm_words, _WIDTH),
            f"Now {self.state.replace('_', ' ')}{since}.",
        ]
        if self.campaign_words:
            lines.append(self.campaign_words)
        lines += ["", "What happened", *self._told(folded(self.entries))]
        if not self.entries:
            lines.append("  Nothing yet.")
        lines += ["", "What comes next", *self._told(folded(self.next))]
        if not self.next:
            lines.append("  Nothing is planned for the learner.")
        return "\n".join(lines) + "\n"

    def _told(self, entries: Iterable[Entry]) -> list[str]:
        lines = []
        for entry in entries:
            lines += wrap(
                entry.title, _WIDTH, initial_indent=f"  {self._moment(entry.at)}  ", subsequent_indent=_INDENT
            )
            for detail in entry.details:
                lines += wrap(detail, _WIDTH, initial_indent=_INDENT + "  ", subsequent_indent=_INDENT + "  ")
        return lines

    def _moment(self, at: datetime) -> str:
        return f"{at.astimezone(ZoneInfo(self.zone)):%a %d %b %H:%M}"


def folded(entries: Iterable[Entry]) -> list[Entry]:
    """The entries with runs of the same absence from one series told once, with how many waves it was."""
    told: list[Entry] = []
    runs: dict[str, tuple[int, int]] = {}  # by series: the place of the run's entry, and how long it is
    for entry in entries:
        series = entry.series
        if entry.kind is not EntryKind.NOT_IN_AUDIENCE or series is None:
            if series is not None:
                runs.pop(series, None)
            told.append(entry)
            continue
        run = runs.get(series)
        if run is not None and told[run[0]].data.get("rules") == entry.data.get("rules"):
            place, length = run[0], run[1] + 1
            first = told[place]
            title = f"{series}, {length} waves up to {entry.data['on']}: not for this learner"
            told[place] = Entry(first.at, first.kind, title, first.details, first.wave, first.data)
            runs[series] = (place, length)
        else:
            runs[series] = (len(told), 1)
            told.append(entry)
    return told


def _entry_data(entry: Entry) -> dict[str, Any]:
    return {
        "at": entry.at.isoformat(),
        "kind": entry.kind.value,
        "title": entry.title,
        "details": list(entry.details),
        "wave": entry.wave,
        **({"data": dict(entry.data)} if entry.data else {}),
    }
