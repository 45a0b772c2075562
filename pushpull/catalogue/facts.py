"""What a page says of one item, to whoever may see it: nothing of any learner but what many of them said together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from pushpull.catalogue.ratings import Rating, rating_of
from pushpull.catalogue.tables import item
from pushpull.catalogue.threads import Thread, thread_of


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """An item on a page.

    Args:
        minutes: None is unknown.
        format, language: as the catalogue has them; empty when unknown.
        is_open: whether it can be started now.
        rating: None where too few have rated it.
        thread: where it is talked about; None where nowhere.
    """

    item_id: int
    title: str
    summary: str
    minutes: float | None
    format: str
    language: str
    is_open: bool
    rating: Rating | None
    thread: Thread | None


def opens(now: datetime) -> ColumnElement[bool]:
    """Whether a row of ``item`` can be started at ``now``."""
    return and_(
        item.c.active,
        item.c.url.is_not(None),
        or_(item.c.available_from.is_(None), item.c.available_from <= now),
        or_(item.c.available_until.is_(None), item.c.available_until > now),
    )


def facts_of(connection: Connection, item_id: int, *, now: datetime) -> ItemFacts | None:
    """The item as a page shows it; None where there is none."""
    row = connection.execute(
        select(
            item.c.id,
            item.c.title,
            item.c.summary,
            item.c.minutes,
            item.c.format,
            item.c.language,
            opens(now).label("is_open"),
        ).where(item.c.id == item_id)
    ).one_or_none()
    if row is None:
        return None
    return ItemFacts(
        row.id,
        row.title,
        row.summary or "",
        row.minutes,
        row.format or "",
        row.language or "",
        bool(row.is_open),
        rating_of(connection, item_id),
        thread_of(connection, item_id),
    )


def formats_offered(connection: Connection) -> tuple[str, ...]:
    """The formats of what may be offered, as the catalogue has them, in order."""
    known = select(item.c.format).where(item.c.active.is_(True), item.c.format.is_not(None), item.c.format != "")
    return tuple(sorted(set(connection.execute(known.distinct()).scalars())))
