"""Folding what providers told us into the ledger."""

from __future__ import annotations

from datetime import datetime

from channels.callbacks.reading import normalise
from pushpull.db import writing
from pushpull.ledger.inbox import BODIES_LIVE, Folded, fold, prune
from tasks.installation import installation
from tasks.step import step

#: Events per transaction: learners are locked for no longer than that takes.
_AT_ONCE = 500

#: Transactions per step; the rest waits for the next.
_MOST = 200


@step("fold callbacks")
def fold_callbacks(now: datetime) -> Folded:
    """Fold what waits, and forget the bodies of what has long been done with.

    Args:
        now: UTC; the real time, for callbacks come in real time.
    """
    engine = installation().engine
    total = Folded()
    for _ in range(_MOST):
        done = fold(engine, normalise, now=now, limit=_AT_ONCE)
        total += done
        if done.total < _AT_ONCE:
            break
    with writing(engine) as connection:
        prune(connection, now - BODIES_LIVE)
    return total
