"""How each language writes dates, durations, greetings and the fixed phrases around a message (`locale/*.yaml`).

No locale of the operating system is asked, so that a message reads the same on every machine.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from content.source import ContentError, ContentModel, Problem, parse, read_yaml

ReasonKind = Literal["goal", "need", "trend", "together", "colleagues", "popular", "short"]


class Relative(ContentModel):
    """Days from now; ``{n}`` stands for the number, which is 2 or more."""

    today: str
    tomorrow: str
    yesterday: str
    in_days: str = Field(pattern=r"\{n\}")
    days_ago: str = Field(pattern=r"\{n\}")


class Reason(ContentModel):
    """Why an item was picked: with what it is about (``{value}``), and without."""

    about: str = Field(pattern=r"\{value\}")
    plain: str


class Greeting(ContentModel):
    """The salutation, with the given name (``{name}``) and without one."""

    named: str = Field(pattern=r"\{name\}")
    plain: str


class StartBlock(ContentModel):
    """The "start in 60 seconds" block (mission L5)."""

    title: str
    steps: tuple[str, ...] = Field(min_length=1, max_length=4)


class Footer(ContentModel):
    """The lines under a message."""

    why: str
    preferences: str
    unsubscribe: str


class Locale(ContentModel):
    """What a language needs beside a message's own words.

    Args:
        date: with ``{weekday}``, ``{day}`` and ``{month}``.
        minutes, hours, hours_minutes: with ``{m}`` and ``{h}``.
        formats: the catalogue's formats as people read them.
        open_item: the words on an item's own link.
        sms_stop: how a text message says that one can opt out.
    """

    language: str
    months: tuple[str, ...] = Field(min_length=12, max_length=12)
    weekdays: tuple[str, ...] = Field(min_length=7, max_length=7)
    date: str
    minutes: str
    hours: str
    hours_minutes: str
    relative: Relative
    greeting: Greeting
    reasons: dict[ReasonKind, Reason]
    formats: dict[str, str]
    start_block: StartBlock
    footer: Footer
    open_item: str
    sms_stop: str

    def day(self, value: datetime.date) -> str:
        """A date with its weekday, without the year."""
        return (
            self.date.replace("{weekday}", self.weekdays[value.weekday()])
            .replace("{day}", str(value.day))
            .replace("{month}", self.months[value.month - 1])
        )

    def duration(self, minutes: float | None) -> str:
        """A duration in whole minutes, rounded up; empty when it is unknown.

        Args:
            minutes: None is unknown, not zero.
        """
        if minutes is None or not math.isfinite(minutes) or minutes <= 0:
            return ""
        hours, rest = divmod(math.ceil(minutes), 60)
        shape = self.minutes if not hours else self.hours_minutes if rest else self.hours
        return shape.replace("{h}", str(hours)).replace("{m}", str(rest))

    def from_now(self, days: int | None) -> str:
        """How far away a day is: today, in 3 days, 2 days ago; empty when unknown."""
        if days is None:
            return ""
        near = {0: self.relative.today, 1: self.relative.tomorrow, -1: self.relative.yesterday}
        if days in near:
            return near[days]
        return (self.relative.in_days if days > 0 else self.relative.days_ago).replace("{n}", str(abs(days)))

    def reason(self, kind: str, value: str | None, topics: Mapping[str, str]) -> str:
        """Why an item was picked, as a sentence; empty for a reason that has no words.

        Args:
            value: what the reason is about: the goal's or need's words, the trend's tag, the title of
                something finished, a department, a number of people, minutes; None when nothing more is known.
            topics: the titles of trends by their tags.
        """
        words = next((words for known, words in self.reasons.items() if known == kind), None)
        if words is None:
            return ""
        if value and kind == "trend":
            value = topics.get(value)
        elif value and kind == "short":
            value = self.duration(_number(value))
        elif value and kind == "popular" and not value.isdecimal():
            value = None
        return words.about.replace("{value}", value) if value else words.plain


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def load_locale(language: str, content_dir: Path) -> Locale:
    """The phrases of a language; of the language alone (``de``) where its region (``de-AT``) has none of its own.

    Raises:
        ContentError: there are none, or the file is wrong.
    """
    folder = content_dir / "locale"
    for name in (language, language.split("-", maxsplit=1)[0]):
        path = folder / f"{name}.yaml"
        if path.is_file():
            source = read_yaml(path)
            locale = parse(source, Locale)
            missing = {"goal", "need", "trend", "colleagues", "popular", "short"} - set(locale.reasons)
            if missing:
                text = f"has no words for {', '.join(sorted(missing))}"
                raise ContentError([source.problem(("reasons",), text)])
            return locale
    known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml"))) or "none"
    raise ContentError([Problem(folder / f"{language}.yaml", 1, "", f"no phrases for {language!r}; known: {known}")])
