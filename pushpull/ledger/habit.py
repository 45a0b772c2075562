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

What lives here are these rules as SQL. What learners did and were told before is :mod:`pushpull.ledger.practice`; when
a cue comes, :mod:`pushpull.ledger.cues`; what a day is worth, :mod:`pushpull.learners.habit`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

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
    func,
    literal,
    or_,
    select,
)

from pushpull.db import table_of
from pushpull.learners.habit import WEEKEND
from pushpull.learners.tables import learner, learner_choice
from pushpull.ledger.cues import is_reminded_now
from pushpull.ledger.practice import last_told, practice, unanswered, wants
from pushpull.ledger.spread import place_of
from pushpull.ledger.terms import Among, Terms
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
    done, told = practice(rules, on, among), last_told(rules, on, among)
    joins: list[tuple[FromClause, ColumnElement[bool]]] = [
        (today, today.c.zone == func.coalesce(learner.c.timezone, "")),
        (done, done.c.learner_id == learner.c.id),
        (told, told.c.learner_id == learner.c.id),
    ]
    reasons: list[tuple[ColumnElement[bool], Reason]] = [
        (done.c.met_today > 0, Reason.GOAL_MET),
        (told.c.last_day > today.c.ordinal - literal(EVERY_DAY, Integer), Reason.NUDGED_TODAY),
    ]
    if spec.daily_goal:
        choice, silence = _rest_days(among), unanswered(rules, among)
        joins += [
            (choice, choice.c.learner_id == learner.c.id),
            (silence, silence.c.learner_id == learner.c.id),
        ]
        reasons += [
            (func.coalesce(choice.c.rest_days, WEEKEND).bitwise_and(today.c.bit) != 0, Reason.RESTING),
            (silence.c.messages >= STOPS_AFTER, Reason.UNANSWERED),
            (told.c.last_day > today.c.ordinal - _gap(done, silence), Reason.FADING),
        ]
    # Asked while planning too: a cohort that somebody chose by hand may hold learners who never asked for it.
    is_about_to_leave = spec.at_cue and days is None
    still = is_reminded_now(rules, zones) if is_about_to_leave else wants(spec.model_copy(update={"cues_first": False}))
    reasons.insert(0, (~still, Reason.NO_LONGER_IN_SEGMENT))
    return HabitRules(tuple(joins), tuple(reasons))


def last_nudges(rules: Terms, among: Among) -> Select[tuple[int]]:
    """For whom of a batch the nudge of this wave is the last one, unless they answer: ids of learners."""
    silence = unanswered(rules, among, besides=rules.spec.key)
    return select(silence.c.learner_id).where(silence.c.messages == STOPS_AFTER - 1)


def _gap(done: FromClause, silence: FromClause) -> ColumnElement[int]:
    """Days that must lie between two nudges."""
    habitual = and_(done.c.met >= HABITUAL_DAYS, done.c.alone >= DAYS_ALONE)
    before = and_(done.c.met_before >= HABITUAL_DAYS, done.c.alone_before >= DAYS_ALONE)
    return case(
        (or_(and_(habitual, before), silence.c.messages >= RARE_AFTER), EVERY_WEEK),
        (habitual, EVERY_OTHER_DAY),
        else_=EVERY_DAY,
    )


def _today(on: Mapping[str, date]) -> CTE:
    """``habit_today(zone, ordinal, bit)``: the learner's day, and its weekday as a bit."""
    columns = [column("zone", String), column("ordinal", Integer), column("bit", Integer)]
    return table_of("habit_today", columns, [(zone, on[zone].toordinal(), 1 << on[zone].weekday()) for zone in on])


def _rest_days(among: Among | None) -> FromClause:
    statement = select(learner_choice.c.learner_id, learner_choice.c.rest_days)
    return (statement if among is None else statement.where(among(learner_choice.c.learner_id))).subquery("rest")
