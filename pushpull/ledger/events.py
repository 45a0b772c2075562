"""Facts that come back about deliveries, and the lifecycles they move.

Facts are appended, never changed. A delivery's state is the fold of its facts: the highest rank wins, so order and
repetition do not matter, and a late bounce beats "delivered".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, literal, or_, select, true, update

from pushpull.db import database_now, insert_into, insert_new
from pushpull.learners.consent import opt_out, suppress
from pushpull.learners.tables import learner, lifecycle, lifecycle_event
from pushpull.learners.vocabulary import ANY_CHANNEL, ANY_FAMILY, Channel, LifecycleKind, SuppressionReason
from pushpull.ledger.settling import OPEN_TO_EVIDENCE, HandoverRef, duplicate_mark, note
from pushpull.ledger.tables import attempt, campaign, delivery, delivery_event, handover, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, DeliveryState, EventKind, Reason

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
        handover_id: which of the delivery's handovers it is about; None where the source does not say: the latest.
        suppress: why nothing more may go to the address, where the kind alone does not say so. An opt-out that
            suppresses is about the address and leaves the family's consent alone.
    """

    source: str
    source_id: str
    wave_id: int
    rotation: int
    learner_id: int
    kind: EventKind
    occurred_at: datetime
    detail: str | None = None
    handover_id: UUID | None = None
    suppress: SuppressionReason | None = None

    @property
    def delivery(self) -> tuple[int, int, int]:
        """The key of its delivery."""
        return self.wave_id, self.rotation, self.learner_id


def record_facts(connection: Connection, facts: Sequence[DeliveryFact]) -> int:
    """Append facts and fold them into deliveries, suppressions, consent and lifecycle events.

    A fact about a delivery there is not is left out (:func:`about_nothing_known` tells which): the inbox keeps those.

    Returns:
        How many facts were new. Repeated ones change nothing.
    """
    present = _lock_learners(connection, {fact.learner_id for fact in facts})
    known = _known(connection, facts)
    fresh = [fact for fact in facts if _is_about(known, fact)]
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
                "campaign_id": known[fact.delivery].campaign_id,
                "kind": fact.kind.value,
                "occurred_at": fact.occurred_at,
                "detail": fact.detail,
            }
            for fact in fresh
        ],
    )
    for fact in fresh:
        row = known[fact.delivery]
        _fold_state(connection, fact, row)
        if fact.learner_id in present:
            _fold_consent(connection, fact, channel=row.channel, family=row.family)
    heard = [fact for fact in fresh if fact.learner_id in present]
    _note_clicks(connection, heard, {key: row.campaign_id for key, row in known.items()})
    return inserted


def about_nothing_known(connection: Connection, facts: Sequence[DeliveryFact]) -> set[DeliveryFact]:
    """The facts about deliveries, or handovers of them, that are not in this ledger: perhaps not yet.

    Another installation that shares the provider's account counts its deliveries from one, too; its handovers' ids are
    not ours.
    """
    known = _known(connection, facts)
    return {fact for fact in facts if not _is_about(known, fact)}


def lock_for(connection: Connection, facts: Sequence[DeliveryFact], *, learner_ids: Collection[int] = ()) -> None:
    """Lock what facts will change, in the order in which handovers and their outcomes do: learners, rows, handovers.

    Facts of one transaction that are recorded one by one would else be locked in the order they came in.

    Args:
        learner_ids: whom something else is to be written about in the same transaction.
    """
    _lock_learners(connection, {*learner_ids, *(fact.learner_id for fact in facts)})
    keys = sorted({fact.delivery for fact in facts})
    handovers: set[UUID] = {fact.handover_id for fact in facts if fact.handover_id is not None}
    for start in range(0, len(keys), 200):
        rows = select(delivery.c.handover_id, delivery.c.state).where(_any_of(keys[start : start + 200]))
        ordered = rows.order_by(delivery.c.wave_id, delivery.c.rotation, delivery.c.learner_id).with_for_update()
        settled = {state.value for state in ACCEPTED_STATES}
        handovers |= {row.handover_id for row in connection.execute(ordered) if row.state not in settled}
    for each in sorted(handovers - {None}):
        connection.execute(select(handover.c.id).where(handover.c.id == each).with_for_update())


def _any_of(keys: Sequence[tuple[int, int, int]]) -> ColumnElement[bool]:
    return or_(
        *(
            and_(delivery.c.wave_id == w, delivery.c.rotation == r, delivery.c.learner_id == learner_id)
            for w, r, learner_id in keys
        )
    )


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
    handovers: frozenset[UUID]  # those named by facts that are truly this delivery's
    campaign_id: int
    state: str
    channel: str | None
    family: str
    handover_id: UUID | None


def _is_about(known: dict[tuple[int, int, int], _Known], fact: DeliveryFact) -> bool:
    row = known.get(fact.delivery)
    return row is not None and (fact.handover_id is None or fact.handover_id in row.handovers)


