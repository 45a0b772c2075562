"""The lifecycle of a delivery under what is reported about it: the fold of its facts.

The highest rank wins, so order and repetition do not matter, and a late bounce beats "delivered".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select, update

from pushpull.db import database_now
from pushpull.ledger.diverting import is_diverted
from pushpull.ledger.reports import DeliveryFact, Key, KnownDelivery, of_deliveries
from pushpull.ledger.settling import CALLED_BACK, OPEN_TO_EVIDENCE, HandoverRef, duplicate_mark, note
from pushpull.ledger.tables import attempt, delivery, handover, wave
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

_TO_LEAVE_AGAIN = (
    DeliveryState.PLANNED.value,
    DeliveryState.HELD.value,
    DeliveryState.CLAIMED.value,
    DeliveryState.SKIPPED.value,
)


def fold_states(connection: Connection, facts: Sequence[DeliveryFact], known: Mapping[Key, KnownDelivery]) -> None:
    """Move the deliveries the facts are about.

    Args:
        known: all of these deliveries.
    """
    highest: dict[Key, DeliveryFact] = {}
    for fact in facts:
        row = known[fact.delivery]
        is_of_another = fact.handover_id is not None and fact.handover_id != row.handover_id
        if fact.kind is EventKind.UNDELIVERED and is_of_another:
            continue  # that one did not arrive, and another one left since: its own fate counts
        if row.state not in ACCEPTED_STATES:
            _fold_unproven(connection, fact, channel=row.channel)
        else:
            before = highest.get(fact.delivery)
            if before is None or RANK[_LEADS_TO[fact.kind]] > RANK[_LEADS_TO[before.kind]]:
                highest[fact.delivery] = fact
    _raise(connection, list(highest.values()))
    for fact in facts:
        if fact.handover_id is not None and fact.handover_id != known[fact.delivery].handover_id:
            _mark_repeat(connection, fact)


def _raise(connection: Connection, facts: Sequence[DeliveryFact]) -> None:
    """Move deliveries the provider surely has to the state a fact leads to, where that is higher than theirs."""
    for target, height in RANK.items():
        lower = [each.value for each, rank in RANK.items() if rank < height]
        rows = [
            {"w": fact.wave_id, "r": fact.rotation, "person": fact.learner_id, "at": fact.occurred_at}
            for fact in facts
            if _LEADS_TO[fact.kind] is target
        ]
        if not rows or not lower:
            continue
        connection.execute(
            update(delivery)
            .where(
                delivery.c.wave_id == bindparam("w"),
                delivery.c.rotation == bindparam("r"),
                delivery.c.learner_id == bindparam("person"),
                # Not an IN: its list is expanded per statement, which a statement for many rows at once cannot be.
                or_(*(delivery.c.state == each for each in lower)),
            )
            .values(state=target.value, lease_until=None, settled_at=bindparam("at")),
            rows,
        )


def _fold_unproven(connection: Connection, fact: DeliveryFact, *, channel: str | None) -> None:
    (row,) = of_deliveries([fact.delivery])
    if fact.kind is EventKind.UNDELIVERED:
        # Where it waits to leave again it was proven not to have left, e.g. called back: that it was dropped says no
        # more than that, and the next one is still to come.
        row = and_(row, delivery.c.state.not_in(_TO_LEAVE_AGAIN))
    if fact.kind is EventKind.ACCEPTED:
        # That it had been taken is old news once it was called back: it will not be sent.
        row = and_(row, ~_was_called_back(fact))
    target = _LEADS_TO[fact.kind]
    values: dict[str, object] = {"state": target.value, "lease_until": None, "settled_at": fact.occurred_at}
    if not _is_proven(connection, fact, row, values, channel=channel):
        _raise(connection, [fact])  # an earlier one of these facts may have proven it
        return
    # Only where it was set: an open wave's row is a worker's, who may be waiting for this learner.
    told = and_(wave.c.id == fact.wave_id, wave.c.reached_recorded_at.is_not(None))
    connection.execute(update(wave).where(told).values(reached_recorded_at=None))


def _was_called_back(fact: DeliveryFact) -> ColumnElement[bool]:
    return (
        select(attempt.c.handover_id)
        .where(
            attempt.c.handover_id == (fact.handover_id or delivery.c.handover_id),
            attempt.c.learner_id == delivery.c.learner_id,
            attempt.c.reason == CALLED_BACK,
        )
        .correlate(delivery)
        .exists()
    )


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


def _mark_repeat(connection: Connection, fact: DeliveryFact) -> None:
    """The provider had an earlier handover's message after all, and a later one left, too: perhaps it came twice.

    Asked of the attempts, not of the state, so that it comes to the same whether this is heard before or after the
    later message's own fate.
    """
    (row,) = of_deliveries([fact.delivery])
    sent = select(delivery.c.handover_id, delivery.c.state).where(row, ~is_diverted(delivery.c.handover_id))
    later = connection.execute(sent).one_or_none()
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
