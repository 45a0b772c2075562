"""Who gets a wave's message and, for everybody else, why not: the rules as SQL.

Planning runs them over the whole audience; the re-check before sending runs the very same rules over a claimed batch.
What a rule needs of other tables is joined as one row per learner, and a batch restricts those joins to its learners.
Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    null,
    or_,
    select,
)

from pushpull.catalogue.tables import item
from pushpull.db import days_after
from pushpull.learners.consent import blocked_channels
from pushpull.learners.segments import SegmentContext, compile_segment
from pushpull.learners.tables import activity, learner, lifecycle, progress
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.arms import arm, variant
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.spread import Spread, due_windows, languages, send_times
from pushpull.ledger.tables import campaign_item, delivery, pick, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, CONTACT_STATES, OPEN_STATES, Arm, MessageClass, Reason

#: Days of silence that count as absence while a learner's own rhythm is not known.
_UNKNOWN_RHYTHM_DAYS = 7.0

ADDRESS: dict[Channel, ColumnElement[str]] = {
    Channel.EMAIL: learner.c.email,
    Channel.TEAMS: learner.c.teams_id,
    Channel.SLACK: learner.c.slack_id,
    Channel.SMS: learner.c.phone,
}

#: Channels that need an explicit yes (security: private phones only with opt-in).
OPT_IN_CHANNELS = frozenset({Channel.SMS})

_SENT_OR_OPEN = (*CONTACT_STATES, *OPEN_STATES)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """All the rules need to know about one wave at one moment.

    Args:
        item_ids: the campaign's items, in order.
        as_of: the campaign's clock, UTC.
        global_holdout: share of learners, 0 to 0.5, who get no nudge of any campaign.
        planned_as_of: when the wave was planned; None while it is being planned.
    """

    spec: WaveSpec
    campaign_id: int
    item_ids: tuple[int, ...]
    as_of: datetime
    global_holdout: float = 0.0
    planned_as_of: datetime | None = None

    @property
    def context(self) -> SegmentContext:
        """What segments need to know."""
        return SegmentContext(campaign_id=self.campaign_id, item_ids=self.item_ids, as_of=self.as_of)


def campaign_items(connection: Connection, campaign_id: int) -> tuple[int, ...]:
    """The ids of the campaign's items, in order."""
    statement = select(campaign_item.c.item_id).where(campaign_item.c.campaign_id == campaign_id)
    return tuple(connection.execute(statement.order_by(campaign_item.c.position)).scalars())


def planned_rows(connection: Connection, rules: Terms, kinds: Spread) -> Select[Any]:
    """The statement that plans: one row per learner of the campaign, to be narrowed by :func:`membership`.

    Returns:
        ``learner_id, arm, reason, channel, variant, language, item_id, due_at, expires_at``; ``reason`` is null for
        those who will be sent to.
    """
    spec = rules.spec
    judged = _Judged(connection, rules, kinds=kinds)
    moment, spoken = send_times(kinds, spec, as_of=rules.as_of), languages(kinds, spec)
    hour = (
        func.coalesce(learner.c.preferred_hour, spec.hour) if spec.prefer_learner_hour else literal(spec.hour, Integer)
    )
    source = judged.source.join(
        moment, and_(moment.c.zone == func.coalesce(learner.c.timezone, ""), moment.c.hour == hour)
    ).join(spoken, spoken.c.preferred == func.coalesce(learner.c.preferred_language, ""))
    reasons = [*judged.reasons, (moment.c.expires_at <= rules.as_of, Reason.EXPIRED)]
    return select(
        learner.c.id.label("learner_id"),
        judged.arm.label("arm"),
        _first(reasons).label("reason"),
        judged.channel.label("channel"),
        variant(spec).label("variant"),
        spoken.c.language.label("language"),
        judged.item.label("item_id"),
        moment.c.due_at.label("due_at"),
        moment.c.expires_at.label("expires_at"),
    ).select_from(source)


def rechecked(connection: Connection, rules: Terms, batch: CTE) -> Select[Any]:
    """The statement that asks again, just before sending: ``learner_id, reason, channel`` for a claimed batch.

    Args:
        batch: the claimed deliveries, see :func:`pushpull.ledger.claims.claimed_rows`.
    """
    judged = _Judged(connection, rules, batch=batch)
    reasons = list(judged.reasons)
    if rules.spec.stop_when_active and rules.planned_as_of is not None:
        reasons.append((_active_since(rules, rules.planned_as_of), Reason.ACTIVE_AGAIN))
    if rules.spec.item_count:
        reasons.append((~has_pick(batch, as_of=rules.as_of), Reason.NOTHING_TO_RECOMMEND))
    reasons.append((~segments(rules), Reason.NO_LONGER_IN_SEGMENT))
    return (
        select(learner.c.id.label("learner_id"), _first(reasons).label("reason"), judged.channel.label("channel"))
        .select_from(judged.source)
        .where(learner.c.id.in_(select(batch.c.learner_id)))
    )


