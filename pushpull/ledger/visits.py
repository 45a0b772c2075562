"""Visits of learners to a campaign's items, and whether a message caused them, as SQL.

The rule, here and nowhere else. A visit is the first thing a learner did on the campaign's items on one of their local
days: opened, learned, failed. A message caused it when, within 48 hours before, any message of any campaign was handed
over for the learner, or the learner followed a link of this campaign's messages. In doubt the message gets the credit,
so that "came by themselves" is never too large; scanners follow links too, and do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    String,
    Subquery,
    and_,
    column,
    func,
    literal,
    select,
    union_all,
)

from pushpull.db import UtcDateTime, days_after, table_of
from pushpull.learners.tables import activity, learner
from pushpull.learners.verbs import NOT_ACTIVE_VERBS
from pushpull.ledger import timing
from pushpull.ledger.spread import day_bounds
from pushpull.ledger.tables import contact, delivery_event, handover
from pushpull.ledger.terms import Among
from pushpull.ledger.vocabulary import EventKind

#: Hours after a message in which a visit is put down to it.
CREDIT: Final = timedelta(hours=48)

#: A day no calendar has: joins to nobody.
_NEVER = (0, datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC))


def zones_of(connection: Connection) -> tuple[str, ...]:
    """All zones learners have; "" is unknown."""
    known = connection.execute(select(func.coalesce(learner.c.timezone, "")).distinct()).scalars()
    return tuple(sorted({*known, ""}))


def visits(
    zones: Iterable[str],
    *,
    campaign_id: int,
    item_ids: Sequence[int],
    days: Sequence[date],
    timezone: str,
    as_of: datetime,
    among: Among | None = None,
) -> Subquery:
    """``visit(learner_id, day, at, is_caused)``: one row per learner and local day; ``day`` is the date's ordinal.

    Args:
        zones: of the learners, see :func:`zones_of`.
        days: local dates, one after the other; a visit is on one of them.
        timezone: of learners whose own is unknown.
        as_of: nothing later is seen, UTC.
        among: only these learners; None: all.
    """
    first = _first_deeds(zones, item_ids=item_ids, days=days, timezone=timezone, as_of=as_of, among=among)
    told = _told(campaign_id, days=days, as_of=as_of, among=among)
    in_time = and_(
        told.c.learner_id == first.c.learner_id,
        told.c.at <= first.c.at,
        days_after(told.c.at, literal(CREDIT / timedelta(days=1))) >= days_after(first.c.at, literal(0.0)),
    )
    return (
        select(
            first.c.learner_id,
            first.c.day,
            func.min(first.c.at, type_=UtcDateTime).label("at"),
            func.max(func.coalesce(told.c.sign, 0)).label("is_caused"),
        )
        .select_from(first.outerjoin(told, in_time))
        .group_by(first.c.learner_id, first.c.day)
        .subquery("visit")
    )


def was_there(item_ids: Sequence[int], *, since: datetime, until: datetime) -> ColumnElement[bool]:
    """Whether a row of ``activity`` is something a learner did on these items, after ``since`` up to ``until``."""
    return and_(
        activity.c.item_id.in_(item_ids),
        activity.c.voided_at.is_(None),
        activity.c.verb.not_in(NOT_ACTIVE_VERBS),
        activity.c.occurred_at > since,
        activity.c.occurred_at <= until,
    )


def _first_deeds(
    zones: Iterable[str],
    *,
    item_ids: Sequence[int],
    days: Sequence[date],
    timezone: str,
    as_of: datetime,
    among: Among | None,
) -> Subquery:
    rows = [
        (zone, day.toordinal(), *day_bounds(zone if timing.known(zone) else timezone, day))
        for zone in zones
        for day in days
    ]
    window = table_of(
        "local_day",
        [column("zone", String), column("day", Integer), column("low", UtcDateTime()), column("high", UtcDateTime())],
        rows or [("", *_NEVER)],
    )
    low = min((each[2] for each in rows), default=_NEVER[1])
    in_day = and_(
        window.c.zone == func.coalesce(learner.c.timezone, ""),
        activity.c.occurred_at >= window.c.low,
        activity.c.occurred_at < window.c.high,
    )
    statement = (
        select(
            activity.c.learner_id,
            window.c.day,
            func.min(activity.c.occurred_at, type_=UtcDateTime).label("at"),
        )
        .select_from(activity.join(learner, learner.c.id == activity.c.learner_id).join(window, in_day))
        .where(was_there(item_ids, since=low - timedelta(seconds=1), until=as_of))
        .group_by(activity.c.learner_id, window.c.day)
    )
    return (statement if among is None else statement.where(among(activity.c.learner_id))).subquery("first_deed")


def _told(campaign_id: int, *, days: Sequence[date], as_of: datetime, among: Among | None) -> Subquery:
    """When learners were written to, or followed a link."""
    earliest = min(days, default=date(1, 1, 4)) - timedelta(days=3)
    since = datetime(earliest.year, earliest.month, earliest.day, tzinfo=UTC) if days else _NEVER[1]
    at = func.coalesce(handover.c.send_at, handover.c.as_of, type_=UtcDateTime)
    written = (
        select(contact.c.learner_id, at.label("at"), literal(1, Integer).label("sign"))
        .join(handover, handover.c.id == contact.c.handover_id)
        .where(contact.c.local_day >= earliest.toordinal(), handover.c.diverted_to.is_(None), at <= as_of)
    )
    followed = select(
        delivery_event.c.learner_id, delivery_event.c.occurred_at.label("at"), literal(1, Integer).label("sign")
    ).where(
        delivery_event.c.campaign_id == campaign_id,
        delivery_event.c.kind == EventKind.CLICKED.value,
        delivery_event.c.occurred_at >= since,
        delivery_event.c.occurred_at <= as_of,
    )
    if among is not None:
        written = written.where(among(contact.c.learner_id))
        followed = followed.where(among(delivery_event.c.learner_id))
    return union_all(written, followed).subquery("told")
