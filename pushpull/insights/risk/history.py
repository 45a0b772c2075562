"""What the database knows of a campaign's learners, as behaviour by day: who was there, what they did, how it ended.

Day 0 is the campaign's first one, by the UTC date. Nothing of who somebody is is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Select, Subquery, func, or_, select, union_all

from pushpull.catalogue.tables import item, section
from pushpull.insights.risk.behaviour import Behaviour
from pushpull.learners.lifecycle.events import utc_day
from pushpull.learners.tables import activity, learner, progress
from pushpull.learners.verbs import NOT_ACTIVE_VERBS
from pushpull.ledger.tables import campaign, campaign_item, delivery, wave

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: So many courses that are over are learned from, the latest ones.
MOST_COURSES: Final = 10


@dataclass(frozen=True, eq=False)
class Course:
    """One campaign's learners and what they did.

    Args:
        first_date: the date that is day 0.
        learner_ids: by their numbers in ``behaviour``.
        began, left, completed: per learner the day it happened; infinite where it did not.
        last_day: the campaign's last one.
    """

    campaign_id: int
    first_date: date
    learner_ids: tuple[int, ...]
    behaviour: Behaviour
    began: Floats
    left: Floats
    completed: Floats
    last_day: int

    def at_risk(self, day: int) -> NDArray[np.bool_]:
        """Whom a question at the end of a day is about: they had begun, and had neither completed nor left.

        Who had left before is no longer at risk: counting them would make foretelling look easier than it is.
        """
        return (self.began <= day) & (self.left > day) & (self.completed > day)

    def day_of(self, at: datetime) -> int:
        """Which day of the campaign an instant is on."""
        return _day(at, self.first_date)

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Who did not complete until the last day; known only when it is over."""
        return self.completed > self.last_day


def past_courses(connection: Connection, *, as_of: datetime) -> tuple[int, ...]:
    """Ids of the campaigns that are over and had something to complete, the latest first, :data:`MOST_COURSES`."""
    asks = select(campaign_item.c.campaign_id).where(campaign_item.c.campaign_id == campaign.c.id).exists()
    over = select(campaign.c.id).where(
        campaign.c.starts_at.is_not(None), campaign.c.ends_at <= as_of, campaign.c.status != "cancelled", asks
    )
    latest = over.order_by(campaign.c.ends_at.desc(), campaign.c.id.desc()).limit(MOST_COURSES)
    return tuple(connection.execute(latest).scalars())


def course_of(connection: Connection, campaign_id: int, *, as_of: datetime) -> Course | None:
    """What happened in a campaign until then; None where it has no days or nobody.

    Its learners are those who were given one of its items or were in the audience of one of its waves.
    """
    import numpy as np

    span = connection.execute(
        select(campaign.c.starts_at, campaign.c.ends_at).where(campaign.c.id == campaign_id)
    ).one_or_none()
    if span is None or span.starts_at is None or span.ends_at is None:
        return None
    zero = span.starts_at.date()
    begun = _begun(campaign_id, as_of)
    people = connection.execute(
        select(begun.c.learner_id, begun.c.at)
        .join(learner, learner.c.id == begun.c.learner_id)
        .where(or_(learner.c.active, span.ends_at <= as_of))
        .order_by(begun.c.learner_id)
    ).all()
    if not people:
        return None
    number = {row.learner_id: place for place, row in enumerate(people)}

    def days_of(rows: list[tuple[int, datetime]]) -> Floats:
        found = np.full(len(people), np.inf)
        for learner_id, at in rows:
            if learner_id in number:
                found[number[learner_id]] = _day(at, zero)
        return found

    return Course(
        campaign_id=campaign_id,
        first_date=zero,
        learner_ids=tuple(number),
        behaviour=_behaviour(connection, campaign_id, number, zero, as_of),
        began=days_of([(row.learner_id, row.at) for row in people]),
        left=days_of(_left(connection, campaign_id, as_of)),
        completed=days_of(_completed(connection, campaign_id, as_of)),
        # The end is the first instant that is no longer part of it.
        last_day=_day(span.ends_at - timedelta(microseconds=1), zero),
    )


def _items(campaign_id: int) -> Select[tuple[int]]:
    return select(campaign_item.c.item_id).where(campaign_item.c.campaign_id == campaign_id)


def _with_parts(campaign_id: int) -> Select[tuple[int]]:
    """The campaign's items and what they are made of, such as a course's assessments."""
    wholes = select(item.c.key).where(item.c.id.in_(_items(campaign_id)))
    return select(item.c.id).where(or_(item.c.id.in_(_items(campaign_id)), item.c.part_of.in_(wholes)))


