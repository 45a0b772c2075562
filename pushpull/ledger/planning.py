"""Planning: one set-based pass writes a row for every learner of a wave, the skipped ones with their reason.

Planning a planned wave again adds nothing. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    String,
    case,
    func,
    literal,
    select,
    true,
    update,
)

from pushpull.db import insert_into, rows_written, writing
from pushpull.learners.tables import learner
from pushpull.ledger.approvals import approvers_needed
from pushpull.ledger.audience import membership
from pushpull.ledger.campaigns import campaign_id_of, hold_wave
from pushpull.ledger.champions import invite_alone, note_invited
from pushpull.ledger.eligibility import planned_rows
from pushpull.ledger.picks import pick_items
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.spread import spread
from pushpull.ledger.tables import delivery, rotation, wave
from pushpull.ledger.terms import Terms, campaign_items
from pushpull.ledger.vocabulary import DeliveryState, HoldReason, WaveStatus

#: The columns a plan writes, in the order the planning statement yields them.
PLANNED_COLUMNS = (
    "wave_id",
    "rotation",
    "learner_id",
    "state",
    "reason",
    "arm",
    "channel",
    "variant",
    "language",
    "item_id",
    "due_at",
    "expires_at",
    "attempt",
    "epoch",
)


@dataclass(frozen=True)
class PlanResult:
    """What planning a wave came to.

    Args:
        wave_id: the wave's row; None when nobody belongs to it, or after a dry run.
        audience: learners with a row.
        planned: rows that will be sent.
        by_reason: rows that will not, by reason.
        by_channel: rows that will be sent, by channel.
        was_planned_before: nothing was added, the wave stood already.
        status: the wave's status; ``held`` when a person must approve first.
    """

    wave_id: int | None
    key: str
    audience: int
    planned: int
    by_reason: Mapping[str, int] = field(default_factory=dict)
    by_channel: Mapping[str, int] = field(default_factory=dict)
    was_planned_before: bool = False
    status: str = WaveStatus.OPEN


class _Rehearsed(Exception):
    """Ends a dry run: carries the result out of the transaction that must not commit."""

    def __init__(self, result: PlanResult) -> None:
        super().__init__("dry run")
        self.result = result


def plan(
    engine: Engine,
    spec: WaveSpec,
    *,
    as_of: datetime,
    late_by: timedelta = timedelta(0),
    global_holdout: float = 0.0,
    dry_run: bool = False,
) -> PlanResult:
    """Plan one wave.

    Args:
        spec: the wave.
        as_of: the campaign's clock, UTC; the audience is what it is at that moment.
        late_by: how long after ``as_of`` this is; beyond the wave's grace a person is asked before it is sent.
        global_holdout: share of learners, 0 to 0.5, kept out of every nudge.
        dry_run: count, and leave no trace.

    Returns:
        The counts; those of the first planning when the wave was planned before. A wave without learners leaves no row.

    Raises:
        UnknownCampaignError: the wave's campaign was never registered.
    """
    try:
        with writing(engine) as connection:
            known = planned_before(connection, spec)
            result = known or _plan(connection, spec, as_of=as_of, late_by=late_by, global_holdout=global_holdout)
            if dry_run or (not result.was_planned_before and result.audience == 0):
                raise _Rehearsed(result)
    except _Rehearsed as rehearsal:
        unsaved = rehearsal.result
        return unsaved if unsaved.was_planned_before else _without_wave(unsaved)
    return result


def _without_wave(result: PlanResult) -> PlanResult:
    return PlanResult(
        wave_id=None,
        key=result.key,
        audience=result.audience,
        planned=result.planned,
        by_reason=result.by_reason,
        by_channel=result.by_channel,
        status=result.status,
    )


def planned_before(connection: Connection, spec: WaveSpec) -> PlanResult | None:
    """The standing plan of this wave; None when there is none."""
    campaign_id = campaign_id_of(connection, spec.campaign_key)
    row = connection.execute(
        select(wave.c.id, wave.c.status)
        .where(wave.c.campaign_id == campaign_id, wave.c.key == spec.key, wave.c.planned_at.is_not(None))
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None
    return counted(connection, spec.key, row.id, rotation_number=0, status=row.status, was_planned_before=True)


def _plan(
    connection: Connection, spec: WaveSpec, *, as_of: datetime, late_by: timedelta, global_holdout: float
) -> PlanResult:
    campaign_id = campaign_id_of(connection, spec.campaign_key)
    rules = Terms(
        spec=spec,
        campaign_id=campaign_id,
        item_ids=campaign_items(connection, campaign_id),
        as_of=as_of,
        global_holdout=global_holdout,
    )
    anybody = select(select(learner.c.id).where(membership(connection, rules)).exists())
    if not connection.execute(anybody).scalar_one():
        return PlanResult(wave_id=None, key=spec.key, audience=0, planned=0)
    connection.execute(
        insert_into(connection, wave)
        .values(
            campaign_id=campaign_id,
            key=spec.key,
            series=spec.series,
            on_day=spec.on,
            stage=spec.stage,
            message_key=spec.message_key,
            touch=spec.touch.value,
            message_class=spec.message_class.value,
            family=spec.family,
            priority=spec.priority,
            scheduled_for=as_of,
            expires_at=as_of,
            status=WaveStatus.OPEN.value,
            spec=spec.model_dump(mode="json"),
            content_hash=spec.content_hash,
        )
        .on_conflict_do_nothing()
    )
    # Two planners at once: whoever comes second waits on the row here, and finds the plan standing.
    wave_id = connection.execute(
        select(wave.c.id).where(wave.c.campaign_id == campaign_id, wave.c.key == spec.key).with_for_update()
    ).scalar_one()
    known = planned_before(connection, spec)
    if known is not None:
        return known
    write_rows(connection, rules, wave_id=wave_id, rotation_number=0)
    connection.execute(
        insert_into(connection, rotation)
        .values(wave_id=wave_id, rotation=0, reason="planned", cohort={}, requested_by="", as_of=as_of)
        .on_conflict_do_nothing()
    )
    result = counted(connection, spec.key, wave_id, rotation_number=0, status=WaveStatus.OPEN)
    needs_approval = approvers_needed(spec, result.planned) > 0
    status = WaveStatus.HELD if needs_approval else WaveStatus.OPEN
    times = connection.execute(
        select(func.min(delivery.c.due_at), func.max(delivery.c.expires_at)).where(delivery.c.wave_id == wave_id)
    ).one()
    connection.execute(
        update(wave)
        .where(wave.c.id == wave_id)
        .values(
            planned_as_of=as_of,
            planned_at=as_of,
            scheduled_for=times[0] or as_of,
            expires_at=times[1] or as_of,
            status=status.value,
            status_reason=HoldReason.APPROVAL.value if needs_approval else None,
        )
    )
    if late_by > spec.grace:  # in this transaction: a planner that is killed leaves no late wave that sends
        why = f"planned {late_by} after its time, {as_of:%Y-%m-%d %H:%M} UTC"
        hold_wave(connection, wave_id, HoldReason.MISFIRE, why=why, at=as_of + late_by)
        status = WaveStatus.HELD
    return replace(result, status=status)


def write_rows(
    connection: Connection,
    rules: Terms,
    *,
    wave_id: int,
    rotation_number: int,
    only: ColumnElement[bool] | None = None,
    sendable_only: bool = False,
) -> int:
    """Write the delivery rows of one rotation of a wave.

    Args:
        only: a condition on ``learner`` instead of the wave's audience, for re-runs of a cohort.
        sendable_only: write no row for learners the rules exclude.

    Returns:
        How many rows were new.
    """
    if rules.spec.champions:  # before anything is counted: places, and who was asked lately, by any campaign
        invite_alone(connection)
    kinds = spread(connection, hours=rules.spec.prefer_learner_hour)
    members = membership(connection, rules) if only is None else only
    decided = planned_rows(connection, rules, kinds).where(members).subquery("decided")
    state = case((decided.c.reason.is_(None), DeliveryState.PLANNED.value), else_=DeliveryState.SKIPPED.value)
    rows = select(
        literal(wave_id),
        literal(rotation_number, Integer),
        decided.c.learner_id,
        state.cast(String),
        decided.c.reason,
        decided.c.arm,
        decided.c.channel,
        decided.c.variant,
        decided.c.language,
        decided.c.item_id,
        decided.c.due_at,
        decided.c.expires_at,
        literal(0),
        literal(0),
    ).where(decided.c.reason.is_(None) if sendable_only else true())
    inserted = connection.execute(
        insert_into(connection, delivery).from_select(list(PLANNED_COLUMNS), rows).on_conflict_do_nothing()
    )
    written = rows_written(connection, inserted)
    if written and rules.spec.item_count:
        pick_items(connection, rules, wave_id=wave_id, rotation_number=rotation_number)
    if written and rules.spec.champions:
        note_invited(connection, rules, wave_id=wave_id, rotation_number=rotation_number)
    return written


def counted(
    connection: Connection,
    key: str,
    wave_id: int,
    *,
    rotation_number: int,
    status: str,
    was_planned_before: bool = False,
) -> PlanResult:
    """Count the rows of one rotation, as they stand."""
    by_reason: dict[str, int] = {}
    by_channel: dict[str, int] = {}
    rows = connection.execute(
        select(delivery.c.state, delivery.c.reason, delivery.c.channel, func.count())
        .where(delivery.c.wave_id == wave_id, delivery.c.rotation == rotation_number)
        .group_by(delivery.c.state, delivery.c.reason, delivery.c.channel)
    )
    for state, reason, channel, count in rows:
        if state == DeliveryState.SKIPPED:
            by_reason[reason] = by_reason.get(reason, 0) + count
        else:
            by_channel[channel] = by_channel.get(channel, 0) + count
    planned = sum(by_channel.values())
    return PlanResult(
        wave_id=wave_id,
        key=key,
        audience=planned + sum(by_reason.values()),
        planned=planned,
        by_reason=dict(sorted(by_reason.items())),
        by_channel=dict(sorted(by_channel.items())),
        was_planned_before=was_planned_before,
        status=status,
    )
