"""What persons decide about a wave that asks for approval: yes, yes to some, or no."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, insert, select, update

from pushpull.ledger.approvals.capping import drop_over_caps
from pushpull.ledger.approvals.errors import (
    AlreadyApprovedError,
    BadDecisionError,
    OldContentError,
    RejectedError,
)
from pushpull.ledger.approvals.question import Question, normalised, question
from pushpull.ledger.campaigns import open_wave, put_question, record
from pushpull.ledger.tables import approval, delivery, wave
from pushpull.ledger.vocabulary import OPEN_STATES, Decision, DeliveryState, HoldReason, Reason, WaveStatus

_WAITS = (DeliveryState.PLANNED.value, DeliveryState.HELD.value)


@dataclass(frozen=True)
class Decided:
    """What a decision came to.

    Args:
        is_released: nothing is asked any more, and it is sent.
        not_approved: learners over the cap, who get nothing.
    """

    question: Question
    is_released: bool
    not_approved: int = 0


def approve(
    connection: Connection,
    wave_id: int,
    *,
    who: str,
    why: str,
    content_hash: str,
    cap: int | None = None,
    at: datetime,
) -> Decided:
    """Record that a person approves a wave; release it when enough did.

    Args:
        who: their name; "Ada Lovelace" and " ada  lovelace" are one person.
        content_hash: of what they were shown (:attr:`Question.content_hash`). That its first half is the content of
            now is the caller's to see to; nothing here reads files.
        cap: send to no more learners than this, chosen by their draw: the same for ever, and no better or worse than
            the others. The smaller of two caps counts.
        at: the campaign's clock, UTC.

    Raises:
        ApprovalError: it cannot be approved; each subclass says why.
        CancelledError: it is over.
    """
    if cap is not None and cap < 1:
        raise BadDecisionError(f"at most {cap} learners is nobody: reject the wave, or leave the limit out")
    asked = _decidable(connection, wave_id, who=who, why=why, content_hash=content_hash, at=at)
    if asked.is_rejected:
        raise RejectedError(
            f"wave {asked.key} was rejected as it is: change its content, and it asks again, or cancel it"
        )
    if normalised(who) in map(normalised, asked.approved_by):
        raise AlreadyApprovedError(f"{who.strip()} has approved wave {asked.key} already: it needs somebody else too")
    _keep(connection, asked, Decision.APPROVED, who=who, why=why, cap=cap, at=at)
    record(connection, at=at, who=who.strip(), what="wave approved", subject=str(wave_id), why=why)
    return settle(connection, wave_id, asked.content_hash, who=who.strip(), why=why, at=at)


def reject(connection: Connection, wave_id: int, *, who: str, why: str, content_hash: str, at: datetime) -> Decided:
    """Record that a person rejects a wave: nothing of it is sent until its content is another, or it is cancelled.

    One person's no outweighs every yes, also their own earlier one.

    Args:
        content_hash: of what they were shown.
        at: the campaign's clock, UTC.

    Raises:
        ApprovalError: there is nothing to reject; each subclass says why.
        CancelledError: it is over.
    """
    asked = _decidable(connection, wave_id, who=who, why=why, content_hash=content_hash, at=at)
    if asked.is_rejected:
        raise RejectedError(f"wave {asked.key} was rejected already")
    _keep(connection, asked, Decision.REJECTED, who=who, why=why, cap=None, at=at)
    put_question(connection, wave_id, HoldReason.REJECTED, who=who.strip(), what="wave rejected", why=why, at=at)
    return Decided(asked, is_released=False)


def _decidable(
    connection: Connection, wave_id: int, *, who: str, why: str, content_hash: str, at: datetime
) -> Question:
    if not who.strip():
        raise BadDecisionError("a decision needs the name of whoever takes it")
    if not why.strip():
        raise BadDecisionError("a decision needs a reason: an auditor will read it")
    asked = question(connection, wave_id, content_hash, at=at)
    if asked.content_hash != content_hash:
        raise OldContentError(f"wave {asked.key} is not what it was when you looked at it: look again, then decide")
    return asked


def settle(connection: Connection, wave_id: int, content_hash: str, *, who: str, why: str, at: datetime) -> Decided:
    """Release a wave that waits when what it asks about has all the approvals it needs; else leave it waiting.

    Args:
        content_hash: its first half is the content of now.
    """
    asked = question(connection, wave_id, content_hash, at=at)
    if asked.is_rejected or not asked.is_settled:
        return Decided(asked, is_released=False)
    dropped = drop_over_caps(connection, wave_id, content_hash, at=at)
    open_wave(connection, wave_id, who=who, why=why, at=at)
    return Decided(asked, is_released=True, not_approved=dropped)


def ask_again(connection: Connection, wave_id: int, *, at: datetime) -> None:
    """Let a rejected wave ask again: its content is another now. One that asks already goes on asking."""
    rejected = connection.execute(
        select(wave.c.id).where(wave.c.id == wave_id, wave.c.status_reason == HoldReason.REJECTED.value)
    ).scalar_one_or_none()
    if rejected is not None:
        what, why = f"wave {WaveStatus.HELD.value}", "its content is not what was rejected"
        put_question(connection, wave_id, HoldReason.APPROVAL, who="pushpull", what=what, why=why, at=at)


def give_up_stale(connection: Connection, wave_id: int, *, at: datetime) -> int:
    """End a wave that nobody decided about in time: all of it is stale, and is skipped as expired.

    A rejected one stays rejected, and is over.

    Args:
        at: the campaign's clock, UTC.

    Returns:
        How many deliveries were given up.
    """
    asks = (wave.c.id == wave_id, wave.c.status == WaveStatus.HELD.value, wave.c.finished_at.is_(None))
    reason = connection.execute(select(wave.c.status_reason).where(*asks).with_for_update()).scalar_one_or_none()
    waits = and_(delivery.c.wave_id == wave_id, delivery.c.state.in_(_WAITS))
    last = select(func.max(delivery.c.expires_at)).where(waits)
    until = connection.execute(last).scalar_one()
    if reason not in (HoldReason.APPROVAL, HoldReason.REJECTED) or (until is not None and until > at):
        return 0
    values = {"state": DeliveryState.SKIPPED.value, "reason": Reason.EXPIRED.value, "settled_at": at}
    stale = connection.execute(update(delivery).where(waits).values(**values)).rowcount
    if reason == HoldReason.REJECTED:
        still_open = delivery.c.state.in_([state.value for state in OPEN_STATES])
        on_its_way = select(delivery.c.wave_id).where(delivery.c.wave_id == wave_id, still_open).exists()
        connection.execute(update(wave).where(wave.c.id == wave_id, ~on_its_way).values(finished_at=at))
    else:
        why = f"nobody decided while its {stale} messages were worth sending: they are skipped as expired"
        open_wave(connection, wave_id, who="pushpull", why=why, at=at)
    return stale


def _keep(
    connection: Connection, asked: Question, decision: Decision, *, who: str, why: str, cap: int | None, at: datetime
) -> None:
    connection.execute(
        insert(approval).values(
            wave_id=asked.wave_id,
            rotation=asked.rotation,
            decision=decision.value,
            who=who.strip(),
            why=why.strip(),
            content_hash=asked.content_hash,
            planned=asked.planned,
            cap=cap,
            decided_at=at,
        )
    )
