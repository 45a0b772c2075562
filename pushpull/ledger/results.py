"""What became of a wave: counts by state and reason, always a query, never a counter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, and_, distinct, exists, func, or_, select, update

from pushpull.ledger.campaigns import recall_cancelled
from pushpull.ledger.tables import campaign, delivery, delivery_event, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, OPEN_STATES, DeliveryState, WaveStatus


@dataclass(frozen=True)
class WaveResult:
    """The state of one wave.

    Args:
        audience: all rows; always the sum of everything else.
        accepted: messages a provider has, whatever became of them later.
        states: rows by state.
        skipped: rows by reason.
        held: waiting rows by reason.
        by_channel: accepted messages by channel.
        cells: rows by state and channel.
    """

    wave_id: int
    campaign_key: str
    key: str
    stage: str
    message_key: str
    touch: str
    status: str
    status_reason: str | None
    audience: int = 0
    accepted: int = 0
    states: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    by_channel: Counter[str] = field(default_factory=Counter)
    cells: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def open(self) -> int:
        """Rows with work left."""
        return sum(self.states[state] for state in OPEN_STATES)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.open == 0

    def counts(self) -> dict[str, int]:
        """The result in numbers: accepted, skipped, rejected, parked and open add up to the audience."""
        return {
            "audience": self.audience,
            "accepted": self.accepted,
            "skipped": self.states[DeliveryState.SKIPPED],
            "rejected": self.states[DeliveryState.REJECTED],
            "parked": self.states[DeliveryState.PARKED],
            "open": self.open,
        }

    def sentence(self) -> str:
        """The result in words; the numbers add up to the audience."""
        skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(self.skipped.items()))
        parts = [f"accepted {self.accepted}"]
        parts.append(f"skipped {self.states[DeliveryState.SKIPPED]}" + (f" ({skipped})" if skipped else ""))
        closed_otherwise = (DeliveryState.REJECTED, DeliveryState.PARKED)
        parts += [f"{state.value} {self.states[state]}" for state in closed_otherwise if self.states[state]]
        if self.open:
            uncertain = self.states[DeliveryState.UNCERTAIN]
            parts.append(f"open {self.open}" + (f" ({uncertain} uncertain)" if uncertain else ""))
        return ", ".join(parts)


def wave_results(
    connection: Connection, *, campaign_key: str | None = None, wave_ids: Sequence[int] | None = None
) -> list[WaveResult]:
    """The results of waves, in the order they were scheduled; all rotations together.

    Args:
        campaign_key: only this campaign's.
        wave_ids: only these.
    """
    chosen = select(wave, campaign.c.key.label("campaign_key")).join(campaign, campaign.c.id == wave.c.campaign_id)
    if campaign_key is not None:
        chosen = chosen.where(campaign.c.key == campaign_key)
    if wave_ids is not None:
        chosen = chosen.where(wave.c.id.in_(wave_ids))
    results = {
        row.id: WaveResult(
            wave_id=row.id,
            campaign_key=row.campaign_key,
            key=row.key,
            stage=row.stage,
            message_key=row.message_key,
            touch=row.touch,
            status=row.status,
            status_reason=row.status_reason,
        )
        for row in connection.execute(chosen.order_by(wave.c.scheduled_for, wave.c.id))
    }
    counts = connection.execute(
        select(delivery.c.wave_id, delivery.c.state, delivery.c.reason, delivery.c.channel, func.count().label("n"))
        .where(delivery.c.wave_id.in_(list(results)))
        .group_by(delivery.c.wave_id, delivery.c.state, delivery.c.reason, delivery.c.channel)
    )
    totals: dict[int, dict[str, int]] = {wave_id: {"audience": 0, "accepted": 0} for wave_id in results}
    for wave_id, state, reason, channel, count in counts:
        result = results[wave_id]
        result.states[state] += count
        result.cells[state, channel or ""] += count
        totals[wave_id]["audience"] += count
        if state in ACCEPTED_STATES:
            totals[wave_id]["accepted"] += count
            result.by_channel[channel] += count
        if state == DeliveryState.SKIPPED:
            result.skipped[reason] += count
        elif state in (DeliveryState.HELD, DeliveryState.PLANNED) and reason:
            result.held[reason] += count
    return [_with_totals(result, **totals[result.wave_id]) for result in results.values()]


def _with_totals(result: WaveResult, *, audience: int, accepted: int) -> WaveResult:
    return WaveResult(**{**result.__dict__, "audience": audience, "accepted": accepted})


def recent_waves(connection: Connection, *, since: datetime) -> list[int]:
    """The waves something may still happen to, or did lately: planned and unfinished, or finished since then."""
    lately = or_(wave.c.finished_at.is_(None), wave.c.finished_at >= since)
    found = select(wave.c.id).where(wave.c.planned_at.is_not(None), lately).order_by(wave.c.id)
    return list(connection.execute(found).scalars())


def close_finished(connection: Connection, *, now: datetime) -> int:
    """Mark planned waves without open rows, so that dispatch need not look at them again.

    What came back unsent to a cancelled wave since is called back first: nobody else would ever close it.

    Returns:
        How many waves were marked.
    """
    recall_cancelled(connection, at=now)
    still_open = exists().where(
        and_(delivery.c.wave_id == wave.c.id, delivery.c.state.in_([state.value for state in OPEN_STATES]))
    )
    closed = connection.execute(
        update(wave)
        .where(
            wave.c.finished_at.is_(None),
            wave.c.planned_at.is_not(None),
            or_(wave.c.status == WaveStatus.OPEN.value, wave.c.status == WaveStatus.CANCELLED.value),
            ~still_open,
        )
        .values(finished_at=now)
    )
    return closed.rowcount


def answers(connection: Connection, wave_ids: Sequence[int]) -> dict[int, Counter[str]]:
    """What came back of waves: deliveries by kind of fact (clicked, bounced, opted out …), by wave id."""
    counts: dict[int, Counter[str]] = {wave_id: Counter() for wave_id in wave_ids}
    rows = connection.execute(
        select(
            delivery_event.c.wave_id,
            delivery_event.c.kind,
            func.count(distinct(delivery_event.c.learner_id)),
        )
        .where(delivery_event.c.wave_id.in_(list(counts)))
        .group_by(delivery_event.c.wave_id, delivery_event.c.kind)
    )
    for wave_id, kind, count in rows:
        counts[wave_id][kind] = count
    return counts
