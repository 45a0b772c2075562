"""What learners of the habit stage did and were told on the days before, as SQL for the rules of the stage.

The rules themselves are :mod:`pushpull.ledger.habit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    String,
    and_,
    case,
    column,
    distinct,
    func,
    or_,
    select,
)

from pushpull.db import UtcDateTime, table_of
from pushpull.learners.habit import is_learning, is_met
from pushpull.learners.tables import activity, learner, learner_choice
from pushpull.learners.verbs import NOT_ACTIVE_VERBS
from pushpull.ledger.cues import has_reminder
from pushpull.ledger.specs import HABIT_STAGE, WaveSpec
from pushpull.ledger.spread import day_bounds, place_of
from pushpull.ledger.tables import contact, handover, wave
from pushpull.ledger.terms import Among, Terms

_WEEK: Final = 7
_LOOKED_BACK: Final = 2 * _WEEK


def wants(spec: WaveSpec) -> ColumnElement[bool]:
    """Whether a learner asked for the messages of a wave of the stage on its day."""
    if spec.at_cue:
        return has_reminder(spec.on)
    asked = (
        select(learner_choice.c.learner_id)
        .where(learner_choice.c.learner_id == learner.c.id, learner_choice.c.wants_habit)
        .correlate(learner)
        .exists()
    )
    return and_(asked, ~has_reminder(spec.on)) if spec.cues_first else asked


def _days(rules: Terms, on: Mapping[str, date]) -> CTE:
    """``habit_day(zone, ago, ordinal, starts_at, ends_at)``: that day and those before it, as far as they matter."""
    columns = [
        column("zone", String),
        column("ago", Integer),
        column("ordinal", Integer),
        column("starts_at", UtcDateTime()),
        column("ends_at", UtcDateTime()),
    ]
    back = _LOOKED_BACK if rules.spec.daily_goal else 0
    rows = []
    for zone, today in on.items():
        for ago in range(back + 1):
            day = today - timedelta(days=ago)
            rows.append((zone, ago, day.toordinal(), *day_bounds(place_of(zone, rules.spec), day)))
    return table_of("habit_day", columns, rows)


def practice(rules: Terms, on: Mapping[str, date], among: Among | None) -> FromClause:
    """``practice(learner_id, met_today, met, alone, met_before, alone_before)``: days met, of those who met any."""
    day = _days(rules, on)
    earliest = min(each - timedelta(days=_LOOKED_BACK + 2) for each in on.values())
    met: Select[Any] = (
        select(activity.c.learner_id, day.c.ago, day.c.ordinal)
        .select_from(
            activity.join(learner, learner.c.id == activity.c.learner_id).join(
                day,
                and_(
                    day.c.zone == func.coalesce(learner.c.timezone, ""),
                    activity.c.occurred_at >= day.c.starts_at,
                    activity.c.occurred_at < day.c.ends_at,
                ),
            )
        )
        .where(
            wants(rules.spec) if among is None else among(activity.c.learner_id),
            activity.c.occurred_at <= rules.as_of,
            # No day of any zone begins earlier: without it all that learners ever did is read.
            activity.c.occurred_at >= day_bounds("UTC", earliest)[0],
            is_learning(),
        )
        .group_by(activity.c.learner_id, day.c.ago, day.c.ordinal)
        .having(is_met())
    )
    days_met = met.subquery("days_met")
    days_told = _messages(rules, on, among).subquery("days_told")
    alone = days_told.c.learner_id.is_(None)

    def counted(first: int, last: int, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((and_(days_met.c.ago.between(first, last), *conditions), 1), else_=0))

    return (
        select(
            days_met.c.learner_id,
            counted(0, 0).label("met_today"),
            counted(1, _WEEK).label("met"),
            counted(1, _WEEK, alone).label("alone"),
            counted(_WEEK + 1, _LOOKED_BACK).label("met_before"),
            counted(_WEEK + 1, _LOOKED_BACK, alone).label("alone_before"),
        )
        .select_from(
            days_met.outerjoin(
                days_told,
                and_(days_told.c.learner_id == days_met.c.learner_id, days_told.c.local_day == days_met.c.ordinal),
            )
        )
        .group_by(days_met.c.learner_id)
        .subquery("practice")
    )


def _messages(rules: Terms, on: Mapping[str, date], among: Among | None) -> Select[tuple[int, int]]:
    """The local days on which learners may have got a message of the stage, of any campaign.

    The attention budget's book has them: entered when a message is handed over, struck out when it was not sent.
    """
    earliest = min(on.values()).toordinal() - _LOOKED_BACK
    stage = handover.join(wave, and_(wave.c.id == handover.c.wave_id, wave.c.stage == HABIT_STAGE))
    statement = (
        select(contact.c.learner_id, contact.c.local_day)
        .select_from(contact.join(stage, handover.c.id == contact.c.handover_id))
        .where(contact.c.local_day >= earliest)
        .distinct()
    )
    if among is not None:
        return statement.where(among(contact.c.learner_id))
    asked = select(learner.c.id).where(learner.c.id == contact.c.learner_id, wants(rules.spec)).correlate(contact)
    return statement.where(asked.exists())


def last_told(rules: Terms, on: Mapping[str, date], among: Among | None) -> FromClause:
    """``told(learner_id, last_day)``: the ordinal of the last of those days."""
    days = _messages(rules, on, among).subquery("messages")
    last = select(days.c.learner_id, func.max(days.c.local_day).label("last_day")).group_by(days.c.learner_id)
    return last.subquery("told")


def unanswered(rules: Terms, among: Among | None, *, besides: str = "") -> FromClause:
    """``unanswered(learner_id, messages)``: days with a message of the stage since the learner last gave a sign.

    A sign is whatever they did, be it only to open something, and every choice on their page.

    Args:
        besides: the key of a wave of the campaign that does not count.
    """
    last_active = (
        select(activity.c.occurred_at)
        .where(
            activity.c.learner_id == learner_choice.c.learner_id,
            activity.c.occurred_at <= rules.as_of,
            activity.c.voided_at.is_(None),
            activity.c.verb.not_in(NOT_ACTIVE_VERBS),
        )
        .order_by(activity.c.occurred_at.desc())
        .limit(1)
        .correlate(learner_choice)
        .scalar_subquery()
    )
    asked = learner_choice.c.wants_habit if among is None else among(learner_choice.c.learner_id)
    # Written down once: in the join below the last activity would be looked up again for every message.
    sign = (
        select(learner_choice.c.learner_id, learner_choice.c.updated_at, last_active.label("active_at"))
        .where(asked)
        .cte("sign")
        .prefix_with("MATERIALIZED")
    )
    of_stage = and_(wave.c.id == handover.c.wave_id, wave.c.stage == HABIT_STAGE)
    counts = [
        handover.c.as_of > sign.c.updated_at,
        or_(sign.c.active_at.is_(None), handover.c.as_of > sign.c.active_at),
    ]
    if among is not None:  # the database does not see that the messages of a batch are those of its learners
        counts.append(among(contact.c.learner_id))
    if besides:
        counts.append(or_(wave.c.campaign_id != rules.campaign_id, wave.c.key != besides))
    return (
        select(contact.c.learner_id, func.count(distinct(contact.c.local_day)).label("messages"))
        .select_from(
            contact.join(sign, sign.c.learner_id == contact.c.learner_id)
            .join(handover, handover.c.id == contact.c.handover_id)
            .join(wave, of_stage)
        )
        .where(*counts)
        .group_by(contact.c.learner_id)
        .subquery("unanswered")
    )
