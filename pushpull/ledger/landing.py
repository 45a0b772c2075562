"""Where links lead today: an expired one to what is open now, a learner's own to the place where they stopped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, case, or_, select

from pushpull.catalogue.tables import item
from pushpull.learners.consent import tombstone_of
from pushpull.learners.tables import learner, progress
from pushpull.ledger.links import Claims
from pushpull.ledger.tables import campaign, campaign_item

#: Of a column that holds ids.
_LARGEST_ID: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Destination:
    """What an expired link leads to; nothing of it is the learner's own.

    Args:
        language: the learner's, BCP 47; empty when unknown.
        campaign: its name.
        brand: key of the campaign's brand; empty when it has none.
        title, summary, minutes: of the item; empty and None where there is none, or nothing is known.
        url: where it is; empty when nothing can be opened.
    """

    language: str
    campaign: str
    brand: str = ""
    title: str = ""
    summary: str = ""
    minutes: float | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """Where an item begins for a learner.

    Args:
        url: of the item; empty where it has none.
        place_url: where the learner stopped; empty when unknown.
    """

    url: str
    place_url: str


def leads_somewhere(connection: Connection, claims: Claims) -> bool:
    """Whether the learner of a landing link is still there, and the campaign where it names one."""
    is_erased = learner.c.external_id == tombstone_of(claims.learner_id)
    there = select(learner.c.id).where(learner.c.id == claims.learner_id, ~is_erased)
    if claims.campaign_id is not None:
        there = there.where(select(campaign.c.id).where(campaign.c.id == claims.campaign_id).exists())
    return connection.execute(there).first() is not None


def start_of(connection: Connection, learner_id: int, item_id: int, *, now: datetime) -> Start | None:
    """Where the catalogue says that an item begins, for a learner who may open it.

    Args:
        item_id: as it was asked for: any whole number.

    Returns:
        None where there is no such item, or it is not open and the learner never began it.
    """
    if not 0 < item_id <= _LARGEST_ID:
        return None
    mine = and_(progress.c.item_id == item.c.id, progress.c.learner_id == learner_id)
    row = connection.execute(
        select(item.c.url, progress.c.place_url)
        .select_from(item.outerjoin(progress, mine))
        .where(item.c.id == item_id, or_(_is_open(now), progress.c.learner_id.is_not(None)))
    ).one_or_none()
    return None if row is None else Start(row.url or "", row.place_url or "")


def destination(connection: Connection, claims: Claims, *, now: datetime) -> Destination | None:
    """Where an expired link leads.

    The item it was made for, while that can be opened; else the campaign's first open item that the learner has not
    completed, or its first one.

    Args:
        claims: of a landing link whose signature was ours.

    Returns:
        None when learner or campaign are no longer there.
    """
    person = connection.execute(
        select(learner.c.preferred_language).where(learner.c.id == claims.learner_id)
    ).one_or_none()
    of = connection.execute(
        select(campaign.c.name, campaign.c.definition["brand"].as_string().label("brand")).where(
            campaign.c.id == claims.campaign_id
        )
    ).one_or_none()
    if person is None or of is None:
        return None
    here = Destination(person.preferred_language or "", of.name, of.brand or "")
    mine = and_(progress.c.item_id == item.c.id, progress.c.learner_id == claims.learner_id)
    asked_for = case((item.c.id == claims.item_id, 0), else_=1)
    done = case((progress.c.completed_at.is_not(None), 1), else_=0)
    row = connection.execute(
        select(item.c.title, item.c.summary, item.c.minutes, item.c.url)
        .select_from(
            item.outerjoin(
                campaign_item,
                and_(campaign_item.c.item_id == item.c.id, campaign_item.c.campaign_id == claims.campaign_id),
            ).outerjoin(progress, mine)
        )
        .where(
            _is_open(now),
            item.c.url.is_not(None),
            or_(item.c.id == claims.item_id, campaign_item.c.item_id.is_not(None)),
        )
        .order_by(asked_for, done, campaign_item.c.position, item.c.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        return here
    return replace(here, title=row.title, summary=row.summary or "", minutes=row.minutes, url=row.url)


def _is_open(now: datetime) -> ColumnElement[bool]:
    return and_(
        item.c.active,
        or_(item.c.available_from.is_(None), item.c.available_from <= now),
        or_(item.c.available_until.is_(None), item.c.available_until > now),
    )
