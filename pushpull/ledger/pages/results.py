"""What came of it (mission H6): what a learner did, and what it led to, as the ledger has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, select

from pushpull.catalogue.tables import item
from pushpull.learners.habit import is_learning
from pushpull.learners.tables import activity, progress, referral, review, share
from pushpull.learners.vocabulary import ProgressStatus, ReviewState


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

    def counts(at: ColumnElement[datetime]) -> ColumnElement[bool]:
        return and_(at <= now, at >= since) if since is not None else at <= now

    completed = connection.execute(
        select(item.c.title)
        .join(progress, progress.c.item_id == item.c.id)
        .where(
            progress.c.learner_id == learner_id,
            progress.c.status == ProgressStatus.COMPLETED.value,
            counts(progress.c.completed_at),
        )
        .order_by(progress.c.completed_at.desc(), item.c.id)
    ).scalars()
    learned = and_(activity.c.learner_id == learner_id, counts(activity.c.occurred_at), is_learning())
    read = and_(
        review.c.learner_id == learner_id, review.c.state == ReviewState.PUBLISHED.value, counts(review.c.made_at)
    )
    came = (
        select(func.count())
        .select_from(referral.join(share, share.c.id == referral.c.share_id))
        .where(share.c.learner_id == learner_id, counts(referral.c.came_at))
    )
    sums = connection.execute(
        select(
            func.sum(activity.c.minutes).label("minutes"),
            (func.count() - func.count(activity.c.minutes)).label("unknown"),
            select(func.count()).select_from(review).where(read).scalar_subquery().label("reviews"),
            came.scalar_subquery().label("followed"),
        ).where(learned)
    ).one()
    return Results(tuple(completed), sums.minutes, sums.unknown > 0, sums.reviews, sums.followed)