def pick_is_good(*, as_of: datetime) -> ColumnElement[bool]:
    """Whether a row of ``pick`` may still be shown: its item is available and the learner has not completed it."""
    done, offer = progress.alias("done"), item.alias("offer")
    completed = (
        select(done.c.item_id)
        .where(
            done.c.learner_id == pick.c.learner_id,
            done.c.item_id == pick.c.item_id,
            done.c.completed_at.is_not(None),
        )
        .correlate(pick)
        .exists()
    )
    offered = (
        select(offer.c.id)
        .where(
            offer.c.id == pick.c.item_id,
            offer.c.active.is_(True),
            or_(offer.c.available_until.is_(None), offer.c.available_until > as_of),
        )
        .correlate(pick)
        .exists()
    )
    return and_(~completed, offered)


def has_pick(batch: CTE, *, as_of: datetime) -> ColumnElement[bool]:
    """Whether anything recommended to the learner of a claimed delivery may still be shown."""
    return (
        select(pick.c.item_id)
        .join(
            batch,
            and_(
                pick.c.wave_id == batch.c.wave_id,
                pick.c.rotation == batch.c.rotation,
                pick.c.learner_id == batch.c.learner_id,
            ),
        )
        .where(pick.c.learner_id == learner.c.id, pick_is_good(as_of=as_of))
        .correlate(learner)
        .exists()
    )


def membership(connection: Connection, rules: Terms) -> ColumnElement[bool]:
    """Whether a learner belongs to the wave's audience: segment, trigger, and "once" rules."""
    spec = rules.spec
    conditions = [segments(rules)]
    if _is_about_silence(spec):
        conditions.append(_silent(rules))
    if spec.once:
        conditions.append(~_told(connection, rules, (spec.series,), states=_SENT_OR_OPEN))
    if spec.once_per_absence:
        conditions.append(~_told(connection, rules, (spec.series,), states=_SENT_OR_OPEN, since_activity=True))
    if spec.after and _is_about_silence(spec):
        # A rung of a ladder is for those who stand on the one before, in this very absence.
        gap = spec.min_gap_days
        conditions.append(
            _told(connection, rules, spec.after, states=ACCEPTED_STATES, gap_days=gap, since_activity=True)
        )
    return and_(*conditions)


def _is_about_silence(spec: WaveSpec) -> bool:
    return spec.inactive_days is not None or spec.inactive_rhythm is not None


def segments(rules: Terms) -> ColumnElement[bool]:
    """Whether a learner is in the campaign's audience and in the wave's own segment."""
    inside = compile_segment(rules.spec.audience, rules.context)
    if rules.spec.target is not None:
        inside = and_(inside, compile_segment(rules.spec.target, rules.context))
    return inside


class _Judged:
    """The parts of a verdict: what is joined, on which side a learner is, over what, and which rules speak against."""

    def __init__(
        self, connection: Connection, rules: Terms, *, kinds: Spread | None = None, batch: CTE | None = None
    ) -> None:
        spec = rules.spec
        among = None if batch is None else select(batch.c.learner_id)
        blocked = blocked_channels(spec.family, spec.channels, among=among)
        withdrawn = _withdrawn(rules, among)
        self.source: FromClause = learner.outerjoin(blocked, blocked.c.learner_id == learner.c.id).outerjoin(
            withdrawn, withdrawn.c.learner_id == learner.c.id
        )
        self.item: ColumnElement[int | None] = literal(None, Integer)
        if spec.due_offset is not None:
            due = _due(rules, kinds) if kinds is not None else _still_due(batch)
            self.source = self.source.join(due, due.c.learner_id == learner.c.id)
            self.item = func.coalesce(due.c.open_item, due.c.any_item)
            is_done = due.c.open_item.is_(None)
        else:
            done = _completed(rules, among)
            self.source = self.source.outerjoin(done, done.c.learner_id == learner.c.id)
            is_done = done.c.learner_id.is_not(None)
        self.arm = arm(spec, global_holdout=rules.global_holdout)
        self.channel = _channel(spec, blocked)
        self.reasons: list[tuple[ColumnElement[bool], Reason]] = [
            (learner.c.active.is_(False), Reason.INACTIVE),
            (withdrawn.c.learner_id.is_not(None), Reason.WITHDRAWN),
            (is_done, Reason.COMPLETED),
            (self.arm == Arm.GLOBAL_HOLDOUT.value, Reason.GLOBAL_HOLDOUT),
            (self.arm == Arm.HOLDOUT.value, Reason.HOLDOUT),
        ]
        if spec.after and not _is_about_silence(spec):
            told = _told(connection, rules, spec.after, states=ACCEPTED_STATES, gap_days=spec.min_gap_days)
            self.reasons.append((~told, Reason.FIRST_STEP_MISSING))
        self.reasons += _unreachable(spec, blocked, self.channel)


