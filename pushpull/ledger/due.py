"""What is due: waves to look at now, those too late to send unasked, and the next instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, distinct, func, or_, select

from pushpull.ledger.campaigns import hold_wave
from pushpull.ledger.specs import HABIT_STAGE, WaveSpec
from pushpull.ledger.tables import campaign, delivery, handover, rotation, wave
from pushpull.ledger.terms import Terms, campaign_items
from pushpull.ledger.vocabulary import OPEN_STATES, DeliveryState, HoldReason, MessageClass, WaveStatus

_WAITING = (DeliveryState.PLANNED.value, DeliveryState.HELD.value)

#: Waves that may be sent now.
_OPEN = (
    wave.c.finished_at.is_(None),
    wave.c.planned_at.is_not(None),
    wave.c.status == WaveStatus.OPEN.value,
    campaign.c.status == WaveStatus.OPEN.value,
)


@dataclass(frozen=True)
class DueWave:
    """A rotation of a wave with deliveries that are due.

    Args:
        due: how many.
    """

    wave_id: int
    rotation: int
    due: int
    rules: Terms

    @property
    def name(self) -> tuple[int, int]:
        """Wave and rotation."""
        return self.wave_id, self.rotation

    @property
    def is_mandatory(self) -> bool:
        """Whether it is an obligation, which goes first."""
        return self.rules.spec.message_class == MessageClass.MANDATORY


def due_waves(connection: Connection, *, now: datetime, global_holdout: float) -> list[DueWave]:
    """Waves with due deliveries, in the order they deserve the learners' attention.

    Mandatory messages have a lane of their own and go first; then the higher priority; then the earlier wave.

    Args:
        now: the campaign's clock, UTC.
    """
    rows = _waiting(connection, delivery.c.due_at <= now)
    return [_due_wave(connection, row, as_of=now, global_holdout=global_holdout) for row in rows]


def waves_ahead(
    connection: Connection, *, after: datetime, upto: datetime, channel: str, global_holdout: float
) -> list[DueWave]:
    """Waves with deliveries that become due in ``(after, upto]``, once for every instant they become due at.

    For providers that keep messages until they are to be sent: each is to be drained as of its instant. Those of the
    habit stage are left out: whether the day's two minutes are done is known only when they are due.

    Args:
        channel: of those messages.
    """
    ahead = and_(
        delivery.c.due_at > after,
        delivery.c.due_at <= upto,
        delivery.c.channel == channel,
        wave.c.stage != HABIT_STAGE,
    )
    rows = _waiting(connection, ahead, delivery.c.due_at)
    return [_due_wave(connection, row, as_of=row.due_at, global_holdout=global_holdout) for row in rows]


def became_due(
    connection: Connection, *, after: datetime, upto: datetime, besides: tuple[int, int], obligations_only: bool
) -> bool:
    """Whether deliveries of other waves have become due in ``(after, upto]``, or were due and may go only since then.

    Waves may go that a person approved or released, and those that were re-run.

    Args:
        besides: wave and rotation that do not count.
        obligations_only: only mandatory messages count.
    """
    wave_id, rotation_number = besides
    conditions = [
        *_OPEN,
        delivery.c.state.in_(_WAITING),
        delivery.c.due_at <= upto,
        or_(delivery.c.wave_id != wave_id, delivery.c.rotation != rotation_number),
    ]
    if obligations_only:
        conditions.append(wave.c.message_class == MessageClass.MANDATORY.value)
    joined = wave.join(campaign, campaign.c.id == wave.c.campaign_id).join(delivery, delivery.c.wave_id == wave.c.id)
    found = select(wave.c.id).select_from(joined).where(*conditions).limit(1)
    rotated = select(rotation.c.wave_id).where(rotation.c.as_of > after)
    # One after the other: the waves of the second are few, and read no further than to the first that is due.
    news = (delivery.c.due_at > after, or_(wave.c.released_at > after, wave.c.id.in_(rotated)))
    return any(connection.execute(found.where(each)).first() is not None for each in news)


def settled_percent(connection: Connection, wave_id: int, rotation_number: int) -> float:
    """How much of a rotation has nothing left to do, 0 to 100."""
    still_open = case((delivery.c.state.in_([state.value for state in OPEN_STATES]), 1), else_=0)
    audience, left = connection.execute(
        select(func.count(), func.coalesce(func.sum(still_open), 0)).where(
            delivery.c.wave_id == wave_id, delivery.c.rotation == rotation_number
        )
    ).one()
    return 100.0 * (audience - left) / audience if audience else 100.0


def _waiting(
    connection: Connection, condition: ColumnElement[bool], *by: ColumnElement[datetime]
) -> Sequence[Row[Any]]:
    return connection.execute(
        select(
            wave.c.id,
            delivery.c.rotation,
            wave.c.spec,
            wave.c.campaign_id,
            rotation.c.as_of.label("planned_as_of"),
            func.count().label("due"),
            *by,
        )
        .select_from(
            wave.join(campaign, campaign.c.id == wave.c.campaign_id)
            .join(delivery, delivery.c.wave_id == wave.c.id)
            .join(rotation, and_(rotation.c.wave_id == wave.c.id, rotation.c.rotation == delivery.c.rotation))
        )
        .where(*_OPEN, delivery.c.state.in_(_WAITING), condition)
        .group_by(wave.c.id, delivery.c.rotation, rotation.c.as_of, *by)
        .order_by(
            case((wave.c.message_class == MessageClass.MANDATORY.value, 0), else_=1),
            wave.c.priority.desc(),
            wave.c.scheduled_for,
            wave.c.id,
            delivery.c.rotation,
            *by,
        )
    ).all()


def _due_wave(connection: Connection, row: Row[Any], *, as_of: datetime, global_holdout: float) -> DueWave:
    return DueWave(
        wave_id=row.id,
        rotation=row.rotation,
        due=row.due,
        rules=Terms(
            spec=WaveSpec.model_validate(row.spec),
            campaign_id=row.campaign_id,
            item_ids=campaign_items(connection, row.campaign_id),
            as_of=as_of,
            global_holdout=global_holdout,
            planned_as_of=row.planned_as_of,
        ),
    )


def hold_misfires(connection: Connection, *, now: datetime) -> list[tuple[int, int]]:
    """Hold waves that should have started long ago: a person decides whether they are still wanted.

    A wave is late when deliveries nobody tried yet were due more than its grace ago. A wave that a person released
    since they were due is not asked about again, nor is one that workers are still busy with: a large wave may take
    longer than its grace.

    Returns:
        Pairs of wave id and late deliveries.
    """
    candidates = connection.execute(
        select(wave.c.id, wave.c.spec, wave.c.released_at, func.min(delivery.c.due_at).label("oldest"))
        .select_from(
            wave.join(campaign, campaign.c.id == wave.c.campaign_id).join(delivery, delivery.c.wave_id == wave.c.id)
        )
        .where(
            *_OPEN,
            delivery.c.state == DeliveryState.PLANNED.value,
            delivery.c.attempt == 0,
            delivery.c.due_at < now,
            delivery.c.expires_at > now,
        )
        .group_by(wave.c.id)
    ).all()
    held = []
    for row in candidates:
        grace = WaveSpec.model_validate(row.spec).grace
        worked_on = connection.execute(
            select(func.max(handover.c.as_of)).where(handover.c.wave_id == row.id, handover.c.as_of <= now)
        ).scalar_one()
        if now - max(known for known in (row.oldest, row.released_at, worked_on) if known is not None) <= grace:
            continue
        late = connection.execute(
            select(func.count(distinct(delivery.c.learner_id))).where(
                and_(
                    delivery.c.wave_id == row.id,
                    delivery.c.state == DeliveryState.PLANNED.value,
                    delivery.c.due_at < now - grace,
                )
            )
        ).scalar_one()
        why = f"{late} deliveries were due more than {grace} before {now:%Y-%m-%d %H:%M} UTC"
        hold_wave(connection, row.id, HoldReason.MISFIRE, why=why, at=now)
        held.append((int(row.id), int(late)))
    return held


def next_due(connection: Connection, *, after: datetime, before: datetime) -> datetime | None:
    """The earliest instant in ``(after, before]`` at which something waiting becomes due, for replays."""
    return connection.execute(
        select(func.min(delivery.c.due_at))
        .select_from(wave.join(delivery, delivery.c.wave_id == wave.c.id))
        .where(
            wave.c.finished_at.is_(None),
            wave.c.status == WaveStatus.OPEN.value,
            delivery.c.state.in_(_WAITING),
            delivery.c.due_at > after,
            delivery.c.due_at <= before,
        )
    ).scalar_one_or_none()
