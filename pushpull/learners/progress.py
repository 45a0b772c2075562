"""Where each learner stands with each item, folded from activity.

The fold is one set-based statement over the activity that is new, merged into what stands: earliest and latest
instants, the highest status, the best score. Order and repetition of batches do not matter. What an import wrote into
``progress`` itself (due dates, assignments, a withdrawal) is kept.

Status only rises: assigned < started < failed < withdrawn < completed. ``failed`` is never made from
activity: a failed try can be tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Subquery,
    and_,
    case,
    func,
    literal,
    or_,
    select,
)

from pushpull.catalogue.tables import section
from pushpull.db import UtcDateTime, insert_into
from pushpull.learners.tables import activity, progress
from pushpull.learners.verbs import (
    ADMINISTRATIVE_VERBS,
    ASSIGNING_VERBS,
    COMPLETING_VERBS,
    FAILING_VERBS,
    NOT_ACTIVE_VERBS,
    WITHDRAWING_VERBS,
)
from pushpull.learners.vocabulary import ProgressStatus

__all__ = [
    "ADMINISTRATIVE_VERBS",
    "ASSIGNING_VERBS",
    "COMPLETING_VERBS",
    "FAILING_VERBS",
    "NOT_ACTIVE_VERBS",
    "WITHDRAWING_VERBS",
    "fold_activity",
]

#: Verbs from which something about progress follows; all others of the administrative ones say nothing.
_SILENT_VERBS = tuple(
    verb for verb in ADMINISTRATIVE_VERBS if verb not in ASSIGNING_VERBS and verb not in WITHDRAWING_VERBS
)


def fold_activity(
    conn: Connection, *, after_activity_id: int, as_of: datetime, previous_as_of: datetime | None = None
) -> int:
    """Merge activity into progress.

    Folding the same activity again changes nothing, so when in doubt (an import that commits late may hold lower
    ids) give an earlier id.

    Args:
        after_activity_id: activity up to this id has been folded; 0 folds all.
        as_of: what happened later (aware) is left for a later call.
        previous_as_of: ``as_of`` of the call that returned ``after_activity_id``. With it, activity that was already
            stored then but happened since is found by its time, which matters for replays of stored data.

    Returns:
        The id to continue after. Without ``previous_as_of`` it stays below the first activity that is still to come.
    """
    new: ColumnElement[bool] = activity.c.id > after_activity_id
    if previous_as_of is not None:
        new = or_(new, activity.c.occurred_at > previous_as_of)
    last = conn.execute(select(func.max(activity.c.id)).where(activity.c.id > after_activity_id)).scalar()
    if last is None:
        last = after_activity_id
        if previous_as_of is None:
            return int(last)
    batch = _batch(new, as_of)
    place = _place(batch, as_of).label("place_key")
    placed = select(*batch.c, place).subquery("placed")
    rows = (
        select(
            *(placed.c[name] for name in batch.c.keys()),  # noqa: SIM118  (a collection of columns, not a dict)
            placed.c.place_key,
            section.c.title,
            section.c.url,
        )
        .select_from(
            placed.outerjoin(section, and_(section.c.item_id == placed.c.item_id, section.c.key == placed.c.place_key))
        )
        .where(placed.c.learner_id.is_not(None))  # SQLite needs a WHERE to tell ON CONFLICT from a join's ON
    )
    _merge(conn, rows)
    if previous_as_of is not None:
        return int(last)
    to_come = conn.execute(
        select(func.min(activity.c.id)).where(activity.c.id > after_activity_id, activity.c.occurred_at > as_of)
    ).scalar()
    return int(last) if to_come is None else int(to_come) - 1


def _batch(new: ColumnElement[bool], as_of: datetime) -> Subquery:
    """The new activity, one row per learner and item, in the order of :data:`_FOLDED`."""
    active = activity.c.verb.not_in(NOT_ACTIVE_VERBS)
    # "Completed" said of a page inside a course completes the page, not the course.
    completing = and_(activity.c.verb.in_(COMPLETING_VERBS), activity.c.section_key.is_(None))
    grouped = (
        select(
            activity.c.learner_id,
            activity.c.item_id,
            _first(activity.c.verb.in_(ASSIGNING_VERBS)).label("assigned_at"),
            _first(active).label("started_at"),
            _first(completing).label("completed_at"),
            _first(activity.c.verb.in_(WITHDRAWING_VERBS)).label("withdrawn_at"),
            func.max(case((active, activity.c.occurred_at)), type_=UtcDateTime).label("last_activity_at"),
            func.max(case((completing, 1.0))).label("ratio"),
            func.max(activity.c.score).label("score"),
        )
        .where(
            new,
            activity.c.item_id.is_not(None),
            activity.c.voided_at.is_(None),
            activity.c.occurred_at <= as_of,
            activity.c.verb.not_in(_SILENT_VERBS),
        )
        .group_by(activity.c.learner_id, activity.c.item_id)
        .subquery("grouped")
    )
    status = case(
        (grouped.c.completed_at.is_not(None), ProgressStatus.COMPLETED.value),
        (grouped.c.withdrawn_at.is_not(None), ProgressStatus.WITHDRAWN.value),
        (grouped.c.started_at.is_not(None), ProgressStatus.STARTED.value),
        else_=ProgressStatus.ASSIGNED.value,
    )
    return select(*grouped.c, status.label("status")).subquery("batch")


def _first(which: ColumnElement[bool]) -> ColumnElement[datetime]:
    return func.min(case((which, activity.c.occurred_at)), type_=UtcDateTime)


def _place(batch: Subquery, as_of: datetime) -> ColumnElement[str]:
    """The section of the latest activity that names one, over all that is stored: later batches may be older."""
    return (
        select(activity.c.section_key)
        .where(
            activity.c.learner_id == batch.c.learner_id,
            activity.c.item_id == batch.c.item_id,
            activity.c.section_key.is_not(None),
            activity.c.voided_at.is_(None),
            activity.c.occurred_at <= as_of,
            activity.c.verb.not_in(NOT_ACTIVE_VERBS),
        )
        .order_by(activity.c.occurred_at.desc(), activity.c.source.desc(), activity.c.source_id.desc())
        .limit(1)
        .correlate(batch)
        .scalar_subquery()
    )


def _merge(conn: Connection, rows: Select[Any]) -> None:
    names = [column.name for column in rows.selected_columns]
    columns = [*names[:-2], "place_title", "place_url"]
    statement = insert_into(conn, progress).from_select(columns, rows)
    new = statement.excluded
    merged: dict[str, ColumnElement[Any]] = {
        "status": _higher_status(progress.c.status, new.status),
        "place_key": func.coalesce(new.place_key, progress.c.place_key),
        # A title belongs to its key: never the old title beside a new place.
        "place_title": case((new.place_key.is_not(None), new.place_title), else_=progress.c.place_title),
        "place_url": case((new.place_key.is_not(None), new.place_url), else_=progress.c.place_url),
    }
    for name in ("assigned_at", "started_at", "completed_at", "withdrawn_at"):
        merged[name] = _of_both(progress.c[name], new[name], takes_new=new[name] < progress.c[name])
    for name in ("last_activity_at", "ratio", "score"):
        merged[name] = _of_both(progress.c[name], new[name], takes_new=new[name] > progress.c[name])
    conn.execute(statement.on_conflict_do_update(index_elements=list(progress.primary_key), set_=merged))


def _of_both(old: ColumnElement[Any], new: ColumnElement[Any], *, takes_new: ColumnElement[bool]) -> ColumnElement[Any]:
    """One of two values that may be unknown: the known one, else the one that the rule takes."""
    return case((old.is_(None), new), (takes_new, new), else_=old)


def _higher_status(old: ColumnElement[str], new: ColumnElement[str]) -> ColumnElement[str]:
    rising: Sequence[ProgressStatus] = (
        ProgressStatus.COMPLETED,
        ProgressStatus.WITHDRAWN,
        ProgressStatus.FAILED,
        ProgressStatus.STARTED,
    )
    either = [(or_(old == status.value, new == status.value), literal(status.value, String)) for status in rising]
    return case(*either, else_=old)
