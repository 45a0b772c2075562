"""What happens to deliveries whose worker or provider went silent: reap, look up, settle or park.

Time alone never makes a handed-over message sendable again. ``claimed`` rows past their lease go back, for no byte of
theirs left; ``handing_over`` rows past it become uncertain, and only evidence moves them on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, ScalarSelect, and_, case, func, or_, select, update

from pushpull.db import database_now, reading, writing
from pushpull.learners.lists import in_ids, in_texts
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger import budget
from pushpull.ledger.campaigns import record
from pushpull.ledger.diverting import is_diverted
from pushpull.ledger.messages import delivery_id, parse_delivery_id
from pushpull.ledger.outcomes import Evidence, Finding, Question
from pushpull.ledger.reach import ADDRESS
from pushpull.ledger.settling import CALLED_BACK, REPEATED, HandoverRef, duplicate_mark, note
from pushpull.ledger.tables import campaign, delivery, handover, wave
from pushpull.ledger.vocabulary import DeliveryState, MessageClass, Reason

_LOG = logging.getLogger(__name__)

#: A change of a learner bears the time its import began: it may have come in so much later, behind a message's back.
IMPORTS_TAKE = timedelta(hours=1)

_CALLED_BACK = "called back: the provider will never send it"

#: Asks a channel's provider about handovers.
LookUp = Callable[[str, Sequence[Question]], Sequence[Evidence]]

_REFERENCE = (
    delivery.c.wave_id,
    delivery.c.rotation,
    delivery.c.learner_id,
    delivery.c.handover_id,
    delivery.c.channel,
)


@dataclass(frozen=True, slots=True)
class Reaped:
    """How many silent rows were moved.

    Args:
        diverted: handed over in a rehearsal: they are skipped, whatever became of the message.
    """

    put_back: int = 0
    uncertain: int = 0
    diverted: int = 0


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What became of uncertain rows."""

    accepted: int = 0
    planned: int = 0
    parked: int = 0
    still_uncertain: int = 0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long evidence may take.

    Args:
        settle: after the intent, a provider that has not got a message surely never will.
        park: after the intent, a person decides.
    """

    settle: timedelta = timedelta(minutes=15)
    park: timedelta = timedelta(hours=1)


def reap(engine: Engine) -> Reaped:
    """Move rows whose lease is over, by the database's clock."""
    with writing(engine) as connection:
        now = database_now(connection)
        unfinished = select(wave.c.id).where(wave.c.finished_at.is_(None))
        late = and_(delivery.c.wave_id.in_(unfinished), delivery.c.lease_until < now)
        returned = connection.execute(
            update(delivery)
            .where(late, delivery.c.state == DeliveryState.CLAIMED.value)
            .values(state=DeliveryState.PLANNED.value, claimed_by=None, lease_until=None)
        ).rowcount
        went_elsewhere = is_diverted(delivery.c.handover_id)
        silent = connection.execute(
            update(delivery)
            .where(late, delivery.c.state == DeliveryState.HANDING_OVER.value)
            .values(
                state=case((went_elsewhere, DeliveryState.SKIPPED.value), else_=DeliveryState.UNCERTAIN.value),
                reason=case((went_elsewhere, Reason.DIVERTED.value), else_=Reason.LEASE_EXPIRED.value),
                settled_at=case((went_elsewhere, _handed_over_at())),
                claimed_by=None,
                lease_until=None,
            )
            .returning(*_REFERENCE, delivery.c.state)
        ).all()
        for ref in _by_handover(silent):
            outcomes = dict.fromkeys(ref.learner_ids, "uncertain")
            reason = Reason.LEASE_EXPIRED.value
            note(connection, ref, outcomes, reason=reason, proof="the worker fell silent", at=now)
    doubtful = sum(row.state == DeliveryState.UNCERTAIN for row in silent)
    return Reaped(put_back=returned, uncertain=doubtful, diverted=len(silent) - doubtful)


def _handed_over_at() -> ScalarSelect[datetime]:
    """When a row's message was handed over, by the campaign's clock."""
    return select(handover.c.as_of).where(handover.c.id == delivery.c.handover_id).correlate(delivery).scalar_subquery()


