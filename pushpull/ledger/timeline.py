"""The timeline of dated goals: every learner of a campaign gets due dates of their own (mission L2).

Due dates are what reminders count from. Somebody who joins late gets a shifted timeline, cut off at the campaign's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import Connection, String, and_, column, func, literal, select

from pushpull.db import UtcDateTime, insert_into, rows_written, table_of
from pushpull.learners.segments import Segment, SegmentContext, compile_segment
from pushpull.learners.tables import learner, progress
from pushpull.learners.vocabulary import ProgressStatus
from pushpull.ledger import timing
from pushpull.ledger.spread import spread
from pushpull.ledger.terms import campaign_items

#: The local time at which a due day ends for a learner.
_END_OF_DAY = time(23, 59)


@dataclass(frozen=True, slots=True)
class DatedGoal:
    """An item and the day by which it is to be done, for those who were there from the start."""

    item_id: int
    due_on: date


def assign_goals(
    connection: Connection,
    campaign_id: int,
    audience: Segment,
    goals: Sequence[DatedGoal],
    *,
    ends_on: date,
    timezone: str,
    as_of: datetime,
) -> int:
    """Give every learner of the audience who has none yet a due date for each goal.

    Who comes after the first learners got theirs is given as many days more as they are late; a goal that would then
    fall after the campaign's end is left out.

    Args:
        ends_on: the campaign's last local day.
        timezone: the campaign's IANA zone, for its dates and for learners whose zone is unknown.
        as_of: the campaign's clock, UTC.

    Returns:
        How many due dates were given.
    """
    context = SegmentContext(campaign_id=campaign_id, item_ids=campaign_items(connection, campaign_id), as_of=as_of)
    members = and_(learner.c.active.is_(True), compile_segment(audience, context))
    zones = spread(connection).zones
    today = timing.local_day(as_of, timezone)
    given = 0
    for goal in goals:
        first = connection.execute(
            select(func.min(progress.c.assigned_at)).where(
                progress.c.item_id == goal.item_id, progress.c.due_at.is_not(None)
            )
        ).scalar_one_or_none()
        late_by = today - timing.local_day(first, timezone) if first else timedelta(0)
        due_on = goal.due_on + max(late_by, timedelta(0))
        if due_on > max(ends_on, goal.due_on):
            continue
        moments = table_of(
            "due",
            [column("zone", String), column("due_at", UtcDateTime())],
            [(zone, timing.local_instant(zone or timezone, due_on, _END_OF_DAY)) for zone in zones],
        )
        rows = (
            select(
                learner.c.id,
                literal(goal.item_id),
                literal(ProgressStatus.ASSIGNED.value),
                literal(as_of, UtcDateTime),
                moments.c.due_at,
            )
            .select_from(learner.join(moments, moments.c.zone == func.coalesce(learner.c.timezone, "")))
            .where(members)
        )
        statement = insert_into(connection, progress).from_select(
            ["learner_id", "item_id", "status", "assigned_at", "due_at"], rows
        )
        statement = statement.on_conflict_do_update(
            index_elements=["learner_id", "item_id"],
            set_={
                "due_at": statement.excluded.due_at,
                "assigned_at": func.coalesce(progress.c.assigned_at, statement.excluded.assigned_at),
            },
            where=and_(progress.c.due_at.is_(None), progress.c.completed_at.is_(None)),
        )
        given += rows_written(connection, connection.execute(statement))
    return given
