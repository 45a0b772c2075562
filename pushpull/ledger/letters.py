"""Letters: e-mails that people asked for themselves on a page, each sent once, or not known to be.

A letter is asked for by a page and carried by `tasks.letters`. That it is about to be sent is committed before the
call, so that a crash leaves a letter *uncertain*, and never a second one in somebody's mailbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, insert, select, update

from pushpull.learners.consent import UnknownLearner, lock_learner
from pushpull.learners.tables import learner, suppression
from pushpull.learners.vocabulary import ANY_CHANNEL, ANY_FAMILY, Channel
from pushpull.ledger.outcomes import Accepted, NotSent, Outcome, Rejected
from pushpull.ledger.tables import campaign, letter
from pushpull.ledger.vocabulary import LetterKind, LetterState

#: How long a person gets no second letter of a kind.
ASK_AGAIN_AFTER: Final = timedelta(minutes=10)
#: After which time nobody waits for a letter any more.
STALE_AFTER: Final = timedelta(hours=24)
#: How long a call may take; a letter that is still on its way then has nobody who carries it.
CARRIED_WITHIN: Final = timedelta(minutes=10)

_LONGEST_NOTE: Final = 64


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter on its way.

    Args:
        campaign_id: of the campaign by whose message they came; None for none.
    """

    id: int
    kind: LetterKind
    learner_id: int
    campaign_id: int | None


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom a letter goes.

    Args:
        address: empty where there is none, or none that anything may be sent to.
        why_not: the reason for that; empty where there is none.
        language: BCP 47; empty when unknown.
    """

    external_id: str
    address: str
    name: str
    given_name: str
    language: str
    why_not: str = ""


def ask(
    connection: Connection, learner_id: int, kind: LetterKind, *, campaign_id: int | None = None, at: datetime
) -> bool:
    """Ask for a letter. Whoever shows what came of it tells a stranger about the learner: say the same either way.

    Args:
        campaign_id: of the message by which they came.
        at: UTC.

    Returns:
        Whether one will be sent; no: there was one of this kind a moment ago, or there is no such learner.
    """
    try:
        lock_learner(connection, learner_id)
    except UnknownLearner:
        return False
    recent = select(letter.c.id).where(
        letter.c.learner_id == learner_id, letter.c.kind == kind.value, letter.c.asked_at > at - ASK_AGAIN_AFTER
    )
    if connection.execute(recent.limit(1)).first() is not None:
        return False
    connection.execute(
        insert(letter).values(
            kind=kind.value,
            learner_id=learner_id,
            campaign_id=campaign_id,
            asked_at=at,
            state=LetterState.ASKED.value,
        )
    )
    return True


def waiting(connection: Connection) -> list[int]:
    """Ids of the letters that were asked for and not carried yet, the oldest first."""
    return list(
        connection.execute(
            select(letter.c.id).where(letter.c.state == LetterState.ASKED.value).order_by(letter.c.id)
        ).scalars()
    )


def claim(connection: Connection, letter_id: int, *, at: datetime) -> Letter | None:
    """Take a letter to send it now; commit before the call.

    Returns:
        None when somebody else has taken it.
    """
    taken = update(letter).where(letter.c.id == letter_id, letter.c.state == LetterState.ASKED.value)
    if not connection.execute(taken.values(state=LetterState.SENDING.value, settled_at=at)).rowcount:
        return None
    row = connection.execute(select(letter).where(letter.c.id == letter_id)).one()
    return Letter(row.id, LetterKind(row.kind), row.learner_id, row.campaign_id)


def settle(connection: Connection, letter_id: int, outcome: Outcome, *, at: datetime) -> LetterState:
    """Keep what became of a letter that was taken. Proof that nothing was sent lets it wait for the next time."""
    match outcome:
        case Accepted():
            state, note = LetterState.SENT, None
        case Rejected(reason=reason):
            state, note = LetterState.REFUSED, reason
        case NotSent(reason=reason):
            state, note = LetterState.ASKED, reason
        case _:
            state, note = LetterState.UNCERTAIN, outcome.reason
    _move(connection, letter_id, state, note, at=at)
    return state


def give_up(connection: Connection, *, now: datetime) -> int:
    """End the letters nobody carries any more: those whose sender died, and those nobody waits for.

    Returns:
        How many.
    """
    abandoned = update(letter).where(
        letter.c.state == LetterState.SENDING.value, letter.c.settled_at <= now - CARRIED_WITHIN
    )
    stale = update(letter).where(letter.c.state == LetterState.ASKED.value, letter.c.asked_at <= now - STALE_AFTER)
    ended = connection.execute(
        abandoned.values(state=LetterState.UNCERTAIN.value, note="sender_died", settled_at=now)
    ).rowcount
    return (
        ended + connection.execute(stale.values(state=LetterState.REFUSED.value, note="stale", settled_at=now)).rowcount
    )


def recipient_of(connection: Connection, learner_id: int) -> Recipient | None:
    """To whom a learner's letters go; None when there is no such learner.

    Nothing goes to an address that bounced, complained or was stopped by hand. What the learner said about campaigns
    does not matter: they asked for this one themselves.
    """
    row = connection.execute(select(learner).where(learner.c.id == learner_id)).one_or_none()
    if row is None:
        return None
    stopped = select(suppression.c.reason).where(
        suppression.c.learner_id == learner_id,
        suppression.c.channel.in_([Channel.EMAIL.value, ANY_CHANNEL]),
        suppression.c.family == ANY_FAMILY,
        suppression.c.lifted_at.is_(None),
    )
    why_not = ""
    if not row.active:
        why_not = "inactive"
    elif not row.email:
        why_not = "no_address"
    elif (reason := connection.execute(stopped.order_by(suppression.c.reason).limit(1)).scalar()) is not None:
        why_not = str(reason)
    names = [each for each in (row.given_name, row.family_name) if each]
    return Recipient(
        external_id=row.external_id,
        address="" if why_not else row.email,
        name=" ".join(names),
        given_name=row.given_name or "",
        language=row.preferred_language or "",
        why_not=why_not,
    )


def brands_for(connection: Connection, campaign_id: int | None) -> list[str]:
    """Keys of the brands a letter may be written in, the most fitting first: of the campaign, then of the newest."""
    rows = connection.execute(
        select(campaign.c.id, campaign.c.definition["brand"].as_string().label("brand")).order_by(campaign.c.id.desc())
    ).all()
    rows = sorted(rows, key=lambda row: row.id != campaign_id)
    return list(dict.fromkeys(row.brand for row in rows if row.brand))


def _move(connection: Connection, letter_id: int, state: LetterState, note: str | None, *, at: datetime) -> None:
    connection.execute(
        update(letter)
        .where(letter.c.id == letter_id, letter.c.state == LetterState.SENDING.value)
        .values(
            state=state.value,
            note=note[:_LONGEST_NOTE] if note else None,
            settled_at=None if state is LetterState.ASKED else at,
        )
    )
