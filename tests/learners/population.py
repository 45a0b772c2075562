"""Small builders of people and what they did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

from sqlalchemy import Connection, insert

from pushpull.catalogue.tables import item
from pushpull.learners.consent import draw_for
from pushpull.learners.tables import activity, learner
from pushpull.ledger.tables import campaign, campaign_item

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
_records = count(1)


def a_learner(conn: Connection, external_id: str = "ada", **fields: Any) -> int:
    values = {"draw": draw_for(external_id), "created_at": START, "updated_at": START, **fields}
    key = conn.execute(insert(learner).values(external_id=external_id, **values)).inserted_primary_key
    return int(key[0])


def an_item(conn: Connection, key: str = "course", **fields: Any) -> int:
    values = {"title": key.title(), "created_at": START, "updated_at": START, **fields}
    made = conn.execute(insert(item).values(key=key, **values)).inserted_primary_key
    return int(made[0])


def a_campaign(conn: Connection, items: Iterable[int] = (), **fields: Any) -> int:
    values = {
        "key": "safety",
        "name": "Safety",
        "family": "safety",
        "message_class": "nudge",
        "definition": {},
        "content_hash": "",
        "updated_at": START,
        **fields,
    }
    made = conn.execute(insert(campaign).values(**values)).inserted_primary_key
    campaign_id = int(made[0])
    for position, item_id in enumerate(items):
        conn.execute(insert(campaign_item).values(campaign_id=campaign_id, item_id=item_id, position=position))
    return campaign_id


def an_activity(conn: Connection, learner_id: int, verb: str, at: datetime, **fields: Any) -> int:
    values: Mapping[str, Any] = {"source": "test", "source_id": f"record-{next(_records)}", "stored_at": at, **fields}
    made = conn.execute(
        insert(activity).values(learner_id=learner_id, verb=verb, occurred_at=at, **values)
    ).inserted_primary_key
    return int(made[0])
