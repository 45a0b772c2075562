"""Where a landing link leads today: the item, and for its own learner the place where they stopped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, case, or_, select

from pushpull.catalogue.tables import item
from pushpull.learners.tables import learner, progress
from pushpull.ledger.links import Claims
from pushpull.ledger.tables import campaign, campaign_item


@dataclass(frozen=True, slots=True)
class Destination:
    """What a landing page shows.

    Args:
        language: the learner's, BCP 47; empty when unknown.
        campaign: its name.
        title, summary, minutes: of the item; empty and None where there is none, or nothing is known.
        url: where it is; empty when nothing can be opened.
        place_title, place_url: where the learner stopped; empty when unknown.
    """

    language: str
    campaign: str
    title: str = ""
    summary: str = ""
    minutes: float | None = None
    url: str = ""
    place_title: str = ""
    place_url: str = ""


def destination(connection: Connection, claims: Claims, *, now: datetime, own: bool) -> Destination | None:
    """Where a link leads.

    The item it was made for, while that can be opened; else the campaign's first open item that the learner has not
    completed, or its first one.

    Args:
        claims: of a landing link whose signature was ours.
        own: whether the page may show what is the learner's own; an expired link may not.

    Returns:
        None when learner or campaign are no longer there.
    """
    person = connection.execute(
        select(learner.c.preferred_language).where(learner.c.id == claims.learner_id)
    ).one_or_none()
    name = connection.execute(select(campaign.c.name).where(campaign.c.id == claims.campaign_id)).scalar()
    if person is None or name is None:
        return None
    language = person.preferred_language or ""
    is_open = and_(
        item.c.active,
        item.c.url.is_not(None),
        or_(item.c.available_from.is_(None), item.c.available_from <= now),
        or_(item.c.available_until.is_(None), item.c.available_until > now),
    )
    mine = and_(progress.c.item_id == item.c.id, progress.c.learner_id == claims.learner_id)
    asked_for = case((item.c.id == claims.item_id, 0), else_=1)
    done = case((progress.c.completed_at.is_not(None), 1), else_=0)
    row = connection.execute(
        select(
            item.c.title,
            item.c.summary,
            item.c.minutes,
            item.c.url,
            progress.c.place_title,
            progress.c.place_url,
        )
        .select_from(
            item.outerjoin(
                campaign_item,
                and_(campaign_item.c.item_id == item.c.id, campaign_item.c.campaign_id == claims.campaign_id),
            ).outerjoin(progress, mine)
        )
        .where(is_open, or_(item.c.id == claims.item_id, campaign_item.c.item_id.is_not(None)))
        .order_by(asked_for, done, campaign_item.c.position, item.c.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        return Destination(language, name)
    return Destination(
        language,
        name,
        title=row.title,
        summary=row.summary or "",
        minutes=row.minutes,
        url=row.url,
        place_title=(row.place_title or "") if own else "",
        place_url=(row.place_url or "") if own else "",
    )
