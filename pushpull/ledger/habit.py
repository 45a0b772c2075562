"""The habit stage: who wants a nudge a day or a reminder at a cue, and who needs none today (missions H1 to H3).

A learner gets at most one message of the stage on a local day, over all campaigns, and none at all

- who did not ask for it, or takes it back before it is sent;
- on their rest days, for the daily nudge; a plan names its days itself;
- once the day's two minutes are done, be it before planning or between planning and sending.

The daily nudge fades with success. The seven days before today were a week of habit when the two minutes were done on
five of them, and on two of these without a message of the stage. After such a week the nudge comes every other day at
most; after two in a row, once a week at most; when it was no such week, every day again. Nothing here knows a goal
above :data:`pushpull.learners.habit.TWO_MINUTES`. (A prompt is withdrawn as a habit forms, so that the situation sets
it off and not the message: W. Wood & D. Rünger, "Psychology of habit", Annual Review of Psychology 67, 2016, 289-314.
The numbers are ours.)

It fades without an answer too: after five days with a message and no sign of the learner it comes once a week at most,
and the eighth is the last and says so. Whatever they learn, or choose on their page, begins afresh.

What lives here are these rules as SQL. When a cue comes is :mod:`pushpull.ledger.cues`; what a day is worth,
:mod:`pushpull.learners.habit`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
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
    literal,
    or_,
    select,
)

from pushpull.db import UtcDateTime, table_of
from pushpull.learners.habit import WEEKEND, is_learning, is_met
from pushpull.learners.tables import activity, learner, learner_choice
from pushpull.learners.verbs import NOT_ACTIVE_VERBS
from pushpull.ledger.cues import has_reminder, is_reminded_now
from pushpull.ledger.specs import HABIT_STAGE, WaveSpec
from pushpull.ledger.spread import day_bounds, place_of
from pushpull.ledger.tables import contact, handover, wave
from pushpull.ledger.terms import Terms
from pushpull.ledger.timing import local_day
from pushpull.ledger.vocabulary import Reason

#: So many days met make a week of habit …
HABITUAL_DAYS: Final = 5
#: … of which so many without a message: on the others nobody knows whether it was needed.
DAYS_ALONE: Final = 2
#: So many messages in a row without an answer, and nudges come once a week …
RARE_AFTER: Final = 5
#: … or not at all any more.
STOPS_AFTER: Final = 8
#: Days from one nudge to the next: for everybody, after one week of habit, after two.
EVERY_DAY, EVERY_OTHER_DAY, EVERY_WEEK = 1, 2, 7

_WEEK: Final = 7
_LOOKED_BACK: Final = 2 * _WEEK

Among = Callable[[ColumnElement[int]], ColumnElement[bool]]


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


@dataclass(frozen=True)
class HabitRules:
    """The rules of the stage for one wave at one moment.

    Args:
        joins: what a statement over ``learner`` must outer-join, each with its condition, in order.
        reasons: why a learner gets nothing.
    """

    joins: tuple[tuple[FromClause, ColumnElement[bool]], ...]
    reasons: tuple[tuple[ColumnElement[bool], Reason], ...]

    def joined_to(self, source: FromClause) -> FromClause:
        """The source with all that the reasons need."""
        for each, condition in self.joins:
            source = source.outerjoin(each, condition)
        return source


def habit_rules(
    rules: Terms, zones: Collection[str], *, days: Mapping[str, date] | None = None, among: Among | None = None
) -> HabitRules:
    """What speaks against a message of the stage.

    Args:
        rules: of a wave with :attr:`WaveSpec.is_habit`.
        zones: as learners have them; "" is unknown.
        days: while planning, the local date of the message by zone. None: the message is about to leave, and it is
            the date of ``rules.as_of``.
        among: narrows what is read to the learners of a batch.
    """
    spec = rules.spec
    on = days or {zone: local_day(rules.as_of, place_of(zone, spec)) for zone in zones}
    today = _today(on)
    practice, told = _practice(rules, on, among), _told(rules, on, among)
    joins: list[tuple[FromClause, ColumnElement[bool]]] = [
        (today, today.c.zone == func.coalesce(learner.c.timezone, "")),
        (practice, practice.c.learner_id == learner.c.id),
        (told, told.c.learner_id == learner.c.id),
    ]
    reasons: list[tuple[ColumnElement[bool], Reason]] = [
        (practice.c.met_today > 0, Reason.GOAL_MET),
        (told.c.last_day > today.c.ordinal - literal(EVERY_DAY, Integer), Reason.NUDGED_TODAY),
    ]
    if spec.daily_goal:
        choice, unanswered = _rest_days(among), _unanswered(rules, among)
        joins += [
            (choice, choice.c.learner_id == learner.c.id),
            (unanswered, unanswered.c.learner_id == learner.c.id),
        ]
        reasons += [
            (func.coalesce(choice.c.rest_days, WEEKEND).bitwise_and(today.c.bit) != 0, Reason.RESTING),
            (unanswered.c.messages >= STOPS_AFTER, Reason.UNANSWERED),
            (told.c.last_day > today.c.ordinal - _gap(practice, unanswered), Reason.FADING),
        ]
    # Asked while planning too: a cohort that somebody chose by hand may hold learners who never asked for it.
    is_about_to_leave = spec.at_cue and days is None
    still = is_reminded_now(rules, zones) if is_about_to_leave else wants(spec.model_copy(update={"cues_first": False}))
    reasons.insert(0, (~still, Reason.NO_LONGER_IN_SEGMENT))
    return HabitRules(tuple(joins), tuple(reasons))


def last_nudges(rules: Terms, among: Among) -> Select[tuple[int]]:
    """For whom of a batch the nudge of this wave is the last one, unless they answer: ids of learners."""
    unanswered = _unanswered(rules, among, besides=rules.spec.key)
    return select(unanswered.c.learner_id).where(unanswered.c.messages == STOPS_AFTER - 1)


def _gap(practice: FromClause, unanswered: FromClause) -> ColumnElement[int]:
    """Days that must lie between two nudges."""
    habitual = and_(practice.c.met >= HABITUAL_DAYS, practice.c.alone >= DAYS_ALONE)
    before = and_(practice.c.met_before >= HABITUAL_DAYS, practice.c.alone_before >= DAYS_ALONE)
    return case(
        (or_(and_(habitual, before), unanswered.c.messages >= RARE_AFTER), EVERY_WEEK),
        (habitual, EVERY_OTHER_DAY),
        else_=EVERY_DAY,
    )


def _today(on: Mapping[str, date]) -> CTE:
    """``habit_today(zone, ordinal, bit)``: the learner's day, and its weekday as a bit."""
    columns = [column("zone", String), column("ordinal", Integer), column("bit", Integer)]
    return table_of("habit_today", columns, [(zone, on[zone].toordinal(), 1 << on[zone].weekday()) for zone in on])


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


def _practice(rules: Terms, on: Mapping[str, date], among: Among | None) -> FromClause:
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
    told = _messages(rules, on, among).subquery("days_told")
    alone = told.c.learner_id.is_(None)

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
                told, and_(told.c.learner_id == days_met.c.learner_id, told.c.local_day == days_met.c.ordinal)
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


def _told(rules: Terms, on: Mapping[str, date], among: Among | None) -> FromClause:
    """``told(learner_id, last_day)``: the ordinal of the last of those days."""
    days = _messages(rules, on, among).subquery("messages")
    last = select(days.c.learner_id, func.max(days.c.local_day).label("last_day")).group_by(days.c.learner_id)
    return last.subquery("told")


def _unanswered(rules: Terms, among: Among | None, *, besides: str = "") -> FromClause:
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


def _rest_days(among: Among | None) -> FromClause:
    statement = select(learner_choice.c.learner_id, learner_choice.c.rest_days)
    return (statement if among is None else statement.where(among(learner_choice.c.learner_id))).subquery("rest")