def _begun(campaign_id: int, as_of: datetime) -> Subquery:
    given = func.min(func.coalesce(progress.c.assigned_at, progress.c.started_at, progress.c.last_activity_at))
    asked = func.min(wave.c.planned_as_of)
    both = union_all(
        select(progress.c.learner_id, given.label("at"))
        .where(progress.c.item_id.in_(_items(campaign_id)))
        .group_by(progress.c.learner_id),
        select(delivery.c.learner_id, asked.label("at"))
        .select_from(delivery.join(wave, wave.c.id == delivery.c.wave_id))
        .where(wave.c.campaign_id == campaign_id)
        .group_by(delivery.c.learner_id),
    ).subquery("either")
    at = func.min(both.c.at, type_=wave.c.planned_as_of.type)
    return select(both.c.learner_id, at.label("at")).group_by(both.c.learner_id).having(at <= as_of).subquery("begun")


def _left(connection: Connection, campaign_id: int, as_of: datetime) -> list[tuple[int, datetime]]:
    rows = connection.execute(
        select(progress.c.learner_id, func.min(progress.c.withdrawn_at, type_=progress.c.withdrawn_at.type))
        .where(progress.c.item_id.in_(_items(campaign_id)), progress.c.withdrawn_at <= as_of)
        .group_by(progress.c.learner_id)
    )
    return [(learner_id, at) for learner_id, at in rows]


def _completed(connection: Connection, campaign_id: int, as_of: datetime) -> list[tuple[int, datetime]]:
    """When somebody completed the last of the campaign's items."""
    many = select(func.count()).select_from(_items(campaign_id).subquery()).scalar_subquery()
    rows = connection.execute(
        select(progress.c.learner_id, func.max(progress.c.completed_at, type_=progress.c.completed_at.type))
        .where(progress.c.item_id.in_(_items(campaign_id)), progress.c.completed_at <= as_of)
        .group_by(progress.c.learner_id)
        .having(func.count() == many)
    )
    return [(learner_id, at) for learner_id, at in rows]


def _behaviour(
    connection: Connection, campaign_id: int, number: dict[int, int], zero: date, as_of: datetime
) -> Behaviour:
    import numpy as np

    def of_ours(statement: Select[Any]) -> list[tuple[Any, ...]]:
        return [(number[row[0]], *row[1:]) for row in connection.execute(statement) if row[0] in number]

    there = (
        activity.c.item_id.in_(_with_parts(campaign_id)),
        activity.c.voided_at.is_(None),
        activity.c.verb.not_in(NOT_ACTIVE_VERBS),
        activity.c.occurred_at <= as_of,
    )
    day = utc_day(activity.c.occurred_at)
    visits = of_ours(
        select(activity.c.learner_id, day, func.count()).where(*there).group_by(activity.c.learner_id, day)
    )
    sections = of_ours(
        select(activity.c.learner_id, func.min(day))
        .where(*there, activity.c.section_key.is_not(None))
        .group_by(activity.c.learner_id, activity.c.item_id, activity.c.section_key)
    )
    tasks = of_ours(
        select(progress.c.learner_id, progress.c.due_at, progress.c.completed_at).where(
            progress.c.item_id.in_(_with_parts(campaign_id)), progress.c.due_at.is_not(None)
        )
    )
    many = select(func.count()).select_from(section).where(section.c.item_id.in_(_with_parts(campaign_id)))
    return Behaviour(
        people=len(number),
        visit_who=np.array([row[0] for row in visits], dtype=np.int64),
        visit_day=np.array([(date.fromisoformat(row[1]) - zero).days for row in visits], dtype=np.int64),
        visit_count=np.array([row[2] for row in visits], dtype=np.float64),
        section_who=np.array([row[0] for row in sections], dtype=np.int64),
        section_day=np.array([(date.fromisoformat(row[1]) - zero).days for row in sections], dtype=np.int64),
        sections=connection.execute(many).scalar_one(),
        task_who=np.array([row[0] for row in tasks], dtype=np.int64),
        task_due=np.array([_day(row[1], zero) for row in tasks], dtype=np.float64),
        task_done=np.array(
            [_day(row[2], zero) if row[2] is not None and row[2] <= as_of else np.inf for row in tasks],
            dtype=np.float64,
        ),
    )


def _day(at: datetime, zero: date) -> int:
    return (at.date() - zero).days
