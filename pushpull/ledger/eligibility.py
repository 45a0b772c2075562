"""Who gets a wave's message and, for everybody else, why not: the rules as SQL.

Planning runs them over the whole audience; the re-check before sending runs the very same rules over a claimed batch.
What a rule needs of other tables is joined as one row per learner, and a batch restricts those joins to its learners.
Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    SmallInteger,
    and_,
    bindparam,
    case,
    func,
    literal,
    null,
    select,
)

from pushpull.db import UtcDateTime
from pushpull.learners.consent import blocked_channels
from pushpull.learners.tables import learner, learner_choice, progress
from pushpull.ledger.arms import arm, variant
from pushpull.ledger.audience import is_about_silence, segments, was_active_since, was_told
from pushpull.ledger.champions import is_still_invited, may_be_invited
from pushpull.ledger.claims import NEAR
from pushpull.ledger.cues import at_cues
from pushpull.ledger.habit import habit_rules
from pushpull.ledger.intensity import needs_no_push
from pushpull.ledger.offers import has_pick
from pushpull.ledger.reach import unreachable, usable_channel
from pushpull.ledger.spread import Spread, at_hours, due_windows, languages, sent_on, spread
from pushpull.ledger.tables import delivery
from pushpull.ledger.terms import Among, Terms
from pushpull.ledger.vocabulary import ACCEPTED_STATES, Arm, MessageClass, Reason


def planned_rows(connection: Connection, rules: Terms, kinds: Spread) -> Select[Any]:
    """The statement that plans: one row per learner of the campaign, to be narrowed by :func:`membership`.

    Returns:
        ``learner_id, arm, reason, channel, variant, language, item_id, due_at, expires_at``; ``reason`` is null for
        those who will be sent to.
    """
    spec = rules.spec
    timed = at_cues(connection, rules, kinds) if spec.at_cue else at_hours(kinds, spec, as_of=rules.as_of)
    judged = _Judged(connection, rules, at=timed.due_at, kinds=kinds)
    spoken = languages(kinds, spec)
    # Everybody has a moment and a language, but the database does not know: it takes an inner join to leave one learner
    # in 200, plans for a handful, and reads every subquery once per learner. An outer join keeps the number right.
    source = timed.joined_to(judged.source).outerjoin(
        spoken, spoken.c.preferred == func.coalesce(learner.c.preferred_language, "")
    )
    reasons = [*judged.reasons, *timed.reasons]
    return select(
        learner.c.id.label("learner_id"),
        judged.arm.label("arm"),
        _first(reasons).label("reason"),
        judged.channel.label("channel"),
        variant(spec).label("variant"),
        # Who came with a new language since the spread was looked up is addressed like the unknown.
        func.coalesce(spoken.c.language, spec.languages[0]).label("language"),
        (judged.item if timed.item is None else timed.item).label("item_id"),
        timed.due_at.label("due_at"),
        timed.expires_at.label("expires_at"),
    ).select_from(source)


def rechecked(connection: Connection, rules: Terms, *, is_dense: bool) -> Select[Any]:
    """The statement that asks again, just before sending: ``learner_id, reason, channel`` for a claimed batch.

    It may say more than was asked for, about learners near those of the batch.

    Args:
        is_dense: see :attr:`pushpull.ledger.claims.Batch.is_dense`.
    """
    among = NEAR[is_dense]
    judged = _Judged(connection, rules, at=literal(rules.as_of, UtcDateTime), among=among)
    reasons = list(judged.reasons)
    if rules.spec.stop_when_active and rules.planned_as_of is not None:
        reasons.append((was_active_since(rules, rules.planned_as_of), Reason.ACTIVE_AGAIN))
    if rules.spec.item_count:
        reasons.append((~has_pick(as_of=rules.as_of), Reason.NOTHING_TO_RECOMMEND))
    reasons.append((~segments(rules), Reason.NO_LONGER_IN_SEGMENT))
    return (
        select(learner.c.id.label("learner_id"), _first(reasons).label("reason"), judged.channel.label("channel"))
        .select_from(judged.source)
        .where(among(learner.c.id))
    )


class _Judged:
    """The parts of a verdict: what is joined, on which side a learner is, over what, and which rules speak against.

    Args:
        at: when the message reaches the learner.
        kinds: while planning.
        among: before sending.
    """

    def __init__(
        self,
        connection: Connection,
        rules: Terms,
        *,
        at: ColumnElement[datetime],
        kinds: Spread | None = None,
        among: Among | None = None,
    ) -> None:
        spec = rules.spec
        blocked = blocked_channels(spec.family, spec.channels, among=among)
        withdrawn = _withdrawn(rules, among)
        self.source: FromClause = learner.outerjoin(blocked, blocked.c.learner_id == learner.c.id).outerjoin(
            withdrawn, withdrawn.c.learner_id == learner.c.id
        )
        self.item: ColumnElement[int | None] = literal(None, Integer)
        self.reasons: list[tuple[ColumnElement[bool], Reason]] = []
        if spec.due_offset is not None and kinds is not None:
            due = _due(rules, kinds)
            self.source = self.source.join(due, due.c.learner_id == learner.c.id)
            self.item = func.coalesce(due.c.open_item, due.c.any_item)
            is_done = due.c.open_item.is_(None)
        elif spec.due_offset is not None:
            assert among is not None  # planning knows the zones, the re-check knows the batch
            still_due = _still_due(among)
            self.source = self.source.outerjoin(still_due, still_due.c.learner_id == learner.c.id)
            self.reasons.append((still_due.c.learner_id.is_(None), Reason.NO_LONGER_IN_SEGMENT))
            is_done = still_due.c.open_item.is_(None)
        else:
            done = _completed(rules, among)
            self.source = self.source.outerjoin(done, done.c.learner_id == learner.c.id)
            is_done = done.c.learner_id.is_not(None)
        self.arm = arm(spec, global_holdout=rules.global_holdout)
        self.channel = usable_channel(spec, blocked)
        self.reasons += [
            (learner.c.active.is_(False), Reason.INACTIVE),
            (withdrawn.c.learner_id.is_not(None), Reason.WITHDRAWN),
            *([] if spec.champions else [(is_done, Reason.COMPLETED)]),
            (self.arm == Arm.GLOBAL_HOLDOUT.value, Reason.GLOBAL_HOLDOUT),
            (self.arm == Arm.HOLDOUT.value, Reason.HOLDOUT),
        ]
        if spec.message_class is not MessageClass.MANDATORY:
            paused = _paused(among)
            self.source = self.source.outerjoin(paused, paused.c.learner_id == learner.c.id)
            self.reasons.append((paused.c.paused_until > at, Reason.PAUSED_BY_LEARNER))
        if spec.is_habit:
            zones = kinds.zones if kinds is not None else spread(connection).zones
            days = sent_on(kinds, spec) if kinds is not None else None
            habit = habit_rules(rules, zones, days=days, among=among)
            self.source = habit.joined_to(self.source)
            self.reasons += habit.reasons
        came = needs_no_push(connection, rules, among=among)
        if came is not None:
            self.source = self.source.outerjoin(came, came.c.learner_id == learner.c.id)
            self.reasons.append((came.c.learner_id.is_not(None), Reason.INTENSITY))
        if spec.champions:
            invited = may_be_invited(rules) if kinds is not None else is_still_invited(rules)
            self.reasons.append((~invited, Reason.NO_LONGER_IN_SEGMENT))
        if spec.after and not is_about_silence(spec):
            told = was_told(
                connection,
                rules,
                spec.after,
                states=ACCEPTED_STATES,
                gap_days=spec.min_gap_days,
                or_needless=True,  # a push that was left out must not take the pull after it away
            )
            self.reasons.append((~told, Reason.FIRST_STEP_MISSING))
        self.reasons += unreachable(spec, blocked, self.channel)


def _first(reasons: Sequence[tuple[ColumnElement[bool], Reason]]) -> ColumnElement[str | None]:
    return case(*((condition, literal(reason.value)) for condition, reason in reasons), else_=null())


def _completed(rules: Terms, among: Among | None) -> FromClause:
    """Learners who completed every item of the campaign."""
    statement = (
        select(progress.c.learner_id)
        .where(progress.c.item_id.in_(rules.item_ids), progress.c.completed_at.is_not(None))
        .group_by(progress.c.learner_id)
        .having(func.count() >= max(1, len(rules.item_ids)))
    )
    return _among(statement, among).subquery("done")


def _paused(among: Among | None) -> FromClause:
    """Learners who asked for a pause, over or not."""
    statement = select(learner_choice.c.learner_id, learner_choice.c.paused_until)
    statement = statement.where(learner_choice.c.paused_until.is_not(None))
    return (statement if among is None else statement.where(among(learner_choice.c.learner_id))).subquery("paused")


def _withdrawn(rules: Terms, among: Among | None) -> FromClause:
    """Learners who left one of the campaign's items for good."""
    statement = select(progress.c.learner_id).distinct()
    left = and_(progress.c.item_id.in_(rules.item_ids), progress.c.withdrawn_at <= rules.as_of)
    return _among(statement.where(left), among).subquery("withdrawn")


