"""Who belongs to a wave's audience: segments, silence, and what was told before, as SQL.

Whether a member may be sent to is :mod:`pushpull.ledger.eligibility`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, case, literal, or_, select

from pushpull.db import days_after
from pushpull.learners.segments import compile_segment
from pushpull.learners.tables import activity, learner, lifecycle
from pushpull.ledger.champions import nominees
from pushpull.ledger.practice import wants
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import delivery, wave
from pushpull.ledger.terms import Terms
from pushpull.ledger.vocabulary import ACCEPTED_STATES, CONTACT_STATES, OPEN_STATES, Reason

#: Days of silence that count as absence while a learner's own rhythm is not known.
UNKNOWN_RHYTHM_DAYS = 7.0

_SENT_OR_OPEN = (*CONTACT_STATES, *OPEN_STATES)


def membership(connection: Connection, rules: Terms) -> ColumnElement[bool]:
    """Whether a learner belongs to the wave's audience: segment, trigger, and "once" rules."""
    spec = rules.spec
    conditions = [segments(rules)]
    if spec.is_habit:
        conditions.append(wants(spec))
    if spec.champions:
        conditions.append(learner.c.id.in_(nominees(connection, rules)))
    if is_about_silence(spec):
        conditions.append(_silent(rules))
    if spec.once:
        conditions.append(~was_told(connection, rules, (spec.series,), states=_SENT_OR_OPEN))
    if spec.once_per_absence:
        conditions.append(~was_told(connection, rules, (spec.series,), states=_SENT_OR_OPEN, since_activity=True))
    if spec.after and is_about_silence(spec):
        # A rung of a ladder is for those who stand on the one before, in this very absence.
        gap = spec.min_gap_days
        conditions.append(
            was_told(connection, rules, spec.after, states=ACCEPTED_STATES, gap_days=gap, since_activity=True)
        )
    return and_(*conditions)


def is_about_silence(spec: WaveSpec) -> bool:
    """Whether silence is what sends the wave."""
    return spec.inactive_days is not None or spec.inactive_rhythm is not None


def segments(rules: Terms) -> ColumnElement[bool]:
    """Whether a learner is in the campaign's audience and in the wave's own segment."""
    inside = compile_segment(rules.spec.audience, rules.context)
    if rules.spec.target is not None:
        inside = and_(inside, compile_segment(rules.spec.target, rules.context))
    return inside


def was_active_since(rules: Terms, instant: datetime) -> ColumnElement[bool]:
    """Whether a learner did something on the campaign's items after ``instant`` (UTC)."""
    return (
        select(activity.c.id)
        .where(
            activity.c.learner_id == learner.c.id,
            activity.c.item_id.in_(rules.item_ids),
            activity.c.occurred_at > instant,
            activity.c.occurred_at <= rules.as_of,
            activity.c.voided_at.is_(None),
        )
        .exists()
    )


def _silent(rules: Terms) -> ColumnElement[bool]:
    """Whether a once active learner has been silent for long enough, by the calendar and by the own rhythm."""
    spec = rules.spec
    silence: ColumnElement[float] = literal(spec.inactive_days or 0.0)
    if spec.inactive_rhythm is not None:
        at_least = spec.inactive_days or UNKNOWN_RHYTHM_DAYS
        own = lifecycle.c.rhythm_days * spec.inactive_rhythm
        silence = case((own > at_least, own), else_=literal(at_least))
    return (
        select(lifecycle.c.learner_id)
        .where(
            lifecycle.c.campaign_id == rules.campaign_id,
            lifecycle.c.learner_id == learner.c.id,
            lifecycle.c.last_active_at.is_not(None),
            days_after(lifecycle.c.last_active_at, silence) <= literal(rules.as_of, days_after.type),
        )
        .exists()
    )


def was_told(
    connection: Connection,
    rules: Terms,
    series: Sequence[str],
    *,
    states: Sequence[str],
    gap_days: int = 0,
    since_activity: bool = False,
    or_needless: bool = False,
) -> ColumnElement[bool]:
    """Whether a learner has a delivery in ``states`` of a wave of these series, at least ``gap_days`` before this one.

    With ``since_activity`` only deliveries after the learner's last activity count: a new absence starts afresh. With
    ``or_needless`` one counts too that was not sent because the learner comes by themselves.
    """
    earlier = connection.execute(
        select(wave.c.id).where(
            wave.c.campaign_id == rules.campaign_id,
            wave.c.series.in_(series),
            wave.c.key != rules.spec.key,
            wave.c.on_day <= rules.spec.on - timedelta(days=gap_days),
        )
    ).scalars()
    is_told: ColumnElement[bool] = delivery.c.state.in_([str(state) for state in states])
    if or_needless:
        is_told = or_(is_told, delivery.c.reason == Reason.INTENSITY.value)
    told = (
        select(delivery.c.learner_id)
        .where(delivery.c.wave_id.in_(list(earlier)), delivery.c.learner_id == learner.c.id, is_told)
        .correlate(learner)
    )
    if since_activity:
        last_active = (
            select(lifecycle.c.last_active_at)
            .where(lifecycle.c.campaign_id == rules.campaign_id, lifecycle.c.learner_id == learner.c.id)
            .correlate(learner)
            .scalar_subquery()
        )
        told = told.where(or_(last_active.is_(None), delivery.c.due_at > last_active))
    return told.exists()
