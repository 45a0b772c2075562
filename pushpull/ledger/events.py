"""Facts that come back about deliveries, and the lifecycles they move.

Facts are appended, never changed. A delivery's state is the fold of its facts: the highest rank wins, so order and
repetition do not matter, and a late bounce beats "delivered".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, or_, select, true, update

from pushpull.db import insert_into, insert_new
from pushpull.learners.consent import opt_out, suppress
from pushpull.learners.tables import learner, lifecycle, lifecycle_event
from pushpull.learners.vocabulary import ANY_CHANNEL, ANY_FAMILY, Channel, LifecycleKind, SuppressionReason
from pushpull.ledger.settling import OPEN_TO_EVIDENCE, duplicate_mark
from pushpull.ledger.tables import campaign, delivery, delivery_event, handover, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, DeliveryState, EventKind

#: Ranks of the states an event can lead to; the highest stands.
RANK = {
    DeliveryState.ACCEPTED: 1,
    DeliveryState.DELIVERED: 2,
    DeliveryState.UNDELIVERED: 3,
    DeliveryState.BOUNCED: 4,
}
_LEADS_TO = {
    EventKind.ACCEPTED: DeliveryState.ACCEPTED,
    EventKind.DELIVERED: DeliveryState.DELIVERED,
    EventKind.UNDELIVERED: DeliveryState.UNDELIVERED,
    EventKind.BOUNCED: DeliveryState.BOUNCED,
    EventKind.OPENED: DeliveryState.DELIVERED,
    EventKind.CLICKED: DeliveryState.DELIVERED,
    EventKind.COMPLAINED: DeliveryState.DELIVERED,
    EventKind.REPLIED: DeliveryState.DELIVERED,
    EventKind.OPTED_OUT: DeliveryState.DELIVERED,
}


@dataclass(frozen=True, slots=True)
class DeliveryFact:
    """One fact about one delivery, as a provider or our own pages report it.

    Args:
        source: who says so.
        source_id: its own id of the fact; a repeated fact is the same fact.
        detail: a short code, never personal data.
    """

    source: str
    source_id: str
    wave_id: int
    rotation: int
    learner_id: int
    kind: EventKind
    occurred_at: datetime
    detail: str | None = None


def record_facts(connection: Connection, facts: Sequence[DeliveryFact]) -> int:
    """Append facts and fold them into deliveries, suppressions, consent and lifecycle events.

    A fact about a delivery there is not is left out; what keeps and matches those again is the callbacks' business.

    Returns:
        How many facts were new. Repeated ones change nothing.
    """
    present = _lock_learners(connection, {fact.learner_id for fact in facts})
    known = _known(connection, facts)
    fresh = [fact for fact in facts if (fact.wave_id, fact.rotation, fact.learner_id) in known]
    inserted = insert_new(
        connection,
        delivery_event,
        [
            {
                "source": fact.source,
                "source_id": fact.source_id,
                "wave_id": fact.wave_id,
                "rotation": fact.rotation,
                "learner_id": fact.learner_id,
                "campaign_id": known[fact.wave_id, fact.rotation, fact.learner_id].campaign_id,
                "kind": fact.kind.value,
                "occurred_at": fact.occurred_at,
                "detail": fact.detail,
            }
            for fact in fresh
        ],
    )
    for fact in fresh:
        row = known[fact.wave_id, fact.rotation, fact.learner_id]
        _fold_state(connection, fact, state=row.state)
        if fact.learner_id in present:
            _fold_consent(connection, fact, channel=row.channel, family=row.family)
    heard = [fact for fact in fresh if fact.learner_id in present]
    _note_clicks(connection, heard, {key: row.campaign_id for key, row in known.items()})
    return inserted


def _lock_learners(connection: Connection, learner_ids: Collection[int]) -> set[int]:
    """Lock the learners, ascending as handovers do, so that neither waits for the other in a circle.

    Returns:
        Those there still are: somebody may have been erased since the message left.
    """
    wanted = sorted(learner_ids)
    present: set[int] = set()
    for start in range(0, len(wanted), 5_000):
        chunk = select(learner.c.id).where(learner.c.id.in_(wanted[start : start + 5_000]))
        present.update(connection.execute(chunk.order_by(learner.c.id).with_for_update()).scalars())
    return present


@dataclass(frozen=True, slots=True)
class _Known:
    campaign_id: int
    state: str
    channel: str | None
    family: str


def _known(connection: Connection, facts: Iterable[DeliveryFact]) -> dict[tuple[int, int, int], _Known]:
    keys = sorted({(fact.wave_id, fact.rotation, fact.learner_id) for fact in facts})
    found: dict[tuple[int, int, int], _Known] = {}
    for start in range(0, len(keys), 200):
        wanted = or_(
            *(
                and_(delivery.c.wave_id == w, delivery.c.rotation == r, delivery.c.learner_id == learner_id)
                for w, r, learner_id in keys[start : start + 200]
            )
        )
        rows = connection.execute(
            select(
                delivery.c.wave_id,
                delivery.c.rotation,
                delivery.c.learner_id,
                wave.c.campaign_id,
                delivery.c.state,
                delivery.c.channel,
                wave.c.family,
            )
            .select_from(delivery.join(wave, wave.c.id == delivery.c.wave_id))
            .where(wanted)
        )
        for w, r, learner_id, *known in rows:
            found[w, r, learner_id] = _Known(*known)
    return found


def _fold_state(connection: Connection, fact: DeliveryFact, *, state: str) -> None:
    target = _LEADS_TO[fact.kind]
    row = and_(
        delivery.c.wave_id == fact.wave_id,
        delivery.c.rotation == fact.rotation,
        delivery.c.learner_id == fact.learner_id,
    )
    values: dict[str, object] = {"state": target.value, "lease_until": None, "settled_at": fact.occurred_at}
    if state not in ACCEPTED_STATES and _is_proven(connection, row, values):
        # Only where it was set: an open wave's row is a worker's, who may be waiting for this learner.
        told = and_(wave.c.id == fact.wave_id, wave.c.reached_recorded_at.is_not(None))
        connection.execute(update(wave).where(told).values(reached_recorded_at=None))
        return
    lower = [each.value for each, rank in RANK.items() if rank < RANK[target]]
    connection.execute(update(delivery).where(row, delivery.c.state.in_(lower)).values(**values))


def _is_proven(connection: Connection, row: ColumnElement[bool], values: dict[str, object]) -> bool:
    """Settle a delivery that left and that a provider reports about: it was accepted, whatever it was taken for since.

    One that never left is not moved by what is said about it.
    """
    repeat_refused = and_(delivery.c.state == DeliveryState.REJECTED.value, delivery.c.attempt > 1)
    handed_over = and_(delivery.c.handover_id.is_not(None), or_(delivery.c.state.in_(OPEN_TO_EVIDENCE), repeat_refused))
    proven = connection.execute(
        update(delivery)
        .where(row, handed_over)
        .values(**values, reason=duplicate_mark())
        .returning(delivery.c.handover_id)
    ).scalar_one_or_none()
    if proven is not None:
        connection.execute(update(handover).where(handover.c.id == proven).values(accepted=handover.c.accepted + 1))
    return proven is not None


def _fold_consent(connection: Connection, fact: DeliveryFact, *, channel: str | None, family: str) -> None:
    if fact.kind is EventKind.OPTED_OUT:
        scope = channel or ANY_CHANNEL
        opt_out(connection, fact.learner_id, channel=scope, family=family, source=fact.source, at=fact.occurred_at)
    elif channel is None:
        return  # nothing was ever to be sent there: no address could bounce or complain
    elif fact.kind is EventKind.COMPLAINED:
        _suppress(connection, fact, channel, SuppressionReason.COMPLAINED)
    elif fact.kind is EventKind.BOUNCED:
        _suppress(connection, fact, channel, SuppressionReason.BOUNCED)


def _suppress(connection: Connection, fact: DeliveryFact, channel: str, reason: SuppressionReason) -> None:
    suppress(
        connection,
        fact.learner_id,
        channel=Channel(channel),
        family=ANY_FAMILY,
        reason=reason,
        source=fact.source,
        at=fact.occurred_at,
    )


def _note_clicks(
    connection: Connection, facts: Sequence[DeliveryFact], campaigns: dict[tuple[int, int, int], int]
) -> None:
    clicks = [
        (fact, campaigns[fact.wave_id, fact.rotation, fact.learner_id])
        for fact in facts
        if fact.kind is EventKind.CLICKED
    ]
    insert_new(
        connection,
        lifecycle_event,
        [
            {
                "campaign_id": campaign_id,
                "learner_id": fact.learner_id,
                "kind": LifecycleKind.CLICKED.value,
                "source_id": f"{fact.source}:{fact.source_id}"[:255],
                "occurred_at": fact.occurred_at,
            }
            for fact, campaign_id in clicks
        ],
    )
    for fact, campaign_id in clicks:  # news may be older than the last fold: fold again
        connection.execute(
            update(lifecycle)
            .where(lifecycle.c.campaign_id == campaign_id, lifecycle.c.learner_id == fact.learner_id)
            .values(folded_to=None)
        )


def record_reached(connection: Connection, campaign_key: str, *, now: datetime) -> int:
    """Tell the lifecycles whom a campaign's messages reached since this was last asked.

    Returns:
        How many events were new.
    """
    waves = connection.execute(
        select(wave.c.id, wave.c.campaign_id, wave.c.finished_at)
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(campaign.c.key == campaign_key, wave.c.reached_recorded_at.is_(None), wave.c.planned_at.is_not(None))
    ).all()
    inserted = 0
    for row in waves:
        told = (
            select(
                literal(row.campaign_id),
                delivery.c.learner_id,
                literal(LifecycleKind.REACHED.value),
                literal(f"wave:{row.id}"),
                func.min(case((handover.c.as_of.is_not(None), handover.c.as_of), else_=delivery.c.due_at)),
            )
            .select_from(delivery.outerjoin(handover, handover.c.id == delivery.c.handover_id))
            .where(
                delivery.c.wave_id == row.id,
                delivery.c.state.in_([state.value for state in ACCEPTED_STATES]),
                true(),
            )
            .group_by(delivery.c.learner_id)
        )
        result = connection.execute(
            insert_into(connection, lifecycle_event)
            .from_select(["campaign_id", "learner_id", "kind", "source_id", "occurred_at"], told)
            .on_conflict_do_nothing()
        )
        inserted += max(0, result.rowcount)
        if row.finished_at is not None:
            connection.execute(update(wave).where(wave.c.id == row.id).values(reached_recorded_at=now))
    return inserted