def _due(rules: Terms, kinds: Spread) -> FromClause:
    """Per learner, the item whose due date puts the wave's day at the wanted distance; an open one first."""
    window = due_windows(kinds, rules.spec)
    in_window = and_(
        window.c.zone == func.coalesce(learner.c.timezone, ""),
        progress.c.due_at >= window.c.low,
        progress.c.due_at < window.c.high,
    )
    statement = (
        select(
            progress.c.learner_id,
            func.min(case((progress.c.completed_at.is_(None), progress.c.item_id))).label("open_item"),
            func.min(progress.c.item_id).label("any_item"),
        )
        .select_from(progress.join(learner, learner.c.id == progress.c.learner_id).join(window, in_window))
        .where(progress.c.item_id.in_(rules.item_ids))
        .group_by(progress.c.learner_id)
    )
    return statement.subquery("due")


def _still_due(among: Among) -> FromClause:
    """Per delivery of a claimed batch's wave, whether the item it reminds of is still open."""
    reminded = and_(progress.c.learner_id == delivery.c.learner_id, progress.c.item_id == delivery.c.item_id)
    return (
        select(
            progress.c.learner_id,
            case((progress.c.completed_at.is_(None), progress.c.item_id)).label("open_item"),
            progress.c.item_id.label("any_item"),
        )
        .select_from(delivery.join(progress, reminded))
        .where(
            delivery.c.wave_id == bindparam("batch_wave", type_=BigInteger),
            delivery.c.rotation == bindparam("batch_rotation", type_=SmallInteger),
            among(delivery.c.learner_id),
            among(progress.c.learner_id),
        )
        .subquery("due")
    )


def _among(statement: Select[tuple[int]], among: Among | None) -> Select[tuple[int]]:
    return statement if among is None else statement.where(among(progress.c.learner_id))
