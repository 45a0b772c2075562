"""Reads what speaks for a barrier (:mod:`pushpull.learners.barriers`) of many learners at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, and_, case, false, func, or_, select

from pushpull.catalogue.tables import item
from pushpull.learners.barriers import Behaviour, hypothesis_of
from pushpull.learners.habit import is_zone
from pushpull.learners.lists import in_ids
from pushpull.learners.signature.events import WINDOW, Visit, visits
from pushpull.learners.signature.evidence import Traces
from pushpull.learners.tables import activity, progress
from pushpull.learners.verbs import FAILING_VERBS, OPENING_VERBS, SESSION_ENDING_VERBS
from pushpull.learners.vocabulary import Barrier

#: Levels of what is for beginners, as catalogues call them.
BASIC_LEVELS: Final = ("basic", "basics", "beginner", "beginners", "entry", "introduction", "introductory", "novice")
#: Formats in which somebody can fail.
QUIZ_FORMATS: Final = ("assessment", "exam", "quiz", "test")
_SHORT: Final = 10.0
_FAST, _WELL = 0.5, 0.9


def infer_barriers(
    connection: Connection, traces: Sequence[Traces], *, as_of: datetime
) -> dict[int, tuple[Barrier, float]]:
    """The barrier that behaviour speaks for, by learner, with the confidence in it; who has none is left out.

    Args:
        traces: what the learners left behind, in the order of their ids.
        as_of: aware; what is later does not count.
    """
    counted = _counted(connection, [each.learner_id for each in traces], as_of=as_of)
    found = {}
    for each in traces:
        seen = hypothesis_of(_behaviour(each, counted.get(each.learner_id, {}), as_of=as_of))
        if seen is not None:
            found[each.learner_id] = seen
    return found


def _behaviour(traces: Traces, counted: Mapping[str, int], *, as_of: datetime) -> Behaviour:
    came = [] if counted.get("finished") else visits(traces.doings, as_of=as_of)  # the rules ask for no more
    return Behaviour(
        reached=sum(each.weight for each in traces.sent),
        answered=sum(each.answered for each in traces.sent),
        visits=len(came),
        short_visits=sum(each.length is not None and each.length < _SHORT for each in came),
        visits_at_work=_at_work(came, traces.zone),
        **counted,
    )


def _at_work(came: Iterable[Visit], zone: str | None) -> int:
    if zone is None or not is_zone(zone):
        return sum(1 for _ in came)
    local = [each.at.astimezone(ZoneInfo(zone)) for each in came]
    return sum(each.weekday() < 5 and 8 <= each.hour < 18 for each in local)


def _counted(connection: Connection, learner_ids: Sequence[int], *, as_of: datetime) -> dict[int, dict[str, int]]:
    """The counts of :class:`Behaviour` that are about items, by learner."""
    if not learner_ids:
        return {}
    since = as_of - WINDOW
    recent = and_(
        in_ids(activity.c.learner_id, learner_ids),
        activity.c.occurred_at.between(since, as_of),
        activity.c.voided_at.is_(None),
        activity.c.item_id.is_not(None),
    )
    failed = or_(
        activity.c.verb.in_(FAILING_VERBS),
        and_(activity.c.verb.in_(SESSION_ENDING_VERBS), activity.c.success == false()),
    )
    done = (
        select(
            activity.c.learner_id,
            activity.c.item_id,
            func.sum(activity.c.minutes).label("minutes"),
            func.count(case((failed, 1))).label("failed"),
            func.count(case((activity.c.verb.in_(OPENING_VERBS), 1))).label("opened"),
        )
        .where(recent)
        .group_by(activity.c.learner_id, activity.c.item_id)
        .subquery("done")
    )
    is_finished = progress.c.completed_at <= as_of
    is_open = or_(progress.c.completed_at.is_(None), progress.c.completed_at > as_of)
    is_begun = and_(progress.c.started_at <= as_of, is_open)
    is_quiz = func.lower(item.c.format).in_(QUIZ_FORMATS)
    is_easy = and_(
        is_finished,
        progress.c.score >= _WELL,
        item.c.minutes > 0,
        done.c.minutes > 0,
        done.c.minutes <= _FAST * item.c.minutes,
    )
    mine = and_(progress.c.learner_id == done.c.learner_id, progress.c.item_id == done.c.item_id)
    rows = connection.execute(
        select(
            done.c.learner_id,
            _number(is_begun).label("begun"),
            _number(is_finished).label("finished"),
            func.sum(case((is_open, done.c.failed), else_=0)).label("failed_tries"),
            func.sum(case((and_(is_open, is_quiz), done.c.opened), else_=0)).label("quiz_openings"),
            _number(and_(is_finished, is_quiz)).label("finished_quizzes"),
            _number(is_easy).label("easy_finishes"),
            _number(and_(is_begun, func.lower(item.c.level).in_(BASIC_LEVELS))).label("left_basics"),
        )
        .select_from(done.join(item, item.c.id == done.c.item_id).outerjoin(progress, mine))
        .group_by(done.c.learner_id)
    )
    return {row.learner_id: {name: int(row[at]) for at, name in enumerate(row._fields) if at} for row in rows}


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))
