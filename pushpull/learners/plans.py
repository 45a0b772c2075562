"""If-then plans: "when this comes, I do that". A learner makes them on their page, and ends them there.

A plan that names its cue and the first thing to do is carried out far more often than a good intention (mission H3).
What is done is two minutes long; a plan never asks for more. Source: P. M. Gollwitzer, "Implementation intentions:
strong effects of simple plans", American Psychologist 54 (7), 1999, pages 493-503.

What lives here are the plans themselves. When somebody is reminded of one is a campaign's matter
(:mod:`pushpull.ledger.cues`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from pushpull.catalogue.tables import item
from pushpull.learners.consent import lock_learner
from pushpull.learners.tables import cue_plan, progress
from pushpull.learners.vocabulary import Cue

#: More plans than these are none.
MOST_OPEN: Final = 5
#: Characters of a cue in the learner's own words.
LONGEST_CUE: Final = 120
#: A list to choose from; a longer one is none.
MOST_CHOICES: Final = 40
#: Minutes of a day that a clock can show.
_DAY_MINUTES: Final = 24 * 60
_ALL_WEEK: Final = (1 << 7) - 1


class PlanError(ValueError):
    """A plan that cannot be; the text says what to do, the field where.

    Args:
        field: ``cue_text``, ``weekdays``, ``at_minute``, ``item_id`` or ``plans`` (there are too many).
    """

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True, slots=True)
class Plan:
    """What a learner wants to do when something comes.

    Args:
        cue: what it waits for.
        cue_text: in the learner's words where the cue is their own; else empty.
        item_id: what they open; None is whatever is next.
        at_minute: minute of the local day at which the cue usually comes; None where nobody knows.
        weekdays: bit n is weekday n, Monday is 0; at least one.
        reminds: whether they want to be reminded then; needs ``at_minute``.

    Raises:
        PlanError: these do not go together.
    """

    cue: Cue
    cue_text: str = ""
    item_id: int | None = None
    at_minute: int | None = None
    weekdays: int = 0b0011111
    reminds: bool = False

    def __post_init__(self) -> None:
        if self.cue is Cue.OWN and not self.cue_text.strip():
            raise PlanError("cue_text", "say in your own words when it is")
        if len(self.cue_text) > LONGEST_CUE or not self.cue_text.isprintable():
            raise PlanError("cue_text", f"one line of at most {LONGEST_CUE} characters")
        if not 0 < self.weekdays <= _ALL_WEEK:
            raise PlanError("weekdays", "choose at least one day")
        if self.at_minute is not None and not 0 <= self.at_minute < _DAY_MINUTES:
            raise PlanError("at_minute", "a time of the day")
        if self.reminds and self.at_minute is None:
            raise PlanError("at_minute", "a reminder needs a time")

    def is_on(self, weekday: int) -> bool:
        """Whether it is for this weekday, Monday is 0."""
        return bool(self.weekdays >> weekday & 1)


@dataclass(frozen=True, slots=True)
class OpenPlan:
    """A plan that has not been ended.

    Args:
        title: of what they open; empty for whatever is next.
    """

    id: int
    plan: Plan
    title: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Something a plan or an entry in the calendar can be about.

    Args:
        minutes: how long it takes; None is unknown.
        url: where it is.
        changed_at: when any of this last changed.
    """

    item_id: int
    title: str
    minutes: float | None
    url: str
    changed_at: datetime


def open_plans(connection: Connection, learner_id: int) -> tuple[OpenPlan, ...]:
    """A learner's plans, the oldest first."""
    rows = connection.execute(
        select(cue_plan, item.c.title)
        .select_from(cue_plan.outerjoin(item, item.c.id == cue_plan.c.item_id))
        .where(cue_plan.c.learner_id == learner_id, cue_plan.c.ended_at.is_(None))
        .order_by(cue_plan.c.id)
    )
    return tuple(OpenPlan(row.id, _plan(row), row.title or "") for row in rows)


def add(connection: Connection, learner_id: int, plan: Plan, *, at: datetime) -> int:
    """Make a plan; the very same one again is the one that is there.

    Returns:
        Its id.

    Raises:
        PlanError: there are :data:`MOST_OPEN` already.
        UnknownLearner: there is no such learner.
    """
    lock_learner(connection, learner_id)  # two forms sent at once are one after the other
    there = open_plans(connection, learner_id)
    if same := next((each.id for each in there if each.plan == plan), None):
        return same
    if len(there) >= MOST_OPEN:
        raise PlanError("plans", f"end one of your {MOST_OPEN} plans first")
    made = connection.execute(insert(cue_plan).values(learner_id=learner_id, made_at=at, **_columns(plan)))
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key[0])


def change(connection: Connection, learner_id: int, plan_id: int, plan: Plan) -> bool:
    """Make another plan of one's own open one; False where there is none of that id."""
    return _update(connection, learner_id, plan_id, **_columns(plan))


def end(connection: Connection, learner_id: int, plan_id: int, *, at: datetime) -> bool:
    """End one's own plan; False where there is no open one of that id."""
    return _update(connection, learner_id, plan_id, ended_at=at)


def choices(
    connection: Connection, learner_id: int, *, also: Collection[int] = (), now: datetime
) -> tuple[Choice, ...]:
    """What a learner can choose to open: what they were given or began and have not completed.

    Args:
        also: further items that are offered to them, such as those of the campaign they came by.

    Returns:
        At most :data:`MOST_CHOICES`: what they began comes first, and of that the latest.
    """
    rows = connection.execute(
        select(item.c.id, item.c.title, item.c.minutes, item.c.url, item.c.updated_at)
        .select_from(
            item.outerjoin(progress, and_(progress.c.item_id == item.c.id, progress.c.learner_id == learner_id))
        )
        .where(
            or_(progress.c.item_id.is_not(None), item.c.id.in_(also)),
            progress.c.completed_at.is_(None),
            progress.c.withdrawn_at.is_(None),
            item.c.active,
            item.c.url.is_not(None),
            or_(item.c.available_from.is_(None), item.c.available_from <= now),
            or_(item.c.available_until.is_(None), item.c.available_until > now),
        )
        .order_by(progress.c.started_at.is_(None), func.coalesce(progress.c.last_activity_at, now).desc(), item.c.id)
        .limit(MOST_CHOICES)
    )
    return tuple(Choice(row.id, row.title, row.minutes, row.url, row.updated_at) for row in rows)


def _update(connection: Connection, learner_id: int, plan_id: int, **values: object) -> bool:
    mine = and_(cue_plan.c.id == plan_id, cue_plan.c.learner_id == learner_id, cue_plan.c.ended_at.is_(None))
    return connection.execute(update(cue_plan).where(mine).values(**values)).rowcount == 1


def _columns(plan: Plan) -> dict[str, object]:
    return {
        "cue": plan.cue.value,
        "cue_text": plan.cue_text.strip() or None,
        "item_id": plan.item_id,
        "at_minute": plan.at_minute,
        "weekdays": plan.weekdays,
        "reminds": plan.reminds,
    }


def _plan(row: Row[tuple[object, ...]]) -> Plan:
    return Plan(Cue(row.cue), row.cue_text or "", row.item_id, row.at_minute, row.weekdays, row.reminds)