def _by_handover(rows: Iterable[Any]) -> list[HandoverRef]:
    groups: dict[UUID, list[Any]] = {}
    for row in rows:
        groups.setdefault(row.handover_id, []).append(row)
    return [
        HandoverRef(
            id=handover_id,
            wave_id=members[0].wave_id,
            rotation=members[0].rotation,
            channel=members[0].channel,
            learner_ids=sorted(member.learner_id for member in members),
        )
        for handover_id, members in groups.items()
    ]


def uncertain(connection: Connection) -> list[HandoverRef]:
    """The handovers with rows nobody knows the outcome of."""
    unfinished = select(wave.c.id).where(wave.c.finished_at.is_(None))
    rows = connection.execute(
        select(*_REFERENCE).where(delivery.c.wave_id.in_(unfinished), delivery.c.state == DeliveryState.UNCERTAIN.value)
    ).all()
    return _by_handover(rows)


def reconcile(engine: Engine, look_up: LookUp, *, now: datetime, patience: Patience) -> Reconciled:
    """Settle uncertain rows by evidence, or park them.

    Args:
        look_up: asks the providers; returns nothing for channels that cannot tell.
        now: the campaign's clock, UTC.
        patience: how long evidence may take, by the database's clock.
    """
    with reading(engine) as connection:
        # How old a handover is counts from before the question: what is absent then may arrive while it is answered.
        asked_at = database_now(connection)
        doubtful = uncertain(connection)
        questions = _questions(connection, doubtful, asked_at=asked_at)
    found: dict[tuple[UUID, int], Evidence] = {}
    for channel, asked in sorted(questions.items()):
        for evidence in _asked(look_up, channel, asked):
            try:
                _, _, learner_id = parse_delivery_id(evidence.delivery_id)
                found[UUID(evidence.handover_id), learner_id] = evidence
            except ValueError:
                continue  # about nothing that we can have asked
    totals = {"accepted": 0, "planned": 0, "parked": 0, "still_uncertain": 0}
    for ref in doubtful:
        with writing(engine) as connection:
            settled = _settle(connection, ref, found, now=now, asked_at=asked_at, patience=patience)
            for outcome, count in settled.items():
                totals[outcome] += count
    return Reconciled(**totals)


def _asked(look_up: LookUp, channel: str, questions: Sequence[Question]) -> Sequence[Evidence]:
    """What a provider says; nothing where it cannot be asked, for the other channels must not wait for it."""
    try:
        return look_up(channel, questions)
    except Exception as error:  # noqa: BLE001  # whatever it was, it is evidence of nothing
        _LOG.warning("look-up failed", extra={"channel": channel, "error": type(error).__name__})
        return []


def _questions(
    connection: Connection, doubtful: Sequence[HandoverRef], *, asked_at: datetime
) -> dict[str, list[Question]]:
    """What to ask, by channel."""
    questions: dict[str, list[Question]] = {}
    for ref in doubtful:
        made = connection.execute(
            select(handover.c.request_id, handover.c.intended_at, handover.c.send_at).where(handover.c.id == ref.id)
        ).one()
        # An address that was changed since may not be the one the message went to: asking about it would prove nothing.
        is_the_one = or_(
            learner.c.updated_at <= made.intended_at - IMPORTS_TAKE, learner.c.updated_at == learner.c.created_at
        )
        address = case((is_the_one, ADDRESS[Channel(ref.channel)]))
        known = dict(
            connection.execute(select(learner.c.id, address).where(in_ids(learner.c.id, ref.learner_ids))).all()
        )
        addresses = {
            delivery_id(ref.wave_id, ref.rotation, learner_id): known.get(learner_id) for learner_id in ref.learner_ids
        }
        mailboxes = _shared(connection, known.values()) if ref.channel == Channel.EMAIL else set()
        questions.setdefault(ref.channel, []).append(
            Question(
                handover_id=ref.id,
                wave_id=ref.wave_id,
                addresses=addresses,
                shared=frozenset(name for name, address in addresses.items() if address in mailboxes),
                intended_at=made.intended_at,
                asked_at=asked_at,
                request_id=made.request_id,
                send_at=made.send_at,
            )
        )
    return questions


