"""A campaign of one wave whose learners are assigned by hand: who got messages, what they did before and since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection, insert

from pushpull.catalogue.tables import item
from pushpull.learners.tables import activity, learner, lifecycle_event, progress
from pushpull.learners.vocabulary import LifecycleKind
from pushpull.ledger.tables import campaign, campaign_item, delivery, wave
from pushpull.ledger.vocabulary import Arm

BEGINS = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
DAY = timedelta(days=1)
_records = count(1)


@dataclass(frozen=True)
class Person:
    """One learner of the campaign; days are counted from its start.

    Args:
        learned: days with learning on the campaign's item, of ten minutes each.
        before: days before the start (negative) with learning on something else.
    """

    arm: Arm = Arm.TREATED
    learned: Sequence[float] = ()
    before: Sequence[float] = ()
    completed: float | None = None
    score: float | None = None


def a_campaign(conn: Connection, key: str = "compared", days: int = 56, **fields: Any) -> int:
    made = conn.execute(
        insert(campaign).values(
            key=key,
            name=key.title(),
            family="learning",
            message_class="nudge",
            definition=fields.pop("definition", {}),
            content_hash="",
            starts_at=BEGINS,
            ends_at=BEGINS + days * DAY,
            updated_at=BEGINS,
        )
    ).inserted_primary_key
    return int(made[0])


def a_wave(conn: Connection, campaign_id: int, key: str = "launch.all", day: int = 0, **fields: Any) -> int:
    values = {
        "series": key.split("@", maxsplit=1)[0],
        "on_day": (BEGINS + day * DAY).date(),
        "stage": key.split(".", maxsplit=1)[0],
        "message_key": "m",
        "touch": "push",
        "message_class": "nudge",
        "family": "learning",
        "scheduled_for": BEGINS + day * DAY,
        "expires_at": BEGINS + (day + 2) * DAY,
        "planned_as_of": BEGINS + day * DAY,
        "planned_at": BEGINS + day * DAY,
        "spec": {},
        **fields,
    }
    made = conn.execute(insert(wave).values(campaign_id=campaign_id, key=key, **values)).inserted_primary_key
    return int(made[0])


def assign(
    conn: Connection, campaign_id: int, wave_id: int, people: Sequence[Person], name: str = "person"
) -> list[int]:
    """Give everybody their row in the wave, and let them do what they did."""
    things: dict[str, int] = {}
    for key in ("asked", "else"):
        known = conn.execute(item.select().where(item.c.key == f"{name}-{key}")).first()
        made = (
            known
            or conn.execute(
                insert(item).values(key=f"{name}-{key}", title=key, created_at=BEGINS, updated_at=BEGINS)
            ).inserted_primary_key
        )
        things[key] = int(made[0])
    conn.execute(insert(campaign_item).values(campaign_id=campaign_id, item_id=things["asked"], position=0))
    rows = [
        {"external_id": f"{name}-{number}", "draw": number, "created_at": BEGINS, "updated_at": BEGINS}
        for number in range(len(people))
    ]
    if rows:
        conn.execute(insert(learner), rows)
    found = conn.execute(learner.select().where(learner.c.external_id.like(f"{name}-%")).order_by(learner.c.draw))
    ids = [row.id for row in found]
    deeds: dict[Any, list[dict[str, Any]]] = {delivery: [], activity: [], lifecycle_event: [], progress: []}
    for learner_id, one in zip(ids, people, strict=True):
        is_treated = one.arm is Arm.TREATED
        deeds[delivery].append(
            {
                "wave_id": wave_id,
                "rotation": 0,
                "learner_id": learner_id,
                "state": "accepted" if is_treated else "skipped",
                "reason": None if is_treated else one.arm.value,
                "arm": one.arm.value,
                "due_at": BEGINS,
                "attempt": 0,
                "epoch": 0,
            }
        )
        for at, thing in [*((each, "asked") for each in one.learned), *((each, "else") for each in one.before)]:
            deeds[activity].append(
                {
                    "learner_id": learner_id,
                    "source": "test",
                    "source_id": f"assigned-{next(_records)}",
                    "verb": "progressed",
                    "item_id": things[thing],
                    "occurred_at": BEGINS + at * DAY,
                    "stored_at": BEGINS + at * DAY,
                    "minutes": 10.0,
                    "score": one.score if thing == "asked" else None,
                }
            )
        if one.completed is not None:
            at = BEGINS + one.completed * DAY
            deeds[lifecycle_event].append(
                {
                    "campaign_id": campaign_id,
                    "learner_id": learner_id,
                    "kind": LifecycleKind.COMPLETED.value,
                    "source_id": "all_items",
                    "occurred_at": at,
                }
            )
            deeds[progress].append(
                {"learner_id": learner_id, "item_id": things["asked"], "status": "completed", "completed_at": at}
            )
    for table, values in deeds.items():
        if values:
            conn.execute(insert(table), values)
    return ids
