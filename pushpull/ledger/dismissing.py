"""What people decide about findings of the catalogue audit. Each decision is in the audit log."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from pushpull.catalogue.audit.queue import dismiss
from pushpull.ledger.campaigns import record


def dismiss_finding(connection: Connection, key: str, rule: str, *, who: str, why: str, at: datetime) -> bool:
    """Say that a finding may stay as it is: it leaves the rewrite queue, and later audits do not bring it back.

    Args:
        key: the item's.
        rule: as the queue names it.
        at: the instant of the decision (aware).

    Returns:
        Whether anything changed.

    Raises:
        UnknownFindingError: no audit has found that.
    """
    if not dismiss(connection, key, rule, who=who, at=at):
        return False
    record(connection, at=at, who=who, what="finding dismissed", subject=f"{key} {rule}", why=why)
    return True
