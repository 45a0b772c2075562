"""Facts about deliveries as they are reported, and the rows they are about."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, select

from pushpull.learners.lists import in_ids
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.tables import contact, delivery, handover, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, EventKind

#: A delivery: wave, rotation, learner.
Key = tuple[int, int, int]


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
    def delivery(self) -> Key:
        """The key of its delivery."""
        return self.wave_id, self.rotation, self.learner_id


@dataclass(frozen=True, slots=True)
class KnownDelivery:
    """What the ledger knows about a delivery that something is reported about.

    Args:
        handovers: those named by the reports that are truly this delivery's.
        handover_id: the latest; None when it never left.
        diverted: those of these handovers that went to somebody else in a rehearsal.
    """

    handovers: frozenset[UUID]
    campaign_id: int
    state: str
    channel: str | None
    family: str
    handover_id: UUID | None
    diverted: frozenset[UUID] = frozenset()


def is_about(known: dict[Key, KnownDelivery], fact: DeliveryFact) -> bool:
    """Whether the fact is about one of these deliveries, and a handover of it."""
    row = known.get(fact.delivery)
    return row is not None and (fact.handover_id is None or fact.handover_id in row.handovers)


def is_of_a_rehearsal(known: Mapping[Key, KnownDelivery], fact: DeliveryFact) -> bool:
    """Whether the fact is about a message that went to somebody else: then it says nothing about the learner."""
    row = known.get(fact.delivery)
    return row is not None and (fact.handover_id or row.handover_id) in row.diverted


def about_nothing_known(connection: Connection, facts: Sequence[DeliveryFact]) -> set[DeliveryFact]:
    """The facts about deliveries, or handovers of them, that are not in this ledger: perhaps not yet.

    Another installation that shares the provider's account counts its deliveries from one, too; its handovers' ids are
    not ours.
    """
    known = known_deliveries(connection, facts)
    return {fact for fact in facts if not is_about(known, fact)}


def of_deliveries(keys: Collection[Key]) -> Iterator[ColumnElement[bool]]:
    """Conditions that together hold for these deliveries: one for each wave and rotation, in their order."""
    by_wave: dict[tuple[int, int], list[int]] = {}
    for wave_id, rotation, learner_id in sorted(keys):
        by_wave.setdefault((wave_id, rotation), []).append(learner_id)
    for (wave_id, rotation), learner_ids in by_wave.items():
        yield and_(
            delivery.c.wave_id == wave_id,
            delivery.c.rotation == rotation,
            in_ids(delivery.c.learner_id, learner_ids),
        )


def known_deliveries(connection: Connection, facts: Sequence[DeliveryFact]) -> dict[Key, KnownDelivery]:
    """The deliveries the facts are about, as far as there are such."""
    named = _named_handovers(connection, facts)
    found: dict[Key, KnownDelivery] = {}
    for condition in of_deliveries({fact.delivery for fact in facts}):
        rows = connection.execute(
            select(
                delivery.c.wave_id,
                delivery.c.rotation,
                delivery.c.learner_id,
                handover.c.diverted_to,
                wave.c.campaign_id,
                delivery.c.state,
                delivery.c.channel,
                wave.c.family,
                delivery.c.handover_id,
            )
            .select_from(
                delivery.join(wave, wave.c.id == delivery.c.wave_id).outerjoin(
                    handover, handover.c.id == delivery.c.handover_id
                )
            )
            .where(condition)
        )
        for w, r, learner_id, diverted_to, *columns in rows:
            handovers = named.get((w, r, learner_id), {})
            diverted = {each for each, is_diverted in handovers.items() if is_diverted}
            row = KnownDelivery(frozenset(handovers), *columns)
            if diverted_to is not None and row.handover_id is not None:
                diverted.add(row.handover_id)
            found[w, r, learner_id] = replace(row, diverted=frozenset(diverted)) if diverted else row
    return found


def _named_handovers(connection: Connection, facts: Sequence[DeliveryFact]) -> dict[Key, dict[UUID, bool]]:
    """The handovers facts name, by delivery: those that there are, of its wave, around its learner.

    Returns:
        For each, whether it was diverted.
    """
    wanted = sorted({fact.handover_id for fact in facts if fact.handover_id is not None})
    rows: dict[UUID | None, Row[Any]] = {}
    for start in range(0, len(wanted), 500):
        chosen = handover.c.id.in_(wanted[start : start + 500])
        rows |= {row.id: row for row in connection.execute(select(handover).where(chosen))}
    found: dict[Key, dict[UUID, bool]] = {}
    for fact in facts:
        row = rows.get(fact.handover_id)
        if (
            row is not None
            and (row.wave_id, row.rotation) == (fact.wave_id, fact.rotation)
            and row.first_learner_id <= fact.learner_id <= row.last_learner_id
        ):
            found.setdefault(fact.delivery, {})[row.id] = row.diverted_to is not None
    return found


def accepted_messages(learner_id: int, channel: Channel | str) -> Select[tuple[int, int, str]]:
    """``(wave_id, rotation, family)`` of the messages a provider took for a learner on a channel, to be narrowed down.

    By the attention budget's book: it is kept by learner, deliveries are kept by wave.
    """
    same = and_(
        delivery.c.wave_id == handover.c.wave_id,
        delivery.c.rotation == handover.c.rotation,
        delivery.c.learner_id == contact.c.learner_id,
    )
    return (
        select(handover.c.wave_id, handover.c.rotation, wave.c.family)
        .select_from(
            contact.join(handover, handover.c.id == contact.c.handover_id)
            .join(wave, wave.c.id == handover.c.wave_id)
            .join(delivery, same)
        )
        .where(
            contact.c.learner_id == learner_id,
            handover.c.channel == str(channel),
            delivery.c.state.in_([state.value for state in ACCEPTED_STATES]),
        )
    )
