"""Reminders at a cue: which of a learner's if-then plans reminds them on a day, and when (mission H3).

The earliest cue of the day is reminded of, at its minute on the learner's own clock. A reminder is worth nothing once
the cue is over: it goes within :data:`~pushpull.ledger.specs.CUE_LIFETIME` or not at all, and never in quiet hours.

Plans are made and ended in :mod:`pushpull.learners.plans`; nothing is written here.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    String,
    and_,
    case,
    column,
    func,
    literal,
    select,
)

from pushpull.db import UtcDateTime, table_of
from pushpull.learners.tables import cue_plan, learner, progress
from pushpull.ledger import timing
from pushpull.ledger.specs import CUE_LIFETIME, WaveSpec
from pushpull.ledger.spread import Spread, Timed, day_bounds, place_of
from pushpull.ledger.terms import Terms
from pushpull.ledger.vocabulary import Reason

_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)


def reminds_on(day: date) -> ColumnElement[bool]:
    """Whether a row of ``cue_plan`` reminds on this local date."""
    return and_(
        cue_plan.c.ended_at.is_(None),
        cue_plan.c.reminds,
        cue_plan.c.at_minute.is_not(None),
        cue_plan.c.weekdays.bitwise_and(1 << day.weekday()) != 0,
    )


def has_reminder(day: date) -> ColumnElement[bool]:
    """Whether a learner has a plan that reminds on this local date."""
    mine = select(cue_plan.c.id).where(cue_plan.c.learner_id == learner.c.id, reminds_on(day))
    return mine.correlate(learner).exists()


def at_cues(connection: Connection, rules: Terms, kinds: Spread) -> Timed:
    """When learners are reminded on the wave's day, and of which item: for planning."""
    spec = rules.spec
    plan, moment = _first_of_day(spec.on), _moments(connection, rules, kinds)
    never = literal(rules.as_of, UtcDateTime)  # who made a plan since the moments were looked up is not reminded
    expires_at = func.coalesce(moment.c.expires_at, never)
    return Timed(
        joins=(
            (plan, and_(plan.c.learner_id == learner.c.id, plan.c.place == 1)),
            (
                moment,
                and_(moment.c.zone == func.coalesce(learner.c.timezone, ""), moment.c.minute == plan.c.at_minute),
            ),
        ),
        due_at=func.coalesce(moment.c.due_at, never),
        expires_at=expires_at,
        item=plan.c.item_id,
        reasons=((expires_at <= rules.as_of, Reason.EXPIRED), (moment.c.is_quiet > 0, Reason.QUIET_HOURS)),
    )


def is_reminded_now(rules: Terms, zones: Collection[str]) -> ColumnElement[bool]:
    """Whether a plan of the learner, as it is now, reminds them just now: for the re-check before sending."""
    columns = [column("zone", String), column("bit", Integer), column("first", Integer), column("last", Integer)]
    rows = []
    for zone in zones:
        day, first, last = due_minutes(rules.as_of, place_of(zone, rules.spec))
        rows.append((zone, 1 << day.weekday(), first, last))
    now = table_of("cue_now", columns, rows)
    return (
        select(cue_plan.c.id)
        .join(now, cue_plan.c.at_minute.between(now.c.first, now.c.last))
        .where(
            cue_plan.c.learner_id == learner.c.id,
            now.c.zone == func.coalesce(learner.c.timezone, ""),
            cue_plan.c.ended_at.is_(None),
            cue_plan.c.reminds,
            cue_plan.c.weekdays.bitwise_and(now.c.bit) != 0,
        )
        .correlate(learner)
        .exists()
    )


def due_minutes(now: datetime, zone: str) -> tuple[date, int, int]:
    """Of which cues a reminder may still go out: the local date, and the first and the last of their minutes.

    Args:
        now: aware.
        zone: a known zone.
    """
    local, earlier = (instant.astimezone(ZoneInfo(zone)) for instant in (now, now - CUE_LIFETIME))
    first = earlier.hour * 60 + earlier.minute if earlier.date() == local.date() else 0
    return local.date(), first, local.hour * 60 + local.minute


def _first_of_day(day: date) -> FromClause:
    """``plan(learner_id, at_minute, item_id, place)``: the plans that remind on a date, the earliest is the first.

    An item that the learner has completed is none: then it is whatever is next.
    """
    done = progress.alias("done")
    finished = and_(
        done.c.learner_id == cue_plan.c.learner_id,
        done.c.item_id == cue_plan.c.item_id,
        done.c.completed_at.is_not(None),
    )
    place = func.row_number().over(partition_by=cue_plan.c.learner_id, order_by=(cue_plan.c.at_minute, cue_plan.c.id))
    return (
        select(
            cue_plan.c.learner_id,
            cue_plan.c.at_minute,
            case((done.c.learner_id.is_(None), cue_plan.c.item_id)).label("item_id"),
            place.label("place"),
        )
        .select_from(cue_plan.outerjoin(done, finished))
        .where(reminds_on(day))
        .subquery("plan")
    )


def _moments(connection: Connection, rules: Terms, kinds: Spread) -> CTE:
    """``cue_moment(zone, minute, due_at, expires_at, is_quiet)``: once per distinct zone and minute."""
    columns = [
        column("zone", String),
        column("minute", Integer),
        column("due_at", UtcDateTime()),
        column("expires_at", UtcDateTime()),
        column("is_quiet", Integer),
    ]
    zone = func.coalesce(learner.c.timezone, "")
    pairs = connection.execute(
        select(zone, cue_plan.c.at_minute)
        .join(cue_plan, cue_plan.c.learner_id == learner.c.id)
        .where(reminds_on(rules.spec.on), zone.in_(kinds.zones))
        .distinct()
    ).all()
    rows = [(zone, minute, *_moment(rules.spec, zone, minute, rules.as_of)) for zone, minute in pairs]
    return table_of("cue_moment", columns, rows or [("", -1, _NEVER, _NEVER, 1)])


def _moment(spec: WaveSpec, zone: str, minute: int, as_of: datetime) -> tuple[datetime, datetime, int]:
    place = place_of(zone, spec)
    due = timing.local_instant(place, spec.on, time(minute // 60, minute % 60))
    expires = min(due + min(spec.expires_after, CUE_LIFETIME), day_bounds(place, spec.on)[1])
    is_quiet = timing.next_open(due, place, spec.window) >= expires
    return as_of if due < as_of < expires else due, expires, int(is_quiet)
