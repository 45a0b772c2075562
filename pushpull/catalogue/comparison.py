"""Up to three items side by side, with what the catalogue says of each (mission R10): facts to choose by, no verdict.

Every fact is the catalogue's own; what it does not know is None, and no guess stands in. A rating is shown as
everywhere: in halves, and only from :data:`pushpull.catalogue.ratings.FEWEST_RATERS` raters on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, and_, func, select

from pushpull.catalogue.facts import opens
from pushpull.catalogue.items import item_ids
from pushpull.catalogue.ratings import COUNTS, FEWEST_RATERS, Rating
from pushpull.catalogue.tables import item, item_requirement, item_tag
from pushpull.learners.tables import learner, review

#: Items that are compared at once.
MOST: Final = 3


class NotComparableError(ValueError):
    """What was asked for cannot be compared; the text says why."""


@dataclass(frozen=True, slots=True)
class Option:
    """One item of a comparison.

    Args:
        minutes: None is unknown, not zero.
        level, format, language, summary: as in the catalogue; empty when unknown.
        rating: None where too few have rated it.
        topics: its tags, in order: whom it is for.
        requires: titles of what must be completed before, in order.
        is_open: whether it can be started now.
    """

    item_id: int
    key: str
    title: str
    summary: str
    minutes: float | None
    level: str
    format: str
    language: str
    rating: Rating | None
    topics: tuple[str, ...]
    requires: tuple[str, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Items side by side, in the order in which they were asked for."""

    options: tuple[Option, ...]


def compare(connection: Connection, item_ids: Sequence[int], *, now: datetime) -> Comparison:
    """The items with these ids; one that is named twice stands there once, and one that is not there is left out.

    Args:
        item_ids: at most :data:`MOST` different ones.
        now: aware.

    Raises:
        NotComparableError: there are more of them.
    """
    wanted = list(dict.fromkeys(item_ids))
    if len(wanted) > MOST:
        raise NotComparableError(f"at most {MOST} items are compared at once, not {len(wanted)}")
    rows = connection.execute(
        select(item, opens(now).label("is_open"), func.count(review.c.learner_id).label("raters"))
        .select_from(item.outerjoin(review, and_(review.c.item_id == item.c.id, COUNTS)))
        .where(item.c.id.in_(wanted))
        .group_by(item.c.id)
    ).all()
    topics: dict[int, list[str]] = {each: [] for each in wanted}
    for item_id, tag in connection.execute(
        select(item_tag.c.item_id, item_tag.c.tag).where(item_tag.c.item_id.in_(wanted))
    ):
        topics[item_id].append(tag)
    required = item.alias("required")
    before: dict[int, list[str]] = {each: [] for each in wanted}
    for item_id, title in connection.execute(
        select(item_requirement.c.item_id, required.c.title)
        .join(required, required.c.key == item_requirement.c.requires_key)
        .where(item_requirement.c.item_id.in_(wanted))
    ):
        before[item_id].append(title)
    found = {
        row.id: Option(
            row.id,
            row.key,
            row.title,
            row.summary or "",
            row.minutes,
            row.level or "",
            row.format or "",
            row.language or "",
            _shown(row.rating, row.raters),
            tuple(sorted(topics[row.id])),
            tuple(sorted(before[row.id])),
            bool(row.is_open),
        )
        for row in rows
    }
    return Comparison(tuple(found[each] for each in wanted if each in found))


def ids_of(connection: Connection, keys: Sequence[str]) -> tuple[int, ...]:
    """The ids of two or three items.

    Raises:
        NotComparableError: there are fewer or more, or one is not in the catalogue.
    """
    wanted = tuple(dict.fromkeys(keys))
    if not 2 <= len(wanted) <= MOST:
        raise NotComparableError(f"two to {MOST} items are compared, not {len(wanted)}")
    known = item_ids(connection, wanted)
    for key in wanted:
        if key not in known:
            raise NotComparableError(f"no item has the key {key!r}")
    return tuple(known[key] for key in wanted)


def ids_picked_for(connection: Connection, external_id: str, *, as_of: datetime) -> tuple[int, ...]:
    """The ids of what would be picked for a learner at ``as_of`` (aware), best first.

    Raises:
        NotComparableError: there is no such learner, or fewer than two items fit them.
    """
    from pushpull.catalogue.recommend import Recommender  # numerical libraries: only who recommends pays for them

    learner_id = connection.execute(
        select(learner.c.id).where(learner.c.external_id == external_id)
    ).scalar_one_or_none()
    if learner_id is None:
        raise NotComparableError(f"no learner has the external id {external_id!r}")
    picked = Recommender.load(connection, as_of=as_of).recommend(connection, [learner_id], count=MOST, languages_of={})
    found = tuple(each.item_id for each in picked[learner_id])
    if len(found) < 2:
        raise NotComparableError(f"{len(found)} items fit {external_id!r} now: there is nothing to compare")
    return found


def _shown(rating: float | None, raters: int) -> Rating | None:
    return None if rating is None or raters < FEWEST_RATERS else Rating(round(rating * 2) / 2, raters)
