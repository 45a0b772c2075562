"""What the stars that learners give say about an item: shrunk averages (mission H8), and when they may be shown.

One rating is no average. An item's rating is drawn towards the mean of the whole catalogue, as if a few people more
had rated it just so, and the catalogue's mean itself towards the middle of the scale:

    (weight x mean of the catalogue + sum of its stars) / (weight + number of its stars)

Source: the Bayesian average, as IMDb's weighted rating has it (mean of all titles as the prior) and as Evan Miller
derives it ("Ranking Items With Star Ratings", 2014). What stars are and who may give them lives in
:mod:`pushpull.learners.reviews`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Float, Select, and_, case, cast, func, literal, select, update

from pushpull.catalogue.tables import item
from pushpull.db import rows_written
from pushpull.learners.tables import review
from pushpull.learners.vocabulary import ReviewState

#: So many ratings the prior counts for.
WEIGHT: Final = 5
#: Of stars from 1 to 5: what a catalogue without ratings is taken for.
MIDDLE: Final = 3.0
#: The fewest raters an average is shown of: it must not speak of single people (mission P3; the k of the reports).
FEWEST_RATERS: Final = 5

#: Whether a row of ``review`` counts: words that wait do not take its stars away, hiding does.
COUNTS: Final[ColumnElement[bool]] = review.c.state != ReviewState.HIDDEN.value


@dataclass(frozen=True, slots=True)
class Rating:
    """An item's rating as people see it.

    Args:
        stars: 1 to 5 in halves: one rating more rarely moves it, so that it rarely tells what that one was.
        raters: how many gave stars; at least :data:`FEWEST_RATERS`.
    """

    stars: float
    raters: int


def rating_of(connection: Connection, item_id: int) -> Rating | None:
    """What is shown of an item's rating; None where too few have rated it."""
    row = connection.execute(
        select(item.c.rating, func.count(review.c.learner_id))
        .select_from(item.join(review, and_(review.c.item_id == item.c.id, COUNTS)))
        .where(item.c.id == item_id)
        .group_by(item.c.id, item.c.rating)
    ).one_or_none()
    if row is None or row[0] is None or row[1] < FEWEST_RATERS:
        return None
    return Rating(round(row[0] * 2) / 2, row[1])


def refresh_ratings(connection: Connection, now: datetime) -> int:
    """Bring the ratings of all reviewed items up to date; what a catalogue said of the others stays.

    Args:
        now: aware; when items whose rating moved are said to have changed.

    Returns:
        How many moved.
    """
    rated = select(review.c.item_id.label("item_id"), _shrunk()).group_by(review.c.item_id)
    return _store(connection, rated, now)


def refresh_rating(connection: Connection, item_id: int, now: datetime) -> None:
    """The same for one item whose reviews have changed; without any that counts, its rating is unknown.

    The caller holds the item's row: two reviews at the same time would each miss the other's stars.
    """
    rated = (
        select(item.c.id.label("item_id"), _shrunk())
        .select_from(item.outerjoin(review, review.c.item_id == item.c.id))
        .where(item.c.id == item_id)
        .group_by(item.c.id)
    )
    _store(connection, rated, now)


def shrunk(stars: int, raters: int, mean: float) -> float:
    """The rating that so many stars of so many raters make.

    Args:
        stars: their sum.
        mean: of the catalogue, 1 to 5.
    """
    return (WEIGHT * mean + stars) / (WEIGHT + raters)


def _shrunk() -> ColumnElement[float]:
    """:func:`shrunk` over the rows of a group; null where none counts."""
    stars = func.sum(case((COUNTS, review.c.rating)))
    raters = func.count(case((COUNTS, review.c.rating)))
    return case((raters > 0, (WEIGHT * _mean() + stars) / cast(WEIGHT + raters, Float))).label("rating")


def _mean() -> ColumnElement[float]:
    """The catalogue's: of all stars that count, drawn to the middle like everything else."""
    every = review.alias("every")
    counted = (
        select(func.coalesce(func.sum(every.c.rating), 0).label("stars"), func.count().label("raters"))
        .where(every.c.state != ReviewState.HIDDEN.value)
        .subquery("counted")
    )
    return select(
        (literal(WEIGHT * MIDDLE, Float) + counted.c.stars) / cast(WEIGHT + counted.c.raters, Float)
    ).scalar_subquery()


def _store(connection: Connection, rated: Select[Any], now: datetime) -> int:
    new = rated.subquery("rated")
    moved = update(item).where(item.c.id == new.c.item_id, item.c.rating.is_distinct_from(new.c.rating))
    return rows_written(connection, connection.execute(moved.values(rating=new.c.rating, updated_at=now)))
