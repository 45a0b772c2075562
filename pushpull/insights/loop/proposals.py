"""Proposals: a change of a campaign's file that an insight suggests, what a person decided, what came of it.

proposed → approved → applied, or → rejected, or → outdated. A decision is about exactly what was shown. Making the
diff and writing the file is for the floors above; here is what is kept, with a line in the audit log for each step.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, insert, select, update

from pushpull.db import one_after_another
from pushpull.insights.loop.finding import Change
from pushpull.insights.loop.vocabulary import ProposalState
from pushpull.insights.tables import insight, proposal
from pushpull.ledger.campaigns import record
from pushpull.ledger.tables import campaign

#: For so long nobody is asked about the same insight again: after a no, and until a change has been measured.
REST: Final = timedelta(days=28)


class ProposalError(ValueError):
    """A proposal cannot be decided about, or applied; the message says why."""


class UnknownProposalError(ProposalError):
    """There is no proposal of that number."""

    def __init__(self, proposal_id: int) -> None:
        super().__init__(f"there is no proposal {proposal_id}: `pushpull insights proposals` shows all there are")


class NotAskedError(ProposalError):
    """Nothing is asked about a proposal any more."""

    def __init__(self, proposal_id: int, state: ProposalState) -> None:
        super().__init__(f"proposal {proposal_id} is {state.value}: nothing is asked about it any more")


class OldProposalError(ProposalError):
    """A decision is about another change than the one that is proposed now."""

    def __init__(self, proposal_id: int) -> None:
        super().__init__(f"proposal {proposal_id} has been made anew since it was shown: look at it again")


@dataclass(frozen=True)
class Proposal:
    """A proposal as it stands.

    Args:
        insight_id: what suggests it.
        diff: unified, of the campaign's file.
        base_hash: SHA-256 of the file it was made from.
        who, why: of the decision.
        applied_hash: SHA-256 of the file it became.
    """

    id: int
    insight_id: int
    campaign_id: int
    campaign_key: str
    change: Change
    diff: str
    base_hash: str
    state: ProposalState
    made_at: datetime
    who: str | None
    why: str | None
    decided_at: datetime | None
    applied_at: datetime | None
    applied_hash: str | None

    @property
    def content_hash(self) -> str:
        """What a decision is about: the change, as it would be made in the file as it is."""
        return hashlib.sha256(f"{self.base_hash}\n{self.diff}".encode()).hexdigest()


def propose(
    connection: Connection, insight_id: int, change: Change, *, diff: str, base_hash: str, at: datetime
) -> int | None:
    """Propose a change; one that waits already is made anew in its place.

    Nothing is proposed while one of this insight is being applied, and for four weeks after one was rejected or
    applied: a person who said no is not asked the same next week.

    Args:
        connection: one that writes.
        diff, base_hash: of the change as it would be made in the file as it is now.
        at: UTC.

    Returns:
        The proposal's id; None where none waits now.
    """
    one_after_another(connection, f"propose:{insight_id}")
    latest = connection.execute(
        select(proposal).where(proposal.c.insight_id == insight_id).order_by(proposal.c.id.desc()).limit(1)
    ).first()
    values = {"change": change.as_json(), "diff": diff, "base_hash": base_hash}
    if latest is not None and latest.state == ProposalState.PROPOSED.value:
        connection.execute(
            update(proposal)
            .where(proposal.c.id == latest.id, proposal.c.state == ProposalState.PROPOSED.value)
            .values(**values)
        )
        return int(latest.id)
    if latest is not None and (latest.state == ProposalState.APPROVED.value or _rests(latest, at)):
        return None
    made = connection.execute(
        insert(proposal).values(insight_id=insight_id, state=ProposalState.PROPOSED.value, made_at=at, **values)
    )
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key[0])


def get(connection: Connection, proposal_id: int, *, lock: bool = False) -> Proposal:
    """A proposal.

    Args:
        lock: hold its row until the transaction ends.

    Raises:
        UnknownProposalError: there is none.
    """
    statement = _select().where(proposal.c.id == proposal_id)
    row = connection.execute(statement.with_for_update(of=proposal) if lock else statement).one_or_none()
    if row is None:
        raise UnknownProposalError(proposal_id)
    return _as_proposal(row)


def waiting_of(connection: Connection, insight_id: int) -> Proposal | None:
    """The proposal of an insight that waits for a person; None where none does."""
    row = connection.execute(
        _select().where(proposal.c.insight_id == insight_id, proposal.c.state == ProposalState.PROPOSED.value)
    ).one_or_none()
    return None if row is None else _as_proposal(row)


def proposals(
    connection: Connection, *, campaign_key: str = "", state: ProposalState | None = None
) -> tuple[Proposal, ...]:
    """Proposals, the oldest first.

    Args:
        campaign_key: of this campaign; empty: of all.
        state: in this state; None: in any.
    """
    statement = _select().order_by(proposal.c.id)
    if campaign_key:
        statement = statement.where(campaign.c.key == campaign_key)
    if state is not None:
        statement = statement.where(proposal.c.state == state.value)
    return tuple(_as_proposal(row) for row in connection.execute(statement))


def decide(
    connection: Connection, proposal_id: int, *, is_approved: bool, shown: str, who: str, why: str, at: datetime
) -> Proposal:
    """Keep what a person decided.

    Args:
        connection: one that writes.
        shown: :attr:`Proposal.content_hash` of what they were shown.
        at: UTC.

    Raises:
        UnknownProposalError, NotAskedError, OldProposalError: nothing was recorded.
        ProposalError: a name or a reason is missing.
    """
    if not who.strip() or not why.strip():
        raise ProposalError("a decision needs a name and a reason: both are kept in the audit log")
    asked = get(connection, proposal_id, lock=True)
    if asked.state is not ProposalState.PROPOSED:
        raise NotAskedError(proposal_id, asked.state)
    if asked.content_hash != shown:
        raise OldProposalError(proposal_id)
    state = ProposalState.APPROVED if is_approved else ProposalState.REJECTED
    _set(connection, asked, state, at=at, who=who.strip(), why=why.strip(), decided_at=at)
    return get(connection, proposal_id)


def note_applied(connection: Connection, approved: Proposal, *, new_hash: str, at: datetime) -> None:
    """The file says so now.

    Args:
        connection: the one that locked the proposal's row.
        new_hash: SHA-256 of the file it became.
        at: UTC.
    """
    _set(connection, approved, ProposalState.APPLIED, at=at, applied_at=at, applied_hash=new_hash)


def note_outdated(connection: Connection, waiting: Proposal, *, why: str, at: datetime) -> None:
    """Nobody needs to decide any more: the file says so already, or has no such place."""
    _set(connection, waiting, ProposalState.OUTDATED, at=at, audit_why=why)


def ask_again(connection: Connection, approved: Proposal, *, diff: str, base_hash: str, at: datetime) -> None:
    """The file was changed between the decision and its writing: a person looks at it as it would be now."""
    values = {"diff": diff, "base_hash": base_hash, "who": None, "why": None, "decided_at": None}
    why = "the campaign's file was changed after the decision"
    _set(connection, approved, ProposalState.PROPOSED, at=at, audit_why=why, **values)


def _set(
    connection: Connection,
    which: Proposal,
    state: ProposalState,
    *,
    at: datetime,
    audit_why: str | None = None,
    **values: object,
) -> None:
    connection.execute(update(proposal).where(proposal.c.id == which.id).values(state=state.value, **values))
    decided_by = values.get("who") or which.who or "pushpull"
    why = audit_why or values.get("why") or which.why
    record(
        connection,
        at=at,
        who=str(decided_by),
        what=f"proposal {state.value}",
        subject=f"proposal {which.id} of insight {which.insight_id}, campaign {which.campaign_key}",
        why=str(why) if why else None,
    )


def _rests(latest: Row[Any], at: datetime) -> bool:
    since = {
        ProposalState.REJECTED.value: latest.decided_at,
        ProposalState.APPLIED.value: latest.applied_at,
    }.get(latest.state)
    return since is not None and at < since + REST


def _select() -> Select[Any]:
    return (
        select(proposal, insight.c.campaign_id, campaign.c.key.label("campaign_key"))
        .join(insight, insight.c.id == proposal.c.insight_id)
        .join(campaign, campaign.c.id == insight.c.campaign_id)
    )


def _as_proposal(row: Row[Any]) -> Proposal:
    return Proposal(
        id=row.id,
        insight_id=row.insight_id,
        campaign_id=row.campaign_id,
        campaign_key=row.campaign_key,
        change=Change.from_json(row.change),
        diff=row.diff,
        base_hash=row.base_hash,
        state=ProposalState(row.state),
        made_at=row.made_at,
        who=row.who,
        why=row.why,
        decided_at=row.decided_at,
        applied_at=row.applied_at,
        applied_hash=row.applied_hash,
    )