def _shared(connection: Connection, addresses: Iterable[str | None]) -> set[str]:
    """Which of these mailboxes more than one learner has."""
    asked = [address for address in addresses if address]
    together = select(learner.c.email).where(in_texts(learner.c.email, asked)).group_by(learner.c.email)
    return set(connection.execute(together.having(func.count() > 1)).scalars())


def _settle(
    connection: Connection,
    ref: HandoverRef,
    found: dict[tuple[UUID, int], Evidence],
    *,
    now: datetime,
    asked_at: datetime,
    patience: Patience,
) -> dict[str, int]:
    database_time = database_now(connection)
    intended_at, send_at, message_class = connection.execute(
        select(handover.c.intended_at, handover.c.send_at, wave.c.message_class)
        .select_from(handover.join(wave, wave.c.id == handover.c.wave_id))
        .where(handover.c.id == ref.id)
    ).one()
    # Planned mail has no fate before its time: until then it can be called back, or is yet to be sent.
    age = asked_at - max(intended_at, send_at or intended_at)
    open_rows = connection.execute(
        select(delivery.c.learner_id, duplicate_mark().label("mark")).where(ref.unsettled()).with_for_update()
    ).all()
    decided: dict[str, list[int]] = {"accepted": [], CALLED_BACK: [], "planned": [], REPEATED: [], "parked": []}
    if send_at is not None and any(found[key].finding is Finding.CANCELLED for key in found if key[0] == ref.id):
        _take_back_accepted(connection, ref, now=now, at=database_time)
    for learner_id, mark in open_rows:
        evidence = found.get((ref.id, learner_id))
        finding = evidence.finding if evidence else Finding.UNKNOWN
        if finding is Finding.ACCEPTED:
            decided["accepted"].append(learner_id)
        elif finding is Finding.CANCELLED:
            decided[CALLED_BACK].append(learner_id)
        elif finding is Finding.ABSENT and age >= patience.settle:
            decided["planned"].append(learner_id)
        elif age >= patience.park:
            may_repeat = message_class == MessageClass.MANDATORY and mark is None
            decided[REPEATED if may_repeat else "parked"].append(learner_id)
    proofs: dict[str, tuple[DeliveryState, object, str, str]] = {
        "accepted": (DeliveryState.ACCEPTED, duplicate_mark(), "accepted", "found at the provider"),
        CALLED_BACK: (DeliveryState.PLANNED, Reason.NOT_PROCESSED.value, "not_sent", _CALLED_BACK),
        "planned": (DeliveryState.PLANNED, Reason.NOT_PROCESSED.value, "not_sent", "absent at the provider"),
        REPEATED: (
            DeliveryState.PLANNED,
            Reason.POSSIBLE_DUPLICATE.value,
            "not_sent",
            "no evidence: an obligation is repeated once",
        ),
        "parked": (DeliveryState.PARKED, Reason.NO_EVIDENCE.value, "parked", "no evidence either way"),
    }
    for outcome, learner_ids in decided.items():
        if not learner_ids:
            continue
        state, reason, noted, proof = proofs[outcome]
        values: dict[str, object] = {"state": state.value, "reason": reason}
        values |= {"due_at": _not_before(now)} if state is DeliveryState.PLANNED else {"settled_at": now}
        connection.execute(
            update(delivery).where(ref.unsettled(), delivery.c.learner_id.in_(learner_ids)).values(**values)
        )
        note(connection, ref, dict.fromkeys(learner_ids, noted), reason=outcome, proof=proof, at=database_time)
        if outcome in {CALLED_BACK, "planned"}:
            budget.strike_out(connection, ref.id, learner_ids)
        if outcome == "accepted":
            connection.execute(
                update(handover)
                .where(handover.c.id == ref.id)
                .values(accepted=handover.c.accepted + len(learner_ids), settled_at=database_time)
            )
    settled = {outcome: len(ids) for outcome, ids in decided.items()}
    return {
        "accepted": settled["accepted"],
        "planned": settled[CALLED_BACK] + settled["planned"] + settled[REPEATED],
        "parked": settled["parked"],
        "still_uncertain": len(open_rows) - sum(settled.values()),
    }


def _not_before(now: datetime) -> ColumnElement[datetime]:
    """When a row goes again: at once, and where it was handed over ahead of its time, at that time."""
    return case((delivery.c.due_at > now, delivery.c.due_at), else_=now)


