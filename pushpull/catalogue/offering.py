"""What the catalogue has on offer at one instant, and how many completed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select

from pushpull.catalogue.tables import item, item_tag
from pushpull.catalogue.together import is_completed
from pushpull.learners.tables import learner, progress


@dataclass(frozen=True, slots=True)
class Offering:
    """Items on offer, by column, the oldest first.

    Args:
        texts: what each says about itself.
        tags: without regard to capitals.
        languages, formats, minutes, ratings: None is unknown.
        has_address: whether it opens by an address of its own.
    """

    ids: tuple[int, ...]
    titles: tuple[str, ...]
    texts: tuple[str, ...]
    tags: tuple[frozenset[str], ...]
    languages: tuple[str | None, ...]
    formats: tuple[str | None, ...]
    minutes: tuple[float | None, ...]
    ratings: tuple[float | None, ...]
    has_address: tuple[bool, ...]


def read_offering(connection: Connection, *, as_of: datetime) -> Offering:
    """What may be offered at ``as_of`` (aware): active, available, no part of another item."""
    rows = (
        connection.execute(
            select(item)
            .where(
                item.c.active.is_(True),
                item.c.part_of.is_(None),
                or_(item.c.available_from.is_(None), item.c.available_from <= as_of),
                or_(item.c.available_until.is_(None), item.c.available_until > as_of),
            )
            .order_by(item.c.id)
        )
        .mappings()
        .all()
    )
    tags: dict[int, set[str]] = {row["id"]: set() for row in rows}
    for item_id, tag in connection.execute(select(item_tag.c.item_id, item_tag.c.tag)):
        if item_id in tags:
            tags[item_id].add(tag)
    return Offering(
        ids=tuple(row["id"] for row in rows),
        titles=tuple(row["title"] for row in rows),
        texts=tuple(_text(row, tags[row["id"]]) for row in rows),
        tags=tuple(frozenset(tag.casefold() for tag in tags[row["id"]]) for row in rows),
        languages=tuple(row["language"] for row in rows),
        formats=tuple(row["format"] for row in rows),
        minutes=tuple(row["minutes"] for row in rows),
        ratings=tuple(row["rating"] for row in rows),
        has_address=tuple(row["url"] is not None for row in rows),
    )


def read_finishers(connection: Connection, *, as_of: datetime) -> Mapping[tuple[int, str | None], int]:
    """How many people of each department completed each item until ``as_of`` (aware)."""
    counted = connection.execute(
        select(progress.c.item_id, learner.c.department, func.count())
        .select_from(progress.join(learner, learner.c.id == progress.c.learner_id))
        .where(is_completed(as_of))
        .group_by(progress.c.item_id, learner.c.department)
    )
    return {(item_id, department): people for item_id, department, people in counted}


def _text(row: Any, tags: set[str]) -> str:
    """What an item says about itself; its tags count twice."""
    listed = " ".join(sorted(tags))
    return f"{row['title']}. {row['summary'] or ''}. {listed}. {listed}"
