"""Asking a person: one run of the `approval` deployment for every wave that waits for one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pushpull.ledger.due import DueWave
from tasks.step import step


@step("ask for approvals")
def ask_for_approvals(as_of: datetime) -> int:
    """See to it that every wave held for approval has a run that asks.

    Args:
        as_of: the campaign's clock, UTC.

    Returns:
        How many runs were started.
    """
    return 0


def as_approved(waves: Sequence[DueWave], as_of: datetime) -> list[DueWave]:
    """Those of these waves that are as they were when they were approved, or needed no approval; others are held now."""
    return list(waves)
