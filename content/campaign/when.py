"""On which days a wave is sent, as a campaign file says it. Which days those are is worked out in `calendar`."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from content.source import ContentModel

Weeks = Annotated[int, Field(ge=1, le=104)]


class Weekday(StrEnum):
    """Days of the week as authors write them."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"

    @property
    def number(self) -> int:
        """Monday is 0."""
        return tuple(Weekday).index(self)


class Span(ContentModel):
    """A length of time."""

    weeks: int = Field(0, ge=0, le=104)
    days: int = Field(0, ge=0, le=730)
    hours: int = Field(0, ge=0, le=720)

    @property
    def length(self) -> timedelta:
        """All of it together."""
        return timedelta(weeks=self.weeks, days=self.days, hours=self.hours)


class DayOffset(ContentModel):
    """A day counted from the campaign's start; day 0 is the start itself."""

    weeks: int = Field(0, ge=0, le=104)
    days: int = Field(0, ge=0, le=730)

    @property
    def length(self) -> timedelta:
        """All of it together."""
        return timedelta(weeks=self.weeks, days=self.days)


class When(ContentModel):
    """On which days a wave is sent; exactly one way of saying it.

    Args:
        after_start: once, so many weeks and days after the campaign's start.
        weekly: on these weekdays, every week …
        every_weeks: … or every so many weeks.
        inactive_days: every working day, to learners silent for so many days …
        inactive_rhythm: … and for so many times their own usual gap, where that is known.
        working_days_from_due: every working day, to learners so many working days before (negative) or after their
            own due date.
        daily: every working day.
        daily_goal: every working day, to learners who asked for a daily nudge, until the day's two minutes are done;
            none on their rest days, fewer and then none as they learn without it or do not answer (missions H1, H2).
        at_cue: every working day, to learners whose own if-then plan reminds them, when its cue comes (mission H3).
        from_week, until_week: narrows a repeated wave to weeks of the campaign; the first is 1, both are included.
    """

    after_start: DayOffset | None = None
    weekly: tuple[Weekday, ...] | None = Field(None, min_length=1)
    every_weeks: int = Field(1, ge=1, le=26)
    inactive_days: float | None = Field(None, gt=0, le=365)
    inactive_rhythm: float | None = Field(None, gt=0, le=20)
    working_days_from_due: int | None = Field(None, ge=-60, le=60)
    daily: bool = False
    daily_goal: bool = False
    at_cue: bool = False
    from_week: Weeks | None = None
    until_week: Weeks | None = None

    @property
    def is_about_inactivity(self) -> bool:
        """Whether silence is what sends it."""
        return self.inactive_days is not None or self.inactive_rhythm is not None

    @property
    def is_habit(self) -> bool:
        """Whether each learner's own day says who gets it: a daily nudge or a reminder at a cue."""
        return self.daily_goal or self.at_cue

    @model_validator(mode="after")
    def _is_said_once(self) -> When:
        ways = {
            "after_start": self.after_start is not None,
            "weekly": self.weekly is not None,
            "inactive_days / inactive_rhythm": self.is_about_inactivity,
            "working_days_from_due": self.working_days_from_due is not None,
            "daily": self.daily,
            "daily_goal": self.daily_goal,
            "at_cue": self.at_cue,
        }
        said = [way for way, is_said in ways.items() if is_said]
        if len(said) != 1:
            found = " and ".join(said) if said else "none"
            raise ValueError(f"needs exactly one of {', '.join(ways)}; found {found}")
        if self.weekly is None and self.every_weeks != 1:
            raise ValueError("every_weeks belongs to `weekly`")
        if self.after_start is not None and (self.from_week or self.until_week):
            raise ValueError("from_week and until_week belong to repeated waves, not to `after_start`")
        if self.from_week and self.until_week and self.from_week > self.until_week:
            raise ValueError(f"from_week {self.from_week} is after until_week {self.until_week}")
        return self
