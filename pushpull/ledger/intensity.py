"""How hard a campaign pushes (mission D9): less as more learners come by themselves, with hysteresis.

A ladder of three rungs, looked at once a week. A rung is left upwards when the pull share stood at its upper threshold
or over it for two weeks running, and downwards when it stood at the lower one or under it for two weeks running; both
weeks must have been lived on the rung it is on. Between the two thresholds nothing moves, so that noise around one of
them does not make the campaign switch from week to week.

The share itself is computed in :mod:`pushpull.insights.pull`. What a rung forbids is SQL, joined by
:mod:`pushpull.ledger.eligibility`; it never touches pulls, obligations or service messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection, FromClause, select

from pushpull.db import insert_into, rows_written
from pushpull.learners.tables import activity
from pushpull.ledger import timing
from pushpull.ledger.tables import campaign, intensity
from pushpull.ledger.terms import Among, Terms
from pushpull.ledger.visits import visits, was_there, zones_of
from pushpull.ledger.vocabulary import MessageClass, Touch

#: Days back in which a learner who came needs no push.
LOOK_BACK: Final = timedelta(days=14)
#: Weeks that must agree before a rung is left.
WEEKS_RUNNING: Final = 2


class Rung(IntEnum):
    """How hard a campaign pushes."""

    FULL = 0  # as the file is written
    EASED = 1  # no push to learners who came by themselves in the last 14 days
    LIGHT = 2  # push only to learners who were not there at all in the last 14 days


RUNG_WORDS: Mapping[Rung, str] = {Rung.FULL: "full", Rung.EASED: "eased", Rung.LIGHT: "light"}


class RungThresholds(BaseModel):
    """When a rung is entered and left: shares, 0 to 1, of the visits that no message caused.

    Args:
        up: this and more, two weeks running, enters it.
        down: this and less, two weeks running, leaves it again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    up: float = Field(gt=0, le=1)
    down: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _leaves_a_gap(self) -> RungThresholds:
        if self.down >= self.up:
            raise ValueError("`down` must be under `up`: the gap between them keeps it from switching back and forth")
        return self


class IntensityRules(BaseModel):
    """The ladder of a campaign.

    Args:
        eased, light: the thresholds of the two upper rungs.
        least_visits: a week with fewer visits says nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    eased: RungThresholds = RungThresholds(up=0.5, down=0.35)
    light: RungThresholds = RungThresholds(up=0.7, down=0.55)
    least_visits: int = Field(50, ge=5)

    @model_validator(mode="after")
    def _rungs_are_in_order(self) -> IntensityRules:
        if not (self.light.up > self.eased.up and self.light.down > self.eased.down):
            raise ValueError("`light` must have higher thresholds than `eased`")
        return self


@dataclass(frozen=True, slots=True)
class Week:
    """Visits of one week.

    Args:
        begins: its Monday, in the campaign's zone.
        unprompted: of the visits, those that no message caused.
    """

    begins: date
    visits: int
    unprompted: int

    @property
    def share(self) -> float | None:
        """The pull share, 0 to 1; None without visits."""
        return self.unprompted / self.visits if self.visits else None


@dataclass(frozen=True, slots=True)
class Held:
    """The rung a campaign stands on.

    Args:
        since: the Monday from which it has held without a change; None: from the start.
    """

    rung: Rung = Rung.FULL
    since: date | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """What a week's look came to.

    Args:
        week: the Monday from which it holds.
        weeks: those it was decided from.
        why: in words.
    """

    week: date
    rung: Rung
    weeks: tuple[Week, ...]
    why: str


def monday_of(as_of: datetime, timezone: str) -> date:
    """The Monday of the local week of an instant."""
    day = timing.local_day(as_of, timezone)
    return day - timedelta(days=day.weekday())


def decide(rules: IntensityRules, held: Held, weeks: Sequence[Week], *, week: date) -> Decided:
    """Decide the rung of a week.

    Args:
        weeks: the two whole weeks before it, in order.
        week: the Monday from which the decision holds.
    """
    looked_at = tuple(weeks)[-WEEKS_RUNNING:]
    thin = [each for each in looked_at if each.visits < rules.least_visits]
    if len(looked_at) < WEEKS_RUNNING or thin:
        return Decided(week, held.rung, looked_at, f"fewer than {rules.least_visits} visits in a week: nothing is told")
    if held.since is not None and looked_at[0].begins < held.since:
        return Decided(week, held.rung, looked_at, "it stands on this rung for less than two weeks")
    shares = [each.unprompted / each.visits for each in looked_at]
    said = " and ".join(f"{each:.0%}" for each in shares)
    above = {Rung.FULL: rules.eased, Rung.EASED: rules.light}.get(held.rung)
    below = {Rung.EASED: rules.eased, Rung.LIGHT: rules.light}.get(held.rung)
    if above is not None and min(shares) >= above.up:
        return Decided(week, Rung(held.rung + 1), looked_at, f"{said} came unasked: {above.up:.0%} and more, twice")
    if below is not None and max(shares) <= below.down:
        return Decided(week, Rung(held.rung - 1), looked_at, f"{said} came unasked: {below.down:.0%} and less, twice")
    return Decided(week, held.rung, looked_at, f"{said} came unasked: between the thresholds, or not twice")


def rules_of(definition: Mapping[str, object]) -> IntensityRules | None:
    """The ladder a campaign's file asks for; None where it asks for none."""
    asked = definition.get("intensity")
    return None if asked is None else IntensityRules.model_validate(asked)


