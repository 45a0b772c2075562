"""From a segment to SQL: one boolean expression over ``learner``.

Every condition is two-valued (true or false, never null), so that ``not`` means everybody else. Other tables are
reached by correlated ``EXISTS``: PostgreSQL plans them as hash semi- and anti-joins where they stand in a
conjunction, and as index look-ups inside an ``any``; ``IN (subquery)`` under a ``not`` would fall off a cliff as soon
as the subquery outgrows ``work_mem``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Exists,
    Select,
    Table,
    and_,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from pushpull.catalogue.tables import item
from pushpull.learners.lists import in_texts
from pushpull.learners.segments.fields import Kind, SegmentError
from pushpull.learners.segments.nodes import (
    ANY_ITEM,
    CAMPAIGN_ITEMS,
    NO_PROGRESS,
    ActivityRule,
    AllOf,
    AnyNode,
    AnyOf,
    ByActivity,
    ByField,
    ByInactivity,
    ByLifecycle,
    ByProfile,
    ByProgress,
    ByTag,
    Everyone,
    InactiveRule,
    Not,
    ProgressRule,
)
from pushpull.learners.segments.segment import Segment
from pushpull.learners.tables import activity, learner, learner_tag, lifecycle, profile_fact, progress
from pushpull.learners.verbs import NOT_ACTIVE_VERBS
from pushpull.learners.vocabulary import LearnerState, ProgressStatus

#: Longer lists travel as one JSON value: databases limit the number of bound values.
_LONG_LIST = 100

_OPEN_PROGRESS = (ProgressStatus.ASSIGNED, ProgressStatus.STARTED, ProgressStatus.FAILED)


@dataclass(frozen=True, slots=True)
class SegmentContext:
    """Where and when a segment is asked.

    Args:
        campaign_id: the campaign; None outside of one, where ``lifecycle`` cannot be asked.
        item_ids: the campaign's items.
        as_of: the instant (aware); what happened later is not seen.
    """

    campaign_id: int | None
    item_ids: tuple[int, ...]
    as_of: datetime


def compile_segment(segment: Segment, context: SegmentContext) -> ColumnElement[bool]:
    """The condition that is true for the learners of the segment, to be used in a statement over ``learner``.

    Raises:
        SegmentError: the segment asks for something that the context does not have.
    """
    return _condition(segment.root, context)


def _condition(node: AnyNode, context: SegmentContext) -> ColumnElement[bool]:  # noqa: PLR0911  (a table of nodes)
    match node:
        case Everyone():
            return true()
        case AllOf(all=parts):
            return and_(true(), *(_condition(part, context) for part in parts))
        case AnyOf(any=parts):
            return or_(false(), *(_condition(part, context) for part in parts))
        case Not(part=part):
            return not_(_condition(part, context))
        case ByField():
            return _by_field(node)
        case ByTag():
            return _of_learner(learner_tag, _among(learner_tag.c.tag, node.tags))
        case ByProfile():
            said = [_among(profile_fact.c.value, node.values)] if node.values else []
            return _of_learner(profile_fact, profile_fact.c.kind == node.profile, *said)
        case ByLifecycle():
            return _by_lifecycle(node, context)
        case ByActivity(activity=rule):
            return _by_activity(rule, context)
        case ByProgress(progress=rule):
            return _by_progress(rule, context)
        case ByInactivity(inactive_days=rule):
            return _by_inactivity(rule, context)


def _of_learner(table: Table, *conditions: ColumnElement[bool]) -> Exists:
    """There is a row of this learner for which the conditions hold."""
    return exists(select(literal(1)).where(table.c.learner_id == learner.c.id, *conditions).correlate(learner))


def _among(column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    if len(values) > _LONG_LIST and all(isinstance(value, str) for value in values):
        return in_texts(column, values)
    return column.in_(values)


def _by_field(node: ByField) -> ColumnElement[bool]:
    column = learner.c[node.known.column]
    if node.is_set is not None:
        return column.is_not(None) if node.is_set else column.is_(None)
    if node.known.kind is Kind.TRUTH:
        return column.is_(bool(node.is_))
    compared: ColumnElement[bool]
    if node.in_ is not None:
        compared = _among(column, node.in_)
    elif node.prefix is not None:
        # Not LIKE: SQLite's does not tell upper from lower case.
        compared = func.substr(column, 1, len(node.prefix)) == node.prefix
    elif node.before is not None:
        compared = column < node.before
    elif node.after is not None:
        compared = column > node.after
    else:
        compared = column == node.is_
    return compared if not column.nullable else and_(column.is_not(None), compared)


def _by_lifecycle(node: ByLifecycle, context: SegmentContext) -> ColumnElement[bool]:
    if context.campaign_id is None:
        raise SegmentError(("lifecycle",), "a lifecycle state belongs to a campaign, and none is given here")
    row = lifecycle.c.campaign_id == context.campaign_id
    if LearnerState.UNAWARE in node.lifecycle:  # who has no row is unaware
        return not_(_of_learner(lifecycle, row, lifecycle.c.state.not_in(node.lifecycle)))
    return _of_learner(lifecycle, row, lifecycle.c.state.in_(node.lifecycle))


def _on_item(column: ColumnElement[Any], key: str, context: SegmentContext) -> list[ColumnElement[bool]]:
    """Which item a row must be about."""
    if key == ANY_ITEM:
        return []
    if key == CAMPAIGN_ITEMS:
        return [_among(column, context.item_ids) if context.item_ids else false()]
    return [column == select(item.c.id).where(item.c.key == key).scalar_subquery()]


def _seen(item_key: str, verbs: Sequence[str] | None, context: SegmentContext) -> list[ColumnElement[bool]]:
    """The activity that counts, up to now."""
    return [
        activity.c.voided_at.is_(None),
        activity.c.occurred_at <= context.as_of,
        _among(activity.c.verb, verbs) if verbs else activity.c.verb.not_in(NOT_ACTIVE_VERBS),
        *_on_item(activity.c.item_id, item_key, context),
    ]


def _by_activity(rule: ActivityRule, context: SegmentContext) -> ColumnElement[bool]:
    rows = _seen(rule.item, rule.verbs, context)
    if rule.within_days is not None:
        rows.append(activity.c.occurred_at >= context.as_of - timedelta(days=rule.within_days))
    if rule.since is not None:
        rows.append(activity.c.occurred_at >= datetime.combine(rule.since, time(), UTC))
    if rule.at_least == 1:
        return _of_learner(activity, *rows)
    counted: Select[Any] = select(func.count()).where(activity.c.learner_id == learner.c.id, *rows).correlate(learner)
    return counted.scalar_subquery() >= rule.at_least


def _by_progress(rule: ProgressRule, context: SegmentContext) -> ColumnElement[bool]:
    on_item = _on_item(progress.c.item_id, rule.item, context)
    rows = list(on_item)
    statuses = [status for status in rule.status or () if status != NO_PROGRESS]
    if rule.status is not None:
        rows.append(progress.c.status.in_(statuses) if statuses else false())
    open_and_due = and_(progress.c.due_at.is_not(None), progress.c.status.in_(_OPEN_PROGRESS))
    if rule.due_within_days is not None:
        latest = context.as_of + timedelta(days=rule.due_within_days)
        rows.append(and_(open_and_due, progress.c.due_at >= context.as_of, progress.c.due_at <= latest))
    if rule.overdue is not None:
        overdue = and_(open_and_due, progress.c.due_at < context.as_of)
        rows.append(overdue if rule.overdue else not_(overdue))
    if NO_PROGRESS not in (rule.status or ()):
        return _of_learner(progress, *rows)
    nothing = not_(_of_learner(progress, *on_item))
    return or_(nothing, _of_learner(progress, *rows)) if statuses else nothing


def _by_inactivity(rule: InactiveRule, context: SegmentContext) -> ColumnElement[bool]:
    seen = _seen(rule.item, None, context)
    parts: list[ColumnElement[bool]] = []
    if rule.at_least is not None:
        until = context.as_of - timedelta(days=rule.at_least)
        parts.append(not_(_of_learner(activity, *seen, activity.c.occurred_at > until)))
    if rule.at_most is not None:
        since = context.as_of - timedelta(days=rule.at_most)
        parts.append(_of_learner(activity, *seen, activity.c.occurred_at >= since))
    elif parts and not rule.never:
        parts.append(_of_learner(activity, *seen))
    if not rule.never:
        return and_(*parts)
    if rule.at_most is None and parts:  # silent for long, or always: both mean nothing since then
        return and_(*parts)
    never = not_(_of_learner(activity, *seen))
    return or_(never, and_(*parts)) if parts else never
