"""What came of it (mission H6): what a learner did, and what it led to, as the ledger has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, BindParameter, ColumnElement, Connection, Select, and_, bindparam, func, select

from pushpull.catalogue.tables import item
from pushpull.db import UtcDateTime
from pushpull.learners.habit import is_learning
from pushpull.learners.tables import activity, progress, referral, review, share
from pushpull.learners.vocabulary import ProgressStatus, ReviewState

_WHO: BindParameter[int] = bindparam("who", type_=BigInteger)
_SINCE: BindParameter[datetime] = bindparam("since", type_=UtcDateTime())
_NOW: BindParameter[datetime] = bindparam("now", type_=UtcDateTime())


@dataclass(frozen=True, slots=True)
class Results:
    """What a learner did, and what it led to.

    Args:
        completed: titles of what they completed, the latest first.
        minutes: learned, as far as known; None when nothing is known.
        has_unknown_minutes: there was learning of which nobody knows how long it took.
        reviews: of theirs that others can read.
        followed: colleagues who began something they passed on.
    """

    completed: tuple[str, ...]
    minutes: float | None
    has_unknown_minutes: bool
    reviews: int
    followed: int

    @property
    def is_something(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.completed or self.minutes or self.reviews or self.followed)


def results_of(connection: Connection, learner_id: int, *, since: datetime | None, now: datetime) -> Results:
    """What came of it, in two statements.

    Args:
        since: from when on it counts, aware: the start of the campaign; None: ever.
        now: aware; what is recorded for later does not count yet.
    """

    given = {"who": learner_id, "since": since, "now": now}
    completed = connection.execute(_completed(has_start=since is not None), given).scalars()
    sums = connection.execute(_sums(has_start=since is not None), given).one()
    return Results(tuple(completed), sums.minutes, sums.unknown > 0, sums.reviews, sums.followed)


# Each statement is built once: that takes longer than to answer it.


@cache
def _completed(*, has_start: bool) -> Select[Any]:
    return (
        select(item.c.title)
        .join(progress, progress.c.item_id == item.c.id)
        .where(
            progress.c.learner_id == _WHO,
            progress.c.status == ProgressStatus.COMPLETED.value,
            _counts(progress.c.completed_at, has_start=has_start),
        )
        .order_by(progress.c.completed_at.desc(), item.c.id)
    )


@cache
def _sums(*, has_start: bool) -> Select[Any]:
    read = (
        select(func.count())
        .select_from(review)
        .where(
            review.c.learner_id == _WHO,
            review.c.state == ReviewState.PUBLISHED.value,
            _counts(review.c.made_at, has_start=has_start),
        )
    )
    came = (
        select(func.count())
        .select_from(referral.join(share, share.c.id == referral.c.share_id))
        .where(share.c.learner_id == _WHO, _counts(referral.c.came_at, has_start=has_start))
    )
    return select(
        func.sum(activity.c.minutes).label("minutes"),
        (func.count() - func.count(activity.c.minutes)).label("unknown"),
        read.scalar_subquery().label("reviews"),
        came.scalar_subquery().label("followed"),
    ).where(activity.c.learner_id == _WHO, _counts(activity.c.occurred_at, has_start=has_start), is_learning())


def _counts(at: ColumnElement[datetime], *, has_start: bool) -> ColumnElement[bool]:
    """Whether what happened then counts."""
    return and_(at <= _NOW, at >= _SINCE) if has_start else at <= _NOW
