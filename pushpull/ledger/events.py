"""Facts that come back about deliveries, and the lifecycles they move.

Facts are appended, never changed. A delivery's state is the fold of its facts: the highest rank wins, so order and
repetition do not matter, and a late bounce beats "delivered".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, case, func, literal, or_, select, true, update

from pushpull.db import insert_into, insert_new
from pushpull.learners.consent import opt_out, suppress
from pushpull.learners.tables import lifecycle_event
from pushpull.learners.vocabulary import ANY_FAMILY, Channel, LifecycleKind, SuppressionReason
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

    Returns:
        How many facts were new. Repeated ones change nothing.
    """
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
        _fold_state(connection, fact)
        _fold_consent(connection, fact, channel=row.channel, family=row.family)
    _note_clicks(connection, fresh, {key: row.campaign_id for key, row in known.items()})
    return inserted


@dataclass(frozen=True, slots=True)
class _Known:
    campaign_id: int
    channel: str
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
                delivery.c.channel,
                wave.c.family,
            )
            .select_from(delivery.join(wave, wave.c.id == delivery.c.wave_id))
            .where(wanted)
        )
        for w, r, learner_id, campaign_id, channel, family in rows:
            found[w, r, learner_id] = _Known(campaign_id, channel, family)
    return found


def _fold_state(connection: Connection, fact: DeliveryFact) -> None:
    target = _LEADS_TO[fact.kind]
    lower = [state.value for state, rank in RANK.items() if rank < RANK[target]]
    # An uncertain or parked delivery that a provider reports about was accepted: that is positive evidence.
    evidence = [DeliveryState.HANDING_OVER.value, DeliveryState.UNCERTAIN.value, DeliveryState.PARKED.value]
    connection.execute(
        update(delivery)
        .where(
            delivery.c.wave_id == fact.wave_id,
            delivery.c.rotation == fact.rotation,
            delivery.c.learner_id == fact.learner_id,
            delivery.c.state.in_([*lower, *evidence]),
        )
        .values(state=target.value, reason=None, lease_until=None, settled_at=fact.occurred_at)
    )


def _fold_consent(connection: Connection, fact: DeliveryFact, *, channel: str, family: str) -> None:
    if fact.kind is EventKind.OPTED_OUT:
        opt_out(connection, fact.learner_id, channel=channel, family=family, source=fact.source, at=fact.occurred_at)
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
    insert_new(
        connection,
        lifecycle_event,
        [
            {
                "campaign_id": campaigns[fact.wave_id, fact.rotation, fact.learner_id],
                "learner_id": fact.learner_id,
                "kind": LifecycleKind.CLICKED.value,
                "source_id": f"{fact.source}:{fact.source_id}"[:255],
                "occurred_at": fact.occurred_at,
            }
            for fact in facts
            if fact.kind is EventKind.CLICKED
        ],
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
