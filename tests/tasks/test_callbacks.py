"""The step that folds callbacks takes all that waits, and forgets the bodies of what has long been done with."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from channels.callbacks.reading import normalise
from pushpull.db import reading
from pushpull.ledger.inbox import BODIES_LIVE, Folded, receive
from pushpull.ledger.news import ProviderEvent
from pushpull.ledger.tables import callback
from tasks.callbacks import fold_callbacks
from tasks.installation import Installation
from tests.flows.conftest import company

__all__ = ["company"]

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)


def test_everything_that_waits_is_folded_and_old_bodies_are_forgotten(company: Installation) -> None:
    events = [ProviderEvent(f"e-{number}", json.dumps({"event": "deferred"})) for number in range(1_200)]
    events.append(ProviderEvent("orphan", json.dumps({"event": "delivered", "delivery": "999-0-1"})))
    assert receive(company.engine, "sendgrid", events, normalise, received_at=NOW) == 1_201
    assert fold_callbacks(NOW) == Folded(ignored=1_200, orphans=1)
    assert fold_callbacks(NOW) == Folded()
    assert fold_callbacks(NOW + BODIES_LIVE + timedelta(days=1)) == Folded(expired=1)
    with reading(company.engine) as connection:
        assert set(connection.execute(select(callback.c.body)).scalars()) == {""}
