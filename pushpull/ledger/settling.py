"""Settling: what a provider's answer, or later evidence, does to the rows of a handover.

Every change is a compare-and-set on (handover, state), so an answer that arrives late or twice changes nothing wrong:
positive evidence settles a row as long as nothing newer left for it, and nothing ever un-accepts one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    SmallInteger,
    String,
    Update,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)

from pushpull.db import UtcDateTime, insert_new
from pushpull.learners.consent import lock_learners, suppress
from pushpull.learners.lists import in_ids, texts_by_id
from pushpull.learners.vocabulary import ANY_FAMILY, SuppressionReason
from pushpull.ledger import budget
from pushpull.ledger.outcomes import (
    CHANNEL_STOPPED,
    DEADLINE_PASSED,
    TURN_PASSED,
    Accepted,
    NotSent,
    Outcome,
    Rejected,
    Uncertain,
)
from pushpull.ledger.tables import attempt, delivery, handover
from pushpull.ledger.vocabulary import DeliveryState, Reason

#: Where an answer may still change a row.
_UNSETTLED = (DeliveryState.HANDING_OVER.value, DeliveryState.UNCERTAIN.value)

#: Where proof that the provider has the message still changes a row that was handed over: also where it was given up,
#: or waits to be sent again. What was claimed for another try is no longer that worker's once it is accepted.
OPEN_TO_EVIDENCE = (
    *_UNSETTLED,
    DeliveryState.PARKED.value,
    DeliveryState.PLANNED.value,
    DeliveryState.HELD.value,
    DeliveryState.CLAIMED.value,
    DeliveryState.SKIPPED.value,
)

#: What becomes of a row whose message went to somebody else.
_DIVERTED: dict[str, object] = {"state": DeliveryState.SKIPPED.value, "reason": Reason.DIVERTED.value}

#: What an attempt is noted with when it is repeated without proof that it failed.
REPEATED = "repeated"

#: What an attempt is noted with when its provider agreed never to send it.
CALLED_BACK = "called_back"

_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class HandoverRef:
    """Which rows a handover is about.

    Args:
        is_diverted: it went to somebody else (:mod:`pushpull.ledger.diverting`): only proof that it never left settles
            its rows as it settles others; all else skips them.
    """

    id: UUID
    wave_id: int
    rotation: int
    channel: str
    learner_ids: Sequence[int]
    is_diverted: bool = False

    def unsettled(self) -> ColumnElement[bool]:
        """Its rows that still wait for an answer."""
        return and_(self._rows(), delivery.c.state.in_(_UNSETTLED))

    def open_to_evidence(self) -> ColumnElement[bool]:
        """Its rows that proof of acceptance still settles."""
        # Not an IN: its list is expanded per statement, which a statement for many rows at once cannot be.
        return and_(self._rows(), or_(*(delivery.c.state == state for state in OPEN_TO_EVIDENCE)))

    def parameters(self) -> dict[str, object]:
        """Its rows, as statements that are made once ask for them."""
        return {
            "of_wave": self.wave_id,
            "of_rotation": self.rotation,
            "of_first": self.learner_ids[0],
            "of_last": self.learner_ids[-1],
            "of_handover": self.id,
        }

    def _rows(self) -> ColumnElement[bool]:
        return and_(
            delivery.c.wave_id == self.wave_id,
            delivery.c.rotation == self.rotation,
            delivery.c.learner_id.between(self.learner_ids[0], self.learner_ids[-1]),
            delivery.c.handover_id == self.id,
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """How many rows an answer settled, by outcome.

    Args:
        diverted: of a rehearsal, all whose message was not proven to have stayed here.
    """

    accepted: int = 0
    rejected: int = 0
    not_sent: int = 0
    uncertain: int = 0
    diverted: int = 0


def duplicate_mark(*, before: int = 2) -> ColumnElement[str | None]:
    """``possible_duplicate`` for a row that was sent again without proof that the first message failed, else null.

    It is asked wherever a row's reason is written after a handover, so that nothing in between can wipe the mark off.

    Args:
        before: attempts below which a row cannot have been repeated; spares the look-up for first attempts.
    """
    repeated = (
        select(attempt.c.handover_id)
        .where(
            attempt.c.wave_id == delivery.c.wave_id,
            attempt.c.rotation == delivery.c.rotation,
            attempt.c.learner_id == delivery.c.learner_id,
            attempt.c.reason == REPEATED,
        )
        .correlate(delivery)
        .exists()
    )
    return case((and_(delivery.c.attempt >= before, repeated), Reason.POSSIBLE_DUPLICATE.value))


def backoff(attempts: int) -> timedelta:
    """How long to wait after the ``attempts``-th try that was not processed: doubling from a minute to an hour."""
    doublings = max(0, min(attempts, 10) - 1)
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * float(2**doublings))


def record(
    connection: Connection, ref: HandoverRef, outcomes: Sequence[Outcome], *, now: datetime, recorded_at: datetime
) -> Settled:
    """Write the outcomes of one handover.

    Args:
        outcomes: one per learner, in the order of ``ref.learner_ids``.
        now: the campaign's clock, UTC: retries are timed by it.
        recorded_at: the database's clock.

    Raises:
        ValueError: a channel returned another number of outcomes than it was given messages.
    """
    if len(outcomes) != len(ref.learner_ids):
        raise ValueError(f"the {ref.channel} channel answered {len(outcomes)} of {len(ref.learner_ids)} messages")
    present = _lock_suppressed(connection, ref, outcomes)
    accepted = _accept(connection, ref, outcomes, at=now)
    counts = {"rejected": 0, "not_sent": 0, "uncertain": 0}
    deviating: dict[Outcome, list[int]] = {}
    for learner_id, outcome in zip(ref.learner_ids, outcomes, strict=True):
        if not isinstance(outcome, Accepted):
            deviating.setdefault(outcome, []).append(learner_id)
    for outcome, learner_ids in deviating.items():
        name, settled = _settle(connection, ref, learner_ids, outcome, present, now=now, recorded_at=recorded_at)
        counts[name] += settled
    request_id = next((each.request_id for each in outcomes if isinstance(each, Accepted) and each.request_id), None)
    more = {f"more_{name}": count for name, count in (counts | {"accepted": accepted}).items()}
    connection.execute(
        _count_outcomes(), {"of_handover": ref.id, "at_instant": recorded_at, "named": request_id, **more}
    )
    if ref.is_diverted:
        return Settled(not_sent=counts.pop("not_sent"), diverted=accepted + sum(counts.values()))
    return Settled(accepted=accepted, **counts)


def _lock_suppressed(connection: Connection, ref: HandoverRef, outcomes: Sequence[Outcome]) -> set[int]:
    """Lock the learners who will be suppressed, before any delivery and ascending as everybody does; who is there."""
    concerned = [
        learner_id
        for learner_id, outcome in zip(ref.learner_ids, outcomes, strict=True)
        if isinstance(outcome, Rejected) and outcome.suppress and not ref.is_diverted
    ]
    return lock_learners(connection, concerned)


def _accept(connection: Connection, ref: HandoverRef, outcomes: Sequence[Outcome], *, at: datetime) -> int:
    """All acceptances in one statement, with the names the provider gave to messages of its own."""
    values: dict[str, object] = {
        "state": DeliveryState.ACCEPTED.value,
        "reason": duplicate_mark(),
        "lease_until": None,
        "settled_at": at,
    }
    if ref.is_diverted:
        values |= _DIVERTED
    accepted = {
        learner_id: outcome.provider_id
        for learner_id, outcome in zip(ref.learner_ids, outcomes, strict=True)
        if isinstance(outcome, Accepted)
    }
    if not accepted:
        return 0
    if len(accepted) == len(ref.learner_ids) and not any(accepted.values()) and not ref.is_diverted:
        return connection.execute(_accept_all(), ref.parameters() | {"at_instant": at}).rowcount
    condition = ref.open_to_evidence()
    if any(accepted.values()):
        named = texts_by_id(connection, accepted)
        condition = and_(condition, delivery.c.learner_id == named.c.id)
        values["provider_id"] = named.c.text
    else:
        condition = and_(condition, in_ids(delivery.c.learner_id, accepted))
    return connection.execute(update(delivery).where(condition).values(**values)).rowcount


@cache
def _accept_all() -> Update:
    """What nearly always happens, made once: building the statement costs as much as executing it."""
    return (
        update(delivery)
        .where(
            delivery.c.wave_id == bindparam("of_wave", type_=BigInteger),
            delivery.c.rotation == bindparam("of_rotation", type_=SmallInteger),
            delivery.c.learner_id >= bindparam("of_first", type_=BigInteger),
            delivery.c.learner_id <= bindparam("of_last", type_=BigInteger),
            delivery.c.handover_id == bindparam("of_handover", type_=Uuid()),
            or_(*(delivery.c.state == state for state in OPEN_TO_EVIDENCE)),
        )
        .values(
            state=DeliveryState.ACCEPTED.value,
            reason=duplicate_mark(),
            lease_until=None,
            settled_at=bindparam("at_instant", type_=UtcDateTime()),
        )
    )


@cache
def _count_outcomes() -> Update:
    return (
        update(handover)
        .where(handover.c.id == bindparam("of_handover", type_=Uuid()))
        .values(
            settled_at=bindparam("at_instant", type_=UtcDateTime()),
            request_id=func.coalesce(handover.c.request_id, bindparam("named", type_=String)),
            **{
                name: handover.c[name] + bindparam(f"more_{name}", type_=Integer)
                for name in ("accepted", "rejected", "not_sent", "uncertain")
            },
        )
    )


def _settle(
    connection: Connection,
    ref: HandoverRef,
    learner_ids: Sequence[int],
    outcome: Outcome,
    present: Set[int],
    *,
    now: datetime,
    recorded_at: datetime,
) -> tuple[str, int]:
    """Settle rows with the same outcome, which is not acceptance.

    Args:
        present: the learners to suppress who were not erased since the message left.

    Returns:
        The outcome's name, and how many rows were not settled already.
    """
    rows = and_(ref.unsettled(), in_ids(delivery.c.learner_id, learner_ids))
    # Locked and listed first: what is noted below is what was changed.
    tries = dict(
        connection.execute(select(delivery.c.learner_id, delivery.c.attempt).where(rows).with_for_update()).all()
    )
    if not tries:
        return _NAMES[type(outcome)], 0
    free: dict[str, object] = {"lease_until": None, "claimed_by": None}
    suppression: str | None = None
    values: dict[str, object]
    match outcome:
        case Rejected(reason) | Uncertain(reason) if ref.is_diverted:
            values = {**_DIVERTED, "settled_at": now}
        case Rejected(reason, suppression):
            values = {"state": DeliveryState.REJECTED.value, "reason": Reason.PROVIDER_REFUSED.value, "settled_at": now}
        case NotSent(reason):
            values = {"state": DeliveryState.PLANNED.value, "reason": Reason.NOT_PROCESSED.value}
        case Uncertain(reason):
            values = {"state": DeliveryState.UNCERTAIN.value, "reason": Reason.UNKNOWN_OUTCOME.value}
        case Accepted():
            raise AssertionError("acceptances are written together")
    for due, members in _again_at(outcome, tries, now=now).items():
        again: dict[str, object] = {} if due is None else {"due_at": due}
        some = rows if len(members) == len(learner_ids) else and_(rows, in_ids(delivery.c.learner_id, members))
        connection.execute(update(delivery).where(some).values(**values, **free, **again))
    name, settled = _NAMES[type(outcome)], sorted(tries)
    note(connection, ref, dict.fromkeys(settled, name), reason=reason, proof=reason, at=recorded_at)
    if not isinstance(outcome, Uncertain):
        budget.strike_out(connection, ref.id, settled)
    if suppression:
        for learner_id in present & set(settled):
            suppress(
                connection,
                learner_id,
                channel=ref.channel,
                family=ANY_FAMILY,
                reason=SuppressionReason(suppression),
                source="provider",
                at=now,
            )
    return name, len(settled)


_NOT_ITS_DOING = (CHANNEL_STOPPED, DEADLINE_PASSED, TURN_PASSED)
_NAMES: dict[type[Outcome], str] = {Rejected: "rejected", NotSent: "not_sent", Uncertain: "uncertain"}


def _again_at(outcome: Outcome, tries: Mapping[int, int], *, now: datetime) -> dict[datetime | None, list[int]]:
    """When rows are due again, and which; None leaves their time as it is."""
    if not isinstance(outcome, NotSent):
        return {None: list(tries)}
    if outcome.retry_at is not None:
        return {max(outcome.retry_at, now): list(tries)}
    if outcome.reason in _NOT_ITS_DOING:  # it goes as soon as it can
        return {now: list(tries)}
    times: dict[datetime | None, list[int]] = {}
    for learner_id, attempts in tries.items():
        times.setdefault(now + backoff(attempts), []).append(learner_id)
    return times


def note(
    connection: Connection, ref: HandoverRef, outcomes: Mapping[int, str], *, reason: str, proof: str, at: datetime
) -> None:
    """Append what is known about attempts of a handover: outcome by learner id, and what proves it."""
    seen = dict(
        connection.execute(
            select(attempt.c.learner_id, func.max(attempt.c.seq))
            .where(attempt.c.handover_id == ref.id, attempt.c.learner_id.in_(list(outcomes)))
            .group_by(attempt.c.learner_id)
        ).all()
    )
    insert_new(
        connection,
        attempt,
        [
            {
                "handover_id": ref.id,
                "learner_id": learner_id,
                "seq": seen.get(learner_id, -1) + 1,
                "wave_id": ref.wave_id,
                "rotation": ref.rotation,
                "outcome": outcome,
                "reason": reason[:64],
                "proof": proof,
                "recorded_at": at,
            }
            for learner_id, outcome in outcomes.items()
        ],
    )
