"""A few colleagues with things to learn: builders for the tests of reviews, links and thanks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, select

from pushpull.catalogue.tables import item
from pushpull.learners.choices import choose_recognition
from pushpull.learners.tables import activity, learner, progress
from pushpull.ledger.tables import campaign, campaign_item

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)  # a Wednesday
DAY = timedelta(days=1)


def company(connection: Connection, *, people: int = 8, items: int = 3, zone: str | None = None) -> None:
    """Learners 1 to ``people``; items 1 to ``items``, all of campaign 1."""
    stamps = {"created_at": NOW - 100 * DAY, "updated_at": NOW - 100 * DAY}
    connection.execute(
        insert(learner),
        [
            {"id": n, "external_id": f"p-{n}", "given_name": f"Given{n}", "family_name": f"Family{n}",
             "timezone": zone, "draw": n * 7919, "active": True, **stamps}
            for n in range(1, people + 1)
        ],
    )  # fmt: skip
    connection.execute(
        insert(item),
        [
            {"id": n, "key": f"i-{n}", "title": f"Item {n}", "url": f"https://courses.example/{n}", **stamps}
            for n in range(1, items + 1)
        ],
    )
    connection.execute(
        insert(campaign).values(
            id=1, key="spring", name="Spring", family="learning", message_class="nudge", priority=0, definition={},
            content_hash="", updated_at=NOW,
        )
    )  # fmt: skip
    connection.execute(insert(campaign_item), [{"campaign_id": 1, "item_id": n} for n in range(1, items + 1)])


def learned(
    connection: Connection,
    learner_id: int,
    item_id: int,
    at: datetime,
    *,
    minutes: float | None = 5.0,
    verb: str = "progressed",
) -> None:
    """A sign that somebody learned."""
    nth = connection.execute(select(activity.c.id)).all()
    connection.execute(
        insert(activity).values(
            learner_id=learner_id, source="lms", source_id=f"a-{len(nth)}", verb=verb, item_id=item_id,
            occurred_at=at, stored_at=at, minutes=minutes,
        )
    )  # fmt: skip


def completed(connection: Connection, learner_id: int, item_id: int, at: datetime) -> None:
    """Somebody's completion, as an LMS says it."""
    connection.execute(
        insert(progress).values(
            learner_id=learner_id, item_id=item_id, status="completed", started_at=at, completed_at=at
        )
    )


def agrees(connection: Connection, *learner_ids: int, is_wanted: bool = True) -> None:
    """They want to be thanked in public, or no longer."""
    for learner_id in learner_ids:
        choose_recognition(connection, learner_id, is_wanted=is_wanted, at=NOW)
