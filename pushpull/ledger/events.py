"""Facts that come back about deliveries, and the lifecycles they move.

Facts are appended, never changed. A delivery's state is the fold of its facts: the highest rank wins, so order and
repetition do not matter, and a late bounce beats "delivered".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, case, func, literal, select, true, update

from pushpull.db import insert_into, insert_new
from pushpull.learners.consent import lock_learners, opt_out, suppress
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import lifecycle, lifecycle_event
from pushpull.learners.vocabulary import ANY_CHANNEL, ANY_FAMILY, Channel, LifecycleKind, SuppressionReason
from pushpull.ledger.report_states import RANK, fold_states
from pushpull.ledger.reports import (
    DeliveryFact,
    about_nothing_known,
    is_about,
    is_of_a_rehearsal,
    known_deliveries,
    of_deliveries,
)
from pushpull.ledger.tables import campaign, delivery, delivery_event, handover, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, EventKind

__all__ = ["RANK", "DeliveryFact", "about_nothing_known", "lock_for", "record_facts", "record_reached"]


def record_facts(connection: Connection, facts: Sequence[DeliveryFact]) -> int:
    """Append facts and fold them into deliveries, suppressions, consent and lifecycle events.

    A fact about a delivery there is not is left out (:func:`about_nothing_known` tells which): the inbox keeps those.
    So is one about a message that went to somebody else in a rehearsal: it is no fact about the learner.

    Returns:
        How many facts were new. Repeated ones change nothing.
    """
    present = lock_learners(connection, {fact.learner_id for fact in facts})
    known = known_deliveries(connection, facts)
    fresh = [fact for fact in facts if is_about(known, fact) and not is_of_a_rehearsal(known, fact)]
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
                "detail": fact.detail if fact.learner_id in present else None,  # it may quote an address
            }
            for fact in fresh
        ],
    )
    fold_states(connection, fresh, known)
    for fact in fresh:
        row = known[fact.delivery]
        if fact.learner_id in present:
            _fold_consent(connection, fact, channel=row.channel, family=row.family)
    heard = [fact for fact in fresh if fact.learner_id in present]
    _note_clicks(connection, heard, {key: row.campaign_id for key, row in known.items()})
    return inserted


def lock_for(connection: Connection, facts: Sequence[DeliveryFact], *, learner_ids: Collection[int] = ()) -> None:
    """Lock what facts will change, in the order in which handovers and their outcomes do: learners, rows, handovers.

    Facts of one transaction that are recorded one by one would else be locked in the order they came in.

    Args:
        learner_ids: whom something else is to be written about in the same transaction.
    """
    lock_learners(connection, {*learner_ids, *(fact.learner_id for fact in facts)})
    handovers = {fact.handover_id for fact in facts}
    settled = {state.value for state in ACCEPTED_STATES}
    for condition in of_deliveries({fact.delivery for fact in facts}):
        rows = select(delivery.c.handover_id, delivery.c.state).where(condition).order_by(delivery.c.learner_id)
        handovers |= {row.handover_id for row in connection.execute(rows.with_for_update()) if row.state not in settled}
    for each in sorted(each for each in handovers if each is not None):
        connection.execute(select(handover.c.id).where(handover.c.id == each).with_for_update())


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
    by_campaign: dict[int, set[int]] = {}
    for fact, campaign_id in clicks:
        by_campaign.setdefault(campaign_id, set()).add(fact.learner_id)
    for campaign_id, learner_ids in sorted(by_campaign.items()):  # news may be older than the last fold: fold again
        clicked = and_(lifecycle.c.campaign_id == campaign_id, in_ids(lifecycle.c.learner_id, sorted(learner_ids)))
        connection.execute(update(lifecycle).where(clicked).values(folded_to=None))


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