def held(connection: Connection, campaign_id: int, *, before: date) -> Held:
    """The rung a campaign stood on in the last week that was decided before a Monday."""
    rows = connection.execute(
        select(intensity.c.week, intensity.c.rung)
        .where(intensity.c.campaign_id == campaign_id, intensity.c.week < before)
        .order_by(intensity.c.week.desc())
    ).all()
    if not rows:
        return Held()
    since = None
    for row in rows:
        if row.rung != rows[0].rung:
            break
        since = row.week
    else:
        since = None if rows[0].rung == Rung.FULL else since
    return Held(Rung(rows[0].rung), since)


def note(connection: Connection, campaign_id: int, decided: Decided, *, at: datetime) -> bool:
    """Keep a decision; a week that was decided stays as it is.

    Returns:
        Whether it is new.
    """
    kept = connection.execute(
        insert_into(connection, intensity)
        .values(
            campaign_id=campaign_id,
            week=decided.week,
            rung=decided.rung.value,
            visits=sum(each.visits for each in decided.weeks),
            unprompted=sum(each.unprompted for each in decided.weeks),
            why=decided.why,
            decided_at=at,
        )
        .on_conflict_do_nothing()
    )
    return rows_written(connection, kept) > 0


def rung_at(connection: Connection, campaign_id: int, *, as_of: datetime) -> Rung:
    """The rung that holds at an instant; full where the campaign's file asks for no ladder."""
    definition = connection.execute(select(campaign.c.definition).where(campaign.c.id == campaign_id)).scalar_one()
    if rules_of(definition) is None:
        return Rung.FULL
    found = connection.execute(
        select(intensity.c.rung)
        .where(intensity.c.campaign_id == campaign_id, intensity.c.decided_at <= as_of)
        .order_by(intensity.c.week.desc())
        .limit(1)
    ).scalar_one_or_none()
    return Rung(found or 0)


def needs_no_push(connection: Connection, rules: Terms, *, among: Among | None) -> FromClause | None:
    """``came(learner_id)``: the learners whom the campaign's rung keeps this wave from; None: nobody.

    Args:
        among: only these learners; None: all.
    """
    spec = rules.spec
    if spec.touch is not Touch.PUSH or spec.message_class is not MessageClass.NUDGE or not rules.item_ids:
        return None
    rung = rung_at(connection, rules.campaign_id, as_of=rules.as_of)
    if rung is Rung.FULL:
        return None
    if rung is Rung.LIGHT:
        there = (
            select(activity.c.learner_id)
            .where(was_there(rules.item_ids, since=rules.as_of - LOOK_BACK, until=rules.as_of))
            .distinct()
        )
        return (there if among is None else there.where(among(activity.c.learner_id))).subquery("came")
    today = timing.local_day(rules.as_of, spec.timezone)
    days = [today + timedelta(days=number) for number in range(1 - LOOK_BACK.days, 2)]
    visit = visits(
        zones_of(connection),
        campaign_id=rules.campaign_id,
        item_ids=rules.item_ids,
        days=days,
        timezone=spec.timezone,
        as_of=rules.as_of,
        among=among,
    )
    return select(visit.c.learner_id).where(visit.c.is_caused == 0).distinct().subquery("came")
