"""Efforts that are thanked for in public, found in what learners did (mission H10).

Looked at are the last :data:`LOOKS_BACK`, of those who want to be named:

- ``finished``: everything the campaign asks for;
- ``came_back``: active again after :data:`SILENCE` or more without a sign in this campaign;
- ``helped``: a colleague used something that they shared (see :mod:`pushpull.learners.shares`);
- ``first_week``: the two minutes of :mod:`pushpull.learners.habit` on three local days of one week.

Who is thanked, and when again, lives in :mod:`pushpull.learners.recognitions`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Select,
    String,
    Subquery,
    and_,
    cast,
    column,
    func,
    literal,
    null,
    select,
    table,
    union_all,
)

from pushpull.db import UtcDateTime, days_after, table_of
from pushpull.learners.habit import day_of, is_learning, is_met, week_of
from pushpull.learners.shares import is_credited
from pushpull.learners.tables import activity, learner, learner_choice, lifecycle, referral, share
from pushpull.learners.verbs import NOT_ACTIVE_VERBS
from pushpull.learners.vocabulary import RecognitionKind

LOOKS_BACK: Final = timedelta(days=14)
#: At least so long without a sign in the campaign is an absence.
SILENCE: Final = timedelta(days=14)
#: So many days with two minutes make a first week.
DAYS_OF_A_WEEK: Final = 3

#: What is thanked for first where somebody earned several.
_ORDER: Final = (
    RecognitionKind.FINISHED,
    RecognitionKind.CAME_BACK,
    RecognitionKind.HELPED,
    RecognitionKind.FIRST_WEEK,
)

# A campaign belongs to the ledger, a floor above: only these columns of it are known here.
_campaign_item = table("campaign_item", column("campaign_id"), column("item_id"))


def efforts_in(campaign_id: int, zones: Collection[str], *, now: datetime, default: str) -> Subquery:
    """``effort(learner_id, kind, amount, place)``: what people did in a campaign; the lower place is thanked for first.

    Args:
        zones: as the learners have them.
        now: aware.
        default: the organisation's zone, for learners whose zone is unknown.
    """
    return union_all(
        _finished(campaign_id, now),
        _came_back(campaign_id, now),
        _helped(campaign_id),
        _first_week(campaign_id, _days(zones, now=now, default=default), now),
    ).subquery("effort")


def _effort(
    kind: RecognitionKind, who: ColumnElement[int], amount: ColumnElement[Any] | None = None
) -> tuple[ColumnElement[Any], ...]:
    return (
        who.label("learner_id"),
        literal(kind.value, String).label("kind"),
        cast(null() if amount is None else amount, Integer).label("amount"),
        literal(_ORDER.index(kind), Integer).label("place"),
    )


def _of_campaign(campaign_id: int, item_id: ColumnElement[int]) -> ColumnElement[bool]:
    return item_id.in_(select(_campaign_item.c.item_id).where(_campaign_item.c.campaign_id == campaign_id))


def _wanting(who: ColumnElement[int]) -> ColumnElement[bool]:
    """Few people want it: what others did need not be looked at."""
    return who.in_(select(learner_choice.c.learner_id).where(learner_choice.c.wants_recognition))


def _finished(campaign_id: int, now: datetime) -> Select[Any]:
    return select(*_effort(RecognitionKind.FINISHED, lifecycle.c.learner_id)).where(
        lifecycle.c.campaign_id == campaign_id,
        lifecycle.c.completed_at > now - LOOKS_BACK,
        lifecycle.c.completed_at <= now,
    )


def _came_back(campaign_id: int, now: datetime) -> Select[Any]:
    was_there = and_(
        _of_campaign(campaign_id, activity.c.item_id),
        _wanting(activity.c.learner_id),
        activity.c.voided_at.is_(None),
        activity.c.verb.not_in(NOT_ACTIVE_VERBS),
        activity.c.occurred_at <= now,
    )
    since = now - LOOKS_BACK  # no longer than the silence: so that there is one return in it at most
    returned = (
        select(activity.c.learner_id, func.min(activity.c.occurred_at, type_=UtcDateTime()).label("at"))
        .where(was_there, activity.c.occurred_at > since)
        .group_by(activity.c.learner_id)
        .subquery("returned")
    )
    left = (
        select(activity.c.learner_id, func.max(activity.c.occurred_at, type_=UtcDateTime()).label("at"))
        .where(was_there, activity.c.occurred_at <= since)
        .group_by(activity.c.learner_id)
        .subquery("left_at")
    )
    return (
        select(*_effort(RecognitionKind.CAME_BACK, returned.c.learner_id))
        .join(left, left.c.learner_id == returned.c.learner_id)
        .where(days_after(left.c.at, literal(SILENCE.days, Integer)) <= returned.c.at)
    )


def _helped(campaign_id: int) -> Select[Any]:
    amount = func.count(referral.c.learner_id.distinct())
    return (
        select(*_effort(RecognitionKind.HELPED, share.c.learner_id, amount))
        .select_from(share.join(referral, referral.c.share_id == share.c.id))
        .where(_of_campaign(campaign_id, share.c.item_id), _wanting(share.c.learner_id), is_credited())
        .group_by(share.c.learner_id)
    )


def _first_week(campaign_id: int, days: CTE, now: datetime) -> Select[Any]:
    met = (
        select(activity.c.learner_id, days.c.week, days.c.starts_at)
        .select_from(
            activity.join(learner, learner.c.id == activity.c.learner_id).join(
                days,
                and_(
                    days.c.zone == func.coalesce(learner.c.timezone, ""),
                    activity.c.occurred_at >= days.c.starts_at,
                    activity.c.occurred_at < days.c.ends_at,
                ),
            )
        )
        .where(
            _of_campaign(campaign_id, activity.c.item_id),
            _wanting(activity.c.learner_id),
            activity.c.occurred_at <= now,
            is_learning(),
        )
        .group_by(activity.c.learner_id, days.c.week, days.c.starts_at)
        .having(is_met())
        .subquery("met")
    )
    weeks = (
        select(met.c.learner_id, func.count().label("days"))
        .group_by(met.c.learner_id, met.c.week)
        .having(func.count() >= DAYS_OF_A_WEEK)
        .subquery("weeks")
    )
    most = func.max(weeks.c.days)
    return select(*_effort(RecognitionKind.FIRST_WEEK, weeks.c.learner_id, most)).group_by(weeks.c.learner_id)


def _days(zones: Collection[str], *, now: datetime, default: str) -> CTE:
    """``days(zone, week, starts_at, ends_at)``: the local days of this week and the one before, for each zone."""
    columns = [
        column("zone", String),
        column("week", Integer),
        column("starts_at", UtcDateTime()),
        column("ends_at", UtcDateTime()),
    ]
    rows: list[tuple[str, int, datetime, datetime]] = []
    for zone in sorted({*zones, ""}):
        place = zone or default
        this_monday, at = week_of(now, place)
        for back in range(14):
            start, end = day_of(at - timedelta(hours=1), place)
            rows.append((zone, back // 7, start, end))
            at = start
        assert at <= this_monday
    return table_of("days", columns, rows)
