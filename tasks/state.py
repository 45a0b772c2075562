"""What learners did and said, folded into where they stand and how items are rated.

Folds of several processes may meet: a flow's, and the web app's after each piece of news. Each fold waits for the one
before it, and a cursor passes no activity that is still being written, so that none is ever left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from pushpull.catalogue.ratings import refresh_ratings
from pushpull.db import insert_into, one_after_another, reading, writing
from pushpull.learners.lifecycle import Rules, derive_events, refold
from pushpull.learners.lists import in_texts
from pushpull.learners.progress import fold_activity
from pushpull.learners.settled import settled_activity
from pushpull.learners.tables import fold_cursor, learner
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.events import record_reached
from pushpull.ledger.tables import campaign
from tasks.installation import installation
from tasks.step import step


@step("fold progress")
def fold_progress(as_of: datetime) -> None:
    """Bring every learner's progress up to date with their activity."""
    with writing(installation().engine) as connection:
        one_after_another(connection, "fold:progress")
        after, before = _cursor(connection, "progress")
        settled = settled_activity(connection)
        last = fold_activity(connection, after_activity_id=after, as_of=as_of, previous_as_of=before)
        # What is not settled is folded again: that changes nothing.
        _keep_cursor(connection, "progress", after if settled is None else max(after, min(last, settled)), as_of)


@step("fold ratings")
def fold_ratings(now: datetime) -> int:
    """Bring the ratings of reviewed items up to date: a catalogue was imported over them, or somebody was erased.

    A review itself moves its item's rating at once.

    Args:
        now: UTC.

    Returns:
        How many moved.
    """
    with writing(installation().engine) as connection:
        return refresh_ratings(connection, now)


@step("list campaigns")
def known_campaigns() -> list[str]:
    """The keys of all campaigns in the ledger."""
    with reading(installation().engine) as connection:
        return list(connection.execute(select(campaign.c.key).order_by(campaign.c.key)).scalars())


@step("move lifecycles", run_name="move lifecycles of {campaign_key}")
def move_lifecycles(campaign_key: str, as_of: datetime, cohort: Sequence[str] = ()) -> dict[str, int]:
    """Fold messages, activity and consent into the campaign's lifecycles (mission P6).

    Args:
        cohort: external ids; with them, these learners are folded anew whether or not there is news, and nobody else.

    Returns:
        How many learners moved, by ``old → new``.
    """
    with writing(installation().engine) as connection:
        campaign_id = campaign_id_of(connection, campaign_key)
        name = f"lifecycle:{campaign_id}"
        one_after_another(connection, f"fold:{name}")
        record_reached(connection, campaign_key, now=as_of)
        after, _ = _cursor(connection, name)
        folded, _ = _cursor(connection, "progress")  # before the events: what comes between them is derived next time
        derive_events(connection, campaign_id, after_activity_id=after)
        _keep_cursor(connection, name, folded, as_of)
        chosen = None
        if cohort:
            ids = connection.execute(select(learner.c.id).where(in_texts(learner.c.external_id, cohort)))
            chosen = list(ids.scalars())
        moved = refold(connection, campaign_id, as_of=as_of, rules=Rules(), learner_ids=chosen)
    return {f"{old} → {new}": count for (old, new), count in sorted(moved.items())}


def _cursor(connection: Connection, name: str) -> tuple[int, datetime | None]:
    row = connection.execute(
        select(fold_cursor.c.activity_id, fold_cursor.c.as_of).where(fold_cursor.c.name == name)
    ).one_or_none()
    return (row.activity_id, row.as_of) if row else (0, None)


def _keep_cursor(connection: Connection, name: str, activity_id: int, as_of: datetime) -> None:
    values = {"activity_id": activity_id, "as_of": as_of}
    connection.execute(
        insert_into(connection, fold_cursor)
        .values(name=name, **values)
        .on_conflict_do_update(index_elements=["name"], set_=values)
    )
