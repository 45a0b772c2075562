"""Items of the catalogue as values, written one by one or in bulk. Files with thousands are the importers' work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select

from pushpull.catalogue.tables import item, item_tag
from pushpull.db import insert_into

#: Items per statement: SQLite takes 32,766 bound values.
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """Something to learn.

    Args:
        key: unique in the catalogue.
        tags: what it is about.
        iri: its xAPI activity id.
        language: BCP 47; None is unknown.
        minutes: duration; None is unknown, not zero.
        rating: 1 to 5; None is unknown.
        active: may be offered.
        available_from, available_until: when it may be offered (aware); the end is excluded.
    """

    key: str
    title: str
    summary: str | None = None
    tags: frozenset[str] = frozenset()
    url: str | None = None
    iri: str | None = None
    language: str | None = None
    minutes: float | None = None
    level: str | None = None
    format: str | None = None
    owner_external_id: str | None = None
    rating: float | None = None
    active: bool = True
    available_from: datetime | None = None
    available_until: datetime | None = None

    def __post_init__(self) -> None:
        if not self.key or not self.title.strip():
            raise ValueError(f"item {self.key!r}: it needs a key and a title")
        if self.minutes is not None and self.minutes < 0:
            raise ValueError(f"item {self.key!r}: {self.minutes} minutes is no duration")
        if self.rating is not None and not 1 <= self.rating <= 5:
            raise ValueError(f"item {self.key!r}: a rating of {self.rating} is not between 1 and 5")


_COLUMNS = tuple(name for name in CatalogueItem.__dataclass_fields__ if name != "tags")


def save_items(conn: Connection, items: Iterable[CatalogueItem], *, at: datetime) -> int:
    """Add the items, or make what is stored under their keys equal to them, tags included.

    Args:
        at: the instant of the change (aware).

    Returns:
        How many items were new or differed in anything but their tags.
    """
    listed = list({each.key: each for each in items}.values())
    changed = 0
    for start in range(0, len(listed), _BATCH):
        batch = listed[start : start + _BATCH]
        rows: list[dict[str, Any]] = []
        for each in batch:
            values = asdict(each)
            del values["tags"]
            rows.append({**values, "created_at": at, "updated_at": at})
        statement = insert_into(conn, item).values(rows)
        new = {name: statement.excluded[name] for name in _COLUMNS if name != "key"}
        differs = or_(*(item.c[name].is_distinct_from(value) for name, value in new.items()))
        upsert = statement.on_conflict_do_update(
            index_elements=[item.c.key], set_={**new, "updated_at": at}, where=differs
        )
        changed += conn.execute(upsert.execution_options(preserve_rowcount=True)).rowcount
        _save_tags(conn, batch)
    return changed


def _save_tags(conn: Connection, batch: Sequence[CatalogueItem]) -> None:
    ids = item_ids(conn, [each.key for each in batch])
    conn.execute(delete(item_tag).where(item_tag.c.item_id.in_(ids.values())))
    tags = [{"item_id": ids[each.key], "tag": tag} for each in batch for tag in sorted(each.tags)]
    if tags:
        conn.execute(insert(item_tag), tags)


def item_ids(conn: Connection, keys: Sequence[str]) -> dict[str, int]:
    """The ids of the items with these keys; keys that are not in the catalogue are left out."""
    found: dict[str, int] = {}
    for start in range(0, len(keys), _BATCH):
        rows = conn.execute(select(item.c.key, item.c.id).where(item.c.key.in_(keys[start : start + _BATCH])))
        found.update((key, item_id) for key, item_id in rows)
    return found