def _known(connection: Connection, facts: Iterable[DeliveryFact]) -> dict[tuple[int, int, int], _Known]:
    facts = list(facts)
    keys = sorted({fact.delivery for fact in facts})
    named = _named_handovers(connection, facts)
    found: dict[tuple[int, int, int], _Known] = {}
    for start in range(0, len(keys), 200):
        rows = connection.execute(
            select(
                delivery.c.wave_id,
                delivery.c.rotation,
                delivery.c.learner_id,
                wave.c.campaign_id,
                delivery.c.state,
                delivery.c.channel,
                wave.c.family,
                delivery.c.handover_id,
            )
            .select_from(delivery.join(wave, wave.c.id == delivery.c.wave_id))
            .where(_any_of(keys[start : start + 200]))
        )
        for w, r, learner_id, *columns in rows:
            found[w, r, learner_id] = _Known(frozenset(named.get((w, r, learner_id), ())), *columns)
    return found


def _named_handovers(connection: Connection, facts: Sequence[DeliveryFact]) -> dict[tuple[int, int, int], set[UUID]]:
    """The handovers facts name, by delivery: those that there are, of its wave, around its learner."""
    wanted = sorted({fact.handover_id for fact in facts if fact.handover_id is not None})
    rows: dict[UUID | None, Row[Any]] = {}
    for start in range(0, len(wanted), 500):
        chosen = handover.c.id.in_(wanted[start : start + 500])
        rows |= {row.id: row for row in connection.execute(select(handover).where(chosen))}
    found: dict[tuple[int, int, int], set[UUID]] = {}
    for fact in facts:
        row = rows.get(fact.handover_id)
        if (
            row is not None
            and (row.wave_id, row.rotation) == (fact.wave_id, fact.rotation)
            and row.first_learner_id <= fact.learner_id <= row.last_learner_id
        ):
            found.setdefault(fact.delivery, set()).add(row.id)
    return found


def _fold_state(connection: Connection, fact: DeliveryFact, known: _Known) -> None:
    target = _LEADS_TO[fact.kind]
    row = _any_of([fact.delivery])
    values: dict[str, object] = {"state": target.value, "lease_until": None, "settled_at": fact.occurred_at}
    if known.state not in ACCEPTED_STATES and _is_proven(connection, fact, row, values, channel=known.channel):
        # Only where it was set: an open wave's row is a worker's, who may be waiting for this learner.
        told = and_(wave.c.id == fact.wave_id, wave.c.reached_recorded_at.is_not(None))
        connection.execute(update(wave).where(told).values(reached_recorded_at=None))
    else:
        lower = [each.value for each, rank in RANK.items() if rank < RANK[target]]
        if lower:
            connection.execute(update(delivery).where(row, delivery.c.state.in_(lower)).values(**values))
    if fact.handover_id is not None and fact.handover_id != known.handover_id:
        _mark_repeat(connection, fact, row)


def _is_proven(
    connection: Connection,
    fact: DeliveryFact,
    row: ColumnElement[bool],
    values: dict[str, object],
    *,
    channel: str | None,
) -> bool:
    """Settle a delivery that left and that a provider reports about: it was accepted, whatever it was taken for since.

    One that never left is not moved by what is said about it. One that left earlier and waits to leave again, or is
    just leaving again, does not: somebody has it.
    """
    repeat_refused = and_(delivery.c.state == DeliveryState.REJECTED.value, delivery.c.attempt > 1)
    handed_over = and_(delivery.c.handover_id.is_not(None), or_(delivery.c.state.in_(OPEN_TO_EVIDENCE), repeat_refused))
    current = connection.execute(
        update(delivery)
        .where(row, handed_over)
        .values(**values, reason=duplicate_mark())
        .returning(delivery.c.handover_id)
    ).scalar_one_or_none()
    if current is None:
        return False
    proven = fact.handover_id or current
    connection.execute(update(handover).where(handover.c.id == proven).values(accepted=handover.c.accepted + 1))
    ref = HandoverRef(proven, fact.wave_id, fact.rotation, channel or "", (fact.learner_id,))
    proof = f"reported by {fact.source}"
    note(
        connection,
        ref,
        {fact.learner_id: "accepted"},
        reason=fact.kind.value,
        proof=proof,
        at=database_now(connection),
    )
    return True


def _mark_repeat(connection: Connection, fact: DeliveryFact, row: ColumnElement[bool]) -> None:
    """The provider had an earlier handover's message after all, and a later one left, too: perhaps it came twice.

    Asked of the attempts, not of the state, so that it comes to the same whether this is heard before or after the
    later message's own fate.
    """
    later = connection.execute(select(delivery.c.handover_id, delivery.c.state).where(row)).one_or_none()
    if later is None or later.handover_id == fact.handover_id or later.state not in ACCEPTED_STATES:
        return
    never_left = connection.execute(
        select(attempt.c.outcome)
        .where(attempt.c.handover_id == later.handover_id, attempt.c.learner_id == fact.learner_id)
        .where(attempt.c.outcome.in_(["not_sent", "rejected"]))
        .limit(1)
    ).one_or_none()
    if never_left is None:
        connection.execute(update(delivery).where(row).values(reason=Reason.POSSIBLE_DUPLICATE.value))


def _fold_consent(connection: Connection, fact: DeliveryFact, *, channel: str | None, family: str) -> None:
    if fact.suppress is not None and channel is not None:
        _suppress(connection, fact, channel, fact.suppress)
    elif fact.kind is EventKind.OPTED_OUT:
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
    clicks = [(fact, campaigns[fact.delivery]) for fact in facts if fact.kind is EventKind.CLICKED]
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