def _first(reasons: Sequence[tuple[ColumnElement[bool], Reason]]) -> ColumnElement[str | None]:
    return case(*((condition, literal(reason.value)) for condition, reason in reasons), else_=null())


def _usable(channel: Channel, blocked: FromClause, spec: WaveSpec) -> ColumnElement[bool]:
    allowed = [_has_address(channel), ~_flag(blocked, "suppressed", channel)]
    if spec.message_class is not MessageClass.MANDATORY:
        allowed.append(~_flag(blocked, "opted_out", channel))
    if channel in OPT_IN_CHANNELS:
        allowed.append(_flag(blocked, "granted", channel))
    return and_(*allowed)


def _has_address(channel: Channel) -> ColumnElement[bool]:
    return and_(ADDRESS[channel].is_not(None), ADDRESS[channel] != "")


def _flag(blocked: FromClause, name: str, channel: Channel) -> ColumnElement[bool]:
    return func.coalesce(blocked.c[f"{name}_{channel.value}"], false())


def _channel(spec: WaveSpec, blocked: FromClause) -> ColumnElement[str | None]:
    usable = ((_usable(channel, blocked, spec), literal(channel.value)) for channel in spec.channels)
    return case(*usable, else_=null())


def _unreachable(
    spec: WaveSpec, blocked: FromClause, channel: ColumnElement[str | None]
) -> list[tuple[ColumnElement[bool], Reason]]:
    """Why no channel was left, the most telling reason first."""

    def somewhere(name: str) -> ColumnElement[bool]:
        return or_(*(and_(_has_address(each), _flag(blocked, name, each)) for each in spec.channels))

    none_left = channel.is_(None)
    reasons = [(and_(none_left, ~or_(*(_has_address(each) for each in spec.channels))), Reason.NO_ADDRESS)]
    if spec.message_class is not MessageClass.MANDATORY:
        reasons.append((and_(none_left, somewhere("opted_out")), Reason.OPTED_OUT))
    reasons.append((and_(none_left, somewhere("suppressed")), Reason.SUPPRESSED))
    reasons.append((none_left, Reason.NO_CONSENT))
    return reasons


def _completed(rules: Terms, batch: Select[tuple[int]] | None) -> FromClause:
    """Learners who completed every item of the campaign."""
    statement = (
        select(progress.c.learner_id)
        .where(progress.c.item_id.in_(rules.item_ids), progress.c.completed_at.is_not(None))
        .group_by(progress.c.learner_id)
        .having(func.count() >= max(1, len(rules.item_ids)))
    )
    return _among(statement, batch).subquery("done")


def _withdrawn(rules: Terms, batch: Select[tuple[int]] | None) -> FromClause:
    """Learners who left one of the campaign's items for good."""
    statement = select(progress.c.learner_id).distinct()
    left = and_(progress.c.item_id.in_(rules.item_ids), progress.c.withdrawn_at <= rules.as_of)
    return _among(statement.where(left), batch).subquery("withdrawn")


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


def _still_due(batch: CTE | None) -> FromClause:
    """Per claimed delivery, whether the item it reminds of is still open."""
    assert batch is not None  # planning knows the zones, the re-check knows the batch
    return (
        select(
            progress.c.learner_id,
            case((progress.c.completed_at.is_(None), progress.c.item_id)).label("open_item"),
            progress.c.item_id.label("any_item"),
        )
        .select_from(
            batch.join(
                progress, and_(progress.c.learner_id == batch.c.learner_id, progress.c.item_id == batch.c.item_id)
            )
        )
        .subquery("due")
    )


def _among(statement: Select[tuple[int]], batch: Select[tuple[int]] | None) -> Select[tuple[int]]:
    return statement if batch is None else statement.where(progress.c.learner_id.in_(batch))


def _active_since(rules: Terms, instant: datetime) -> ColumnElement[bool]:
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
        at_least = spec.inactive_days or _UNKNOWN_RHYTHM_DAYS
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


def _told(
    connection: Connection,
    rules: Terms,
    series: Sequence[str],
    *,
    states: Sequence[str],
    gap_days: int = 0,
    since_activity: bool = False,
) -> ColumnElement[bool]:
    """Whether a learner has a delivery in ``states`` of a wave of these series, at least ``gap_days`` before this one.

    With ``since_activity`` only deliveries after the learner's last activity count: a new absence starts afresh.
    """
    earlier = connection.execute(
        select(wave.c.id).where(
            wave.c.campaign_id == rules.campaign_id,
            wave.c.series.in_(series),
            wave.c.key != rules.spec.key,
            wave.c.on_day <= rules.spec.on - timedelta(days=gap_days),
        )
    ).scalars()
    told = (
        select(delivery.c.learner_id)
        .where(
            delivery.c.wave_id.in_(list(earlier)),
            delivery.c.learner_id == learner.c.id,
            delivery.c.state.in_([str(state) for state in states]),
        )
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
