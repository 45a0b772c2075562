"""What an experiment asks, as a campaign file says it and as the ledger keeps it with the campaign.

Nothing here looks at what happened.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection, select

from pushpull.ledger.tables import campaign

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Variant = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=32)]


class Metric(StrEnum):
    """What counts as a success of a message, within so many days of it."""

    CLICKED = "clicked"  # a person followed a link of this very message
    STARTED = "started"  # learned something on the campaign's items
    COMPLETED = "completed"  # completed all of the campaign's items


class Allocation(StrEnum):
    """How learners come to their variant."""

    FIXED = "fixed"  # by the wave's weights; whoever has a variant keeps it
    THOMPSON = "thompson"  # by lot for each message, a variant the more often the better it has done


class Wait(BaseModel):
    """A length of time after the campaign's start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weeks: int = Field(0, ge=0, le=104)
    days: int = Field(0, ge=0, le=730)

    @property
    def length(self) -> timedelta:
        """Both together."""
        return timedelta(weeks=self.weeks, days=self.days)


class Guardrails(BaseModel):
    """Shares of a variant's accepted messages above which the experiment is stopped, once enough were sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: int = Field(100, ge=1)
    opt_outs: float = Field(0.02, gt=0, le=1)
    complaints: float = Field(0.001, gt=0, le=1)
    failures: float = Field(0.10, gt=0, le=1)


class ExperimentPlan(BaseModel):
    """One experiment.

    Args:
        key: unique in the campaign; another key draws its lots anew.
        hypothesis: what is expected, and why, in words.
        wave: its series, ``stage.wave``.
        metric: what counts.
        within_days: how long after the message it counts.
        variants: those of the wave; the first is what the others are compared with.
        decides_on: the day of the verdict, local in the campaign's zone.
        decides_after: or so long after the campaign's start.
        min_effect: the smallest difference that would matter, as a fraction of 1.
        guardrails: what stops it.
        allocation: how learners come to their variant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    key: Name
    hypothesis: str = Field(min_length=1, max_length=500)
    wave: str = Field(min_length=1, max_length=140)
    metric: Metric
    within_days: int = Field(7, ge=1, le=90)
    variants: tuple[Variant, ...] = Field(min_length=2, max_length=8)
    decides_on: date | None = None
    decides_after: Wait | None = None
    min_effect: float = Field(0.02, gt=0, lt=1)
    guardrails: Guardrails = Guardrails()
    allocation: Allocation = Allocation.FIXED

    @model_validator(mode="after")
    def _is_decided_once(self) -> ExperimentPlan:
        if (self.decides_on is None) == (self.decides_after is None):
            raise ValueError("needs exactly one of `decides_on` and `decides_after`")
        if len(set(self.variants)) != len(self.variants):
            raise ValueError("names a variant twice")
        return self

    @property
    def control(self) -> str:
        """The variant the others are compared with."""
        return self.variants[0]

    def decision_day(self, start: date) -> date:
        """The local day of the verdict, for a campaign that starts on ``start``."""
        if self.decides_on is not None:
            return self.decides_on
        return start + (self.decides_after.length if self.decides_after else timedelta())

    def lot(self, on: date) -> str:
        """What the split is drawn by: the experiment, and for a lot per message the day too.

        A learner keeps their variant for as long as the weights stay. Where the weights follow what happened, each
        message is a draw of its own, so that the weights of its wave are its true chances.
        """
        return self.key if self.allocation is Allocation.FIXED else f"{self.key}@{on.isoformat()}"


def experiments_of(connection: Connection, campaign_id: int) -> tuple[ExperimentPlan, ...]:
    """The experiments of a campaign, as its file said them when it was last loaded, in its order."""
    definition = connection.execute(select(campaign.c.definition).where(campaign.c.id == campaign_id)).scalar_one()
    return tuple(ExperimentPlan.model_validate(each) for each in definition.get("experiments") or ())
