"""Dates, durations and reasons on pages, said as the messages say them: the phrases are those of the content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import content
from content.locale import Locale, load_locale
from content.source import ContentError
from content.trend import live_trends
from pushpull.ledger.timing import known
from pushpull.settings import Settings

_OWN_CONTENT = Path(content.__file__).parent


@dataclass(frozen=True, slots=True)
class Phrases:
    """How one learner is told of days, times and reasons.

    Args:
        topics: titles of trends by their tags.
        zone: the learner's, a name that clocks know.
    """

    locale: Locale
    topics: dict[str, str]
    zone: str

    def day(self, instant: datetime) -> str:
        """The local date of an instant, without the year."""
        return self.locale.day(self._local(instant).date())

    def moment(self, instant: datetime) -> str:
        """The local date of an instant, and the time of day."""
        return f"{self.day(instant)}, {self._local(instant):%H:%M}"

    def reason(self, kind: str, value: str | None) -> str:
        """Why an item was picked; empty for a reason that has no words."""
        return self.locale.reason(kind, value, self.topics)

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(ZoneInfo(self.zone))


def phrases_in(language: str, settings: Settings, *, zone: str, now: datetime) -> Phrases:
    """The phrases for a learner.

    Args:
        language: one that pages are written in.
        zone: the learner's; the organisation's takes its place where clocks do not know it.
        now: UTC; trends are those of the day.
    """
    here = zone if known(zone) else settings.timezone
    today = now.astimezone(ZoneInfo(here)).date()
    return Phrases(locale_of(language, settings.content_dir), topics_on(language, settings.content_dir, today), here)


@lru_cache(maxsize=16)
def locale_of(language: str, content_dir: Path) -> Locale:
    """The phrases of messages; where the installation's content has none that can be read, our own."""
    try:
        return load_locale(language, content_dir)
    except ContentError:
        return load_locale(language, _OWN_CONTENT)


@lru_cache(maxsize=16)
def topics_on(language: str, content_dir: Path, today: date) -> dict[str, str]:
    """The titles of the trends that are on, by their tags."""
    try:
        trends = live_trends(content_dir, today)
    except ContentError:
        return {}
    titled = [(trend, trend.words[language].title) for trend in trends if language in trend.words]
    return {tag: title for trend, title in titled for tag in (*trend.tags, trend.key)}
