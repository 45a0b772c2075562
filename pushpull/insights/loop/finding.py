"""Findings: what a look at the numbers turned up, what it suggests, and how to see whether that helped.

A finding is a value; `insights` keeps it and `proposals` what it suggests. How the change is written into the
campaign's file is for `content.campaign.changing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pushpull.insights.loop.vocabulary import InsightKind

#: What a setting of a campaign's file may become.
Scalar = str | int | float | bool
Value = Scalar | tuple[Scalar, ...] | Mapping[str, Scalar] | None


@dataclass(frozen=True, slots=True)
class Setting:
    """One place of a campaign's file and what it is set to.

    Args:
        place: names of fields, joined by dots; waves, goals and experiments by their keys:
            ``stages.launch.waves.reminder.hour``, ``intensity.eased.up``.
        to: the new value. Where the place is not in the file, it is added; what leads to it must be. None: the place is
            taken out.
    """

    place: str
    to: Value


@dataclass(frozen=True, slots=True)
class Change:
    """Settings that belong together, in words.

    Args:
        why: one sentence, for whoever decides.
    """

    settings: tuple[Setting, ...]
    why: str

    def as_json(self) -> dict[str, object]:
        """As it is stored."""
        plain = [{"place": each.place, "to": _plain(each.to)} for each in self.settings]
        return {"settings": plain, "why": self.why}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Change:
        """What :meth:`as_json` stored."""
        settings = stored["settings"]
        assert isinstance(settings, list)
        return cls(tuple(Setting(each["place"], _value(each["to"])) for each in settings), str(stored["why"]))


class MetricKind(StrEnum):
    """What is compared before and after a change; each is a share of people."""

    ANSWERED = "answered"  # of the learners a series reached, those who followed a link or were there within 3 days
    CAME_UNASKED = "came unasked"  # of all visits, those that no message caused
    OPTED_OUT = "opted out"  # of the learners the campaign reached, those who opted out or complained: less is better


@dataclass(frozen=True, slots=True)
class Metric:
    """What shows whether a change helped.

    Args:
        of: the series it is about, e.g. ``launch.reminder``; empty: the whole campaign.
    """

    kind: MetricKind
    of: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.of}" if self.of else self.kind.value

    @classmethod
    def of_text(cls, text: str) -> Metric:
        """What ``str`` wrote."""
        kind, _, of = text.partition(": ")
        return cls(MetricKind(kind), of)


@dataclass(frozen=True)
class Found:
    """One finding.

    Args:
        subject: what it is about, the same at every look: a series, a section, ``campaign``. At most 255 characters.
        headline: one sentence with its numbers, for people; no names, no group smaller than five.
        evidence: the numbers, as JSON.
        change: what it suggests; None where there is nothing in a campaign's file to be changed.
        metric: how to see whether that helped; None where there is no change.
    """

    kind: InsightKind
    subject: str
    headline: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    change: Change | None = None
    metric: Metric | None = None


def _plain(value: Value) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _value(stored: object) -> Value:
    if isinstance(stored, list):
        return tuple(stored)
    assert stored is None or isinstance(stored, (str, int, float, bool, dict))
    return stored
