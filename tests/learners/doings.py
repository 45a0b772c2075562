"""Learners who do something at their own hours, and messages that reach them: what learning learns from."""

from __future__ import annotations

import random
from datetime import UTC, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert

from pushpull.catalogue.tables import item, item_tag
from pushpull.learners.tables import activity, learner, progress
from pushpull.ledger.tables import campaign, delivery, delivery_event, wave

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
_serial = count(1)


def somebody(connection: Connection, *, zone: str | None = "Europe/Berlin", **fields: object) -> int:
    number = next(_serial)
    values = {"external_id": f"who-{number}", "timezone": zone, "draw": number, "created_at": NOW, "updated_at": NOW}
    made = connection.execute(insert(learner).values({**values, **fields}))
    return int(made.inserted_primary_key[0])


def something(connection: Connection, *, tags: tuple[str, ...] = (), **fields: object) -> int:
    """An item of the catalogue."""
    number = next(_serial)
    values = {"key": f"item-{number}", "title": "Item", "created_at": NOW, "updated_at": NOW, **fields}
    made = int(connection.execute(insert(item).values(values)).inserted_primary_key[0])
    for tag in tags:
        connection.execute(insert(item_tag).values(item_id=made, tag=tag))
    return made


def did(connection: Connection, who: int, at: datetime, verb: str = "progressed", **fields: object) -> None:
    values = {"source": "test", "source_id": f"a-{next(_serial)}", "occurred_at": at, "stored_at": at, **fields}
    connection.execute(insert(activity).values(learner_id=who, verb=verb, **values))


def learns_at(
    connection: Connection, who: int, hour: int, *, what: int | None = None, zone: str = "Europe/Berlin", days: int = 30
) -> None:
    """Six minutes on each of the last so many days, a little after a local hour."""
    place = ZoneInfo(zone)
    for ago in range(1, days + 1):
        local = datetime.combine(NOW.date() - timedelta(days=ago), time(hour, ago % 20, 7), tzinfo=place)
        did(connection, who, local.astimezone(UTC), item_id=what, minutes=6.0)


def stands(connection: Connection, who: int, what: int, **fields: object) -> None:
    """Where somebody stands with an item."""
    values = {"status": "started", "started_at": NOW - timedelta(days=9), **fields}
    connection.execute(insert(progress).values(learner_id=who, item_id=what, **values))


def messages(connection: Connection, who: int, answered: dict[str, float], *, each: int = 12, seed: int = 7) -> None:
    """So many messages over each channel in the last weeks, of which a share is answered by a person."""
    dice = random.Random(seed)
    campaign_id = next(_serial)
    connection.execute(
        insert(campaign).values(
            id=campaign_id, key=f"c-{campaign_id}", name="C", family="f", message_class="nudge", definition={},
            content_hash="", updated_at=NOW,
        )
    )  # fmt: skip
    for channel, share in answered.items():
        for number in range(each):
            wave_id, at = next(_serial), NOW - timedelta(days=1 + 2 * number)
            connection.execute(
                insert(wave).values(
                    id=wave_id, campaign_id=campaign_id, key=f"s.w@{wave_id}", series="s.w", on_day=at.date(),
                    stage="s", message_key="m", touch="pull", message_class="nudge", family="f", scheduled_for=at,
                    expires_at=at, planned_as_of=at, spec={},
                )
            )  # fmt: skip
            connection.execute(
                insert(delivery).values(
                    wave_id=wave_id, rotation=0, learner_id=who, state="delivered", arm="treated", channel=channel
                )
            )
            if number + dice.random() < share * each:
                for source_id in (f"{wave_id}-a", f"{wave_id}-b"):  # twice: it is one answer
                    connection.execute(
                        insert(delivery_event).values(
                            source="test", source_id=source_id, wave_id=wave_id, rotation=0, learner_id=who,
                            campaign_id=campaign_id, kind="clicked", occurred_at=at + timedelta(minutes=20),
                        )
                    )  # fmt: skip
