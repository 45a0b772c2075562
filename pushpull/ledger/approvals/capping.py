"""The cap of an approval: who of a rotation is left out, chosen by the learners' draw."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Connection, and_, func, literal, or_, select, update

from pushpull.learners.tables import learner
from pushpull.ledger.approvals.question import HALF
from pushpull.ledger.arms import shuffled
from pushpull.ledger.tables import approval, delivery, wave
from pushpull.ledger.vocabulary import Decision, DeliveryState, Reason

_NOT_SENT = (DeliveryState.PLANNED.value, DeliveryState.HELD.value)


def drop_over_caps(connection: Connection, wave_id: int, content_hash: str, *, at: datetime) -> int:
    """Skip whom no approval of this content lets through."""
    caps = connection.execute(
        select(approval.c.rotation, func.min(approval.c.cap).label("most"))
        .where(
            approval.c.wave_id == wave_id,
            approval.c.decision == Decision.APPROVED.value,
            func.substr(approval.c.content_hash, 1, HALF) == content_hash[:HALF],
            approval.c.cap.is_not(None),
        )
        .group_by(approval.c.rotation)
    ).all()
    return sum(_drop(connection, wave_id, row.rotation, most=row.most, at=at) for row in caps)


def _drop(connection: Connection, wave_id: int, rotation: int, *, most: int, at: datetime) -> int:
    mine = and_(delivery.c.wave_id == wave_id, delivery.c.rotation == rotation)
    waits = delivery.c.state.in_(_NOT_SENT)
    begun = connection.execute(
        select(func.count()).select_from(delivery).where(mine, ~waits, delivery.c.state != DeliveryState.SKIPPED.value)
    ).scalar_one()
    series = connection.execute(select(wave.c.campaign_id, wave.c.series).where(wave.c.id == wave_id)).one()
    rank = shuffled(f"approval:{series.campaign_id}:{series.series}")
    # Where the line is drawn; a list of those to keep would be as long as the wave.
    first_out = connection.execute(
        select(rank.label("rank"), delivery.c.learner_id)
        .join(learner, learner.c.id == delivery.c.learner_id)
        .where(mine, waits)
        .order_by("rank", delivery.c.learner_id)
        .offset(max(0, most - begun))
        .limit(1)
    ).one_or_none()
    if first_out is None:
        return 0
    line = literal(first_out.rank, BigInteger)
    beyond = or_(rank > line, and_(rank == line, learner.c.id >= first_out.learner_id))
    dropped = connection.execute(
        update(delivery)
        .where(mine, waits, delivery.c.learner_id.in_(select(learner.c.id).where(beyond)))
        .values(state=DeliveryState.SKIPPED.value, reason=Reason.NOT_APPROVED.value, settled_at=at)
    )
    return dropped.rowcount
