"""Who was assigned to which side of a comparison, what they did before it and what they did since: asked of the ledger.

Every question is one set-based statement. Protected attributes are not read: what adjusts is activity alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Subquery, and_, case, func, or_, select

from pushpull.db import UtcDateTime
from pushpull.insights.uplift.assigning import assigning_waves
from pushpull.learners.lifecycle.events import utc_day
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import activity, lifecycle_event, progress
from pushpull.learners.verbs import NOT_ACTIVE_VERBS
from pushpull.learners.vocabulary import LifecycleKind
from pushpull.ledger.tables import delivery, wave
from pushpull.ledger.vocabulary import Arm

if TYPE_CHECKING:
    from pushpull.insights.uplift.estimates import Numbers, Truths

#: How far back before the start activity adjusts for.
BEFORE = timedelta(weeks=8)
#: Looks reckoned with: one a week, for at most so many weeks from the start.
MOST_WEEKS = 104


class Outcome(StrEnum):
    """What is compared, since the start; the first is the one a verdict is about."""

    COMPLETED_ALL = "completed_all"  # all of the campaign's items: 0 or 1
    COMPLETED_ANY = "completed_any"  # at least one of them: 0 or 1
    ACTIVE_DAYS = "active_days"  # UTC days with learning on them
    MINUTES = "minutes"  # on them, where the source says so
    SCORE = "score"  # the best score on them, 0 to 1; 0 for whoever has none

    @property
    def is_share(self) -> bool:
        """Whether a mean of it is a share of people."""
        return self in (Outcome.COMPLETED_ALL, Outcome.COMPLETED_ANY)


@dataclass(frozen=True)
class Question:
    """What is compared with what.

    Args:
        campaign_ids: whose waves assign people.
        item_ids: on which it counts what they do; None: on all there are.
        starts_at: from when on (UTC, included).
        until: to when (UTC, included).
        held_out: the arms that count as held out.
        leaves_out_the_done: leave out who had completed all of it before the start.
    """

    campaign_ids: tuple[int, ...]
    item_ids: tuple[int, ...] | None
    starts_at: datetime
    until: datetime
    held_out: frozenset[Arm]
    leaves_out_the_done: bool = True


@dataclass(frozen=True)
class People:
    """The people of a comparison; arrays are in one and the same order of people.

    Args:
        left_out: had completed it all before the start.
        looks: the instants up to which the columns of each outcome count; one a week, the last is the present.
        outcomes: people by looks; an outcome that nobody can have is absent.
        before: people by covariates, in the order of :data:`COVARIATES`.
        scored: people with a score.
    """

    is_treated: Truths
    left_out: int
    looks: tuple[datetime, ...]
    outcomes: Mapping[Outcome, Numbers]
    before: Numbers
    scored: int


#: From before the start, in this order: days with learning in the eight weeks, the logarithm of one more than the
#: minutes, and of one more than the completions; of anything, not of the campaign's items alone.
COVARIATES = ("active days", "minutes", "completions")


def people(connection: Connection, question: Question) -> People:
    """Everybody who was assigned, with what they did."""
    import numpy as np

    looks = _looks(question)
    assigned = _assigned(connection, question)
    rows = connection.execute(select(assigned.c.learner_id, assigned.c.is_held_out).order_by(assigned.c.learner_id))
    sides = dict(rows.all())
    done_before = _done_before(connection, question, assigned) if question.leaves_out_the_done else set()
    kept = [learner_id for learner_id in sides if learner_id not in done_before]
    place = {learner_id: at for at, learner_id in enumerate(kept)}
    size = len(kept)
    days, minutes, score = (np.zeros((size, len(looks))) for _ in range(3))
    before = np.zeros((size, len(COVARIATES)))
    has_score = np.zeros(size, dtype=bool)
    for row in connection.execute(_learning(question, assigned, looks)):
        at = place.get(row.learner_id)
        if at is None:
            continue
        days[at, row.look] += row.days
        minutes[at, row.look] += row.minutes or 0.0
        if row.score is not None:
            has_score[at] = True
            score[at, row.look] = max(score[at, row.look], row.score)
    for row in connection.execute(_learning_before(question, assigned)):
        if (at := place.get(row.learner_id)) is not None:
            before[at, 0], before[at, 1] = row.days, row.minutes or 0.0
    for learner_id, count in connection.execute(_completions_before(question, assigned)):
        if (at := place.get(learner_id)) is not None:
            before[at, 2] = count
    before[:, 1:] = np.log1p(np.maximum(before[:, 1:], 0.0))
    outcomes: dict[Outcome, Numbers] = {}
    if question.leaves_out_the_done:
        outcomes[Outcome.COMPLETED_ALL] = _since(connection.execute(_all_done(question, assigned)), place, looks)
    outcomes[Outcome.COMPLETED_ANY] = _since(connection.execute(_any_done(question, assigned)), place, looks)
    outcomes[Outcome.ACTIVE_DAYS] = days.cumsum(axis=1)
    if minutes.any():
        outcomes[Outcome.MINUTES] = minutes.cumsum(axis=1)
    if has_score.any():
        outcomes[Outcome.SCORE] = np.maximum.accumulate(score, axis=1)
    is_treated = np.array([not sides[learner_id] for learner_id in kept], dtype=bool)
    return People(is_treated, len(sides) - size, looks, outcomes, before, int(has_score.sum()))


def _looks(question: Question) -> tuple[datetime, ...]:
    weeks = [question.starts_at + timedelta(weeks=number) for number in range(1, MOST_WEEKS)]
    return (*(each for each in weeks if each < question.until), question.until)


def _assigned(connection: Connection, question: Question) -> Subquery:
    """Learner and side, as first assigned by a wave that does not choose people by what messages may have changed."""
    row, held_out = delivery.c, [each.value for each in sorted(question.held_out)]
    first = (
        select(
            row.learner_id,
            case((row.arm.in_(held_out), 1), else_=0).label("is_held_out"),
            func.row_number()
            .over(partition_by=row.learner_id, order_by=(wave.c.planned_as_of, wave.c.id, row.rotation))
            .label("number"),
        )
        .select_from(delivery.join(wave, wave.c.id == row.wave_id))
        .where(in_ids(row.wave_id, assigning_waves(connection, question.campaign_ids, until=question.until)))
        .subquery("first")
    )
    return select(first.c.learner_id, first.c.is_held_out).where(first.c.number == 1).subquery("assigned")


def _done_before(connection: Connection, question: Question, assigned: Subquery) -> set[int]:
    return set(
        connection.scalars(
            select(lifecycle_event.c.learner_id)
            .join(assigned, assigned.c.learner_id == lifecycle_event.c.learner_id)
            .where(_completions_of_all(question), lifecycle_event.c.occurred_at < question.starts_at)
        )
    )


def _completions_of_all(question: Question) -> ColumnElement[bool]:
    return and_(
        lifecycle_event.c.campaign_id.in_(question.campaign_ids),
        lifecycle_event.c.kind == LifecycleKind.COMPLETED.value,
    )


def _all_done(question: Question, assigned: Subquery) -> Any:
    at = lifecycle_event.c.occurred_at
    return (
        select(lifecycle_event.c.learner_id, func.min(at, type_=UtcDateTime()))
        .join(assigned, assigned.c.learner_id == lifecycle_event.c.learner_id)
        .where(_completions_of_all(question), at >= question.starts_at, at <= question.until)
        .group_by(lifecycle_event.c.learner_id)
    )


def _any_done(question: Question, assigned: Subquery) -> Any:
    at = progress.c.completed_at
    return (
        select(progress.c.learner_id, func.min(at, type_=UtcDateTime()))
        .join(assigned, assigned.c.learner_id == progress.c.learner_id)
        .where(_on_items(progress.c.item_id, question), at >= question.starts_at, at <= question.until)
        .group_by(progress.c.learner_id)
    )


def _completions_before(question: Question, assigned: Subquery) -> Any:
    at = progress.c.completed_at
    return (
        select(progress.c.learner_id, func.count())
        .join(assigned, assigned.c.learner_id == progress.c.learner_id)
        .where(at >= question.starts_at - BEFORE, at < question.starts_at)
        .group_by(progress.c.learner_id)
    )


def _since(rows: Any, place: Mapping[int, int], looks: Sequence[datetime]) -> Numbers:
    """0 or 1 by look: whether it had happened by then."""
    import numpy as np

    happened = np.zeros((len(place), len(looks)))
    for learner_id, at in rows:
        if (row := place.get(learner_id)) is not None:
            happened[row, next(number for number, look in enumerate(looks) if at <= look) :] = 1.0
    return happened


def _on_items(column: ColumnElement[int], question: Question) -> ColumnElement[bool]:
    return column.is_not(None) if question.item_ids is None else in_ids(column, question.item_ids)


def _learned(question: Question) -> ColumnElement[bool]:
    """Whether it was learning, and not taken back by then."""
    voided = activity.c.voided_at
    return and_(activity.c.verb.not_in(NOT_ACTIVE_VERBS), or_(voided.is_(None), voided > question.until))


def _days(question: Question, assigned: Subquery, *conditions: ColumnElement[bool]) -> Subquery:
    """Learner and UTC day, with the first instant, the minutes and the best score of it."""
    at = activity.c.occurred_at
    return (
        select(
            activity.c.learner_id,
            func.min(at, type_=UtcDateTime()).label("at"),
            func.sum(activity.c.minutes).label("minutes"),
            func.max(activity.c.score).label("score"),
        )
        .join(assigned, assigned.c.learner_id == activity.c.learner_id)
        .where(_learned(question), *conditions)
        .group_by(activity.c.learner_id, utc_day(at))
        .subquery("day")
    )


def _learning(question: Question, assigned: Subquery, looks: Sequence[datetime]) -> Any:
    """By learner and look: what came since the look before."""
    at = activity.c.occurred_at
    here = _on_items(activity.c.item_id, question)
    day = _days(question, assigned, here, at >= question.starts_at, at <= question.until)
    earlier = [(day.c.at <= instant, number) for number, instant in enumerate(looks[:-1])]
    look = case(*earlier, else_=len(looks) - 1) if earlier else func.coalesce(0, 0)
    by_look = select(day, look.label("look")).subquery("by_look")
    return select(
        by_look.c.learner_id,
        by_look.c.look,
        func.count().label("days"),
        func.sum(by_look.c.minutes).label("minutes"),
        func.max(by_look.c.score).label("score"),
    ).group_by(by_look.c.learner_id, by_look.c.look)


def _learning_before(question: Question, assigned: Subquery) -> Any:
    at = activity.c.occurred_at
    day = _days(question, assigned, at >= question.starts_at - BEFORE, at < question.starts_at)
    return select(day.c.learner_id, func.count().label("days"), func.sum(day.c.minutes).label("minutes")).group_by(
        day.c.learner_id
    )