def _take_back_accepted(connection: Connection, ref: HandoverRef, *, now: datetime, at: datetime) -> None:
    """A planned request was called back as a whole: also its messages that were reported as taken will never leave."""
    whole = select(handover.c.first_learner_id, handover.c.last_learner_id).where(handover.c.id == ref.id)
    first, last = connection.execute(whole).one()
    rows = connection.execute(
        update(delivery)
        .where(
            delivery.c.wave_id == ref.wave_id,
            delivery.c.rotation == ref.rotation,
            delivery.c.learner_id.between(first, last),
            delivery.c.handover_id == ref.id,
            delivery.c.state.in_([DeliveryState.ACCEPTED.value, DeliveryState.PARKED.value]),
        )
        .values(
            state=DeliveryState.PLANNED.value,
            reason=Reason.NOT_PROCESSED.value,
            due_at=_not_before(now),
            settled_at=None,
        )
        .returning(delivery.c.learner_id)
    ).all()
    learner_ids = sorted(row.learner_id for row in rows)
    if not learner_ids:
        return
    note(connection, ref, dict.fromkeys(learner_ids, "not_sent"), reason=CALLED_BACK, proof=_CALLED_BACK, at=at)
    budget.strike_out(connection, ref.id, learner_ids)
    connection.execute(update(handover).where(handover.c.id == ref.id).values(accepted=0))


@dataclass(frozen=True, slots=True)
class ParkedDelivery:
    """A delivery whose outcome a person has to find out."""

    delivery_id: str
    campaign_key: str
    wave_key: str
    external_id: str


def parked(connection: Connection) -> list[ParkedDelivery]:
    """All parked deliveries, the oldest wave first."""
    rows = connection.execute(
        select(
            delivery.c.wave_id,
            delivery.c.rotation,
            delivery.c.learner_id,
            campaign.c.key,
            wave.c.key,
            learner.c.external_id,
        )
        .select_from(
            delivery.join(wave, wave.c.id == delivery.c.wave_id)
            .join(campaign, campaign.c.id == wave.c.campaign_id)
            .join(learner, learner.c.id == delivery.c.learner_id)
        )
        .where(delivery.c.state == DeliveryState.PARKED.value)
        .order_by(delivery.c.wave_id, delivery.c.rotation, delivery.c.learner_id)
    )
    return [ParkedDelivery(delivery_id(w, r, person), key, wave_key, who) for w, r, person, key, wave_key, who in rows]


def resolve_parked(
    connection: Connection, *, wave_id: int, rotation: int, learner_id: int, was_received: bool, who: str, now: datetime
) -> bool:
    """A person decides about a parked delivery: it was received, or it shall be sent again.

    Returns:
        Whether the row was parked.
    """
    row = and_(
        delivery.c.wave_id == wave_id,
        delivery.c.rotation == rotation,
        delivery.c.learner_id == learner_id,
        delivery.c.state == DeliveryState.PARKED.value,
    )
    parked = connection.execute(select(*_REFERENCE).where(row).with_for_update()).one_or_none()
    if parked is None:
        return False
    (ref,) = _by_handover([parked])
    values: dict[str, object]
    if was_received:
        values = {"state": DeliveryState.ACCEPTED.value, "reason": duplicate_mark(), "settled_at": now}
        reopened: dict[str, object] = {"reached_recorded_at": None}
        noted, reason, decision = "accepted", "accepted", "received"
        connection.execute(update(handover).where(handover.c.id == ref.id).values(accepted=handover.c.accepted + 1))
    else:
        values = {"state": DeliveryState.PLANNED.value, "reason": Reason.POSSIBLE_DUPLICATE.value, "due_at": now}
        reopened = {"finished_at": None, "reached_recorded_at": None}
        noted, reason, decision = "not_sent", REPEATED, "send again"
    connection.execute(update(delivery).where(row).values(**values))
    connection.execute(update(wave).where(wave.c.id == wave_id).values(**reopened))
    note(
        connection,
        ref,
        {learner_id: noted},
        reason=reason,
        proof=f"a person decided: {decision}",
        at=database_now(connection),
    )
    subject = delivery_id(wave_id, rotation, learner_id)
    record(connection, at=now, who=who, what="parked delivery resolved", subject=subject, why=decision)
    return True
