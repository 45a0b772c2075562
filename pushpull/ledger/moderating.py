"""What ops decide about what learners say to each other: reviews, public thanks, threads. Each decision is audited.

Whoever moderates sees words, never who wrote them: a review is called by a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, case, func, literal_column, or_, select

from pushpull.catalogue.ratings import COUNTS, FEWEST_RATERS
from pushpull.catalogue.tables import item
from pushpull.catalogue.threads import end_thread, set_thread
from pushpull.learners.recognitions import hide
from pushpull.learners.reviews import decide as decide_review
from pushpull.learners.tables import review
from pushpull.learners.vocabulary import ReviewState
from pushpull.ledger.campaigns import record

#: An item whose stars are fewer on average is shown to its owner.
LOW: Final = 2.5


class UnknownReviewError(LookupError):
    """There is no such review.

    Args:
        number: that was given.
    """

    def __init__(self, number: str) -> None:
        super().__init__(f"there is no review {number[:40]}: it was taken back, or the number is another")


class UnknownThanksError(LookupError):
    """There are no such thanks on the wall."""

    def __init__(self) -> None:
        super().__init__("these thanks are not on the wall")


class NoReasonError(ValueError):
    """A decision without a reason."""

    def __init__(self) -> None:
        super().__init__("say why: an auditor will read it")


@dataclass(frozen=True, slots=True)
class ListedReview:
    """A review as ops see it.

    Args:
        number: what it is called by.
        item: title of what it is about.
        why: why it waits (a :class:`~pushpull.learners.wording.Doubt`) or is hidden; empty when published.
        decided_by: empty when nobody decided.
    """

    number: str
    item: str
    rating: int
    words: str
    state: ReviewState
    why: str
    decided_by: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class LowRated:
    """An item whose owner should hear of it.

    Args:
        owner: external id; empty when unknown.
        stars: plain average; None where too few rated it.
        raters: None likewise.
        hidden: how many reviews ops have hidden.
    """

    key: str
    title: str
    owner: str
    stars: float | None
    raters: int | None
    hidden: int


def reviews_that(connection: Connection, state: ReviewState, *, limit: int = 100) -> tuple[ListedReview, ...]:
    """Reviews with words in a state: those that wait, the oldest first; others, the newest first."""
    age = review.c.updated_at.asc() if state is ReviewState.HELD else review.c.updated_at.desc()
    rows = connection.execute(
        _listed()
        .where(review.c.state == state.value, review.c.body.is_not(None))
        .order_by(age, review.c.learner_id)
        .limit(limit)
    )
    return tuple(_as_listed(row) for row in rows)


def low_rated(connection: Connection) -> tuple[LowRated, ...]:
    """Items that at least :data:`~pushpull.catalogue.ratings.FEWEST_RATERS` people rated below :data:`LOW` on average,
    and items with hidden reviews; the worst first."""
    raters = func.count(case((COUNTS, review.c.rating)))
    stars = func.sum(case((COUNTS, review.c.rating))) * literal_column("1.0") / func.nullif(raters, 0)
    hidden = func.count(case((~COUNTS, review.c.rating)))
    enough = raters >= FEWEST_RATERS
    rows = connection.execute(
        select(
            item.c.key,
            item.c.title,
            item.c.owner_external_id,
            case((enough, stars)).label("stars"),
            case((enough, raters)).label("raters"),
            hidden.label("hidden"),
        )
        .join(review, review.c.item_id == item.c.id)
        .group_by(item.c.id, item.c.key, item.c.title, item.c.owner_external_id)
        .having(or_(and_(enough, stars < LOW), hidden > 0))
        .order_by(func.coalesce(case((enough, stars)), 6), item.c.key)
    )
    return tuple(
        LowRated(
            row.key,
            row.title,
            row.owner_external_id or "",
            None if row.stars is None else round(float(row.stars), 1),
            row.raters,
            row.hidden,
        )
        for row in rows
    )


def decide(connection: Connection, number: str, state: ReviewState, *, who: str, why: str, at: datetime) -> None:
    """Let others see a review, or let nobody see it; its stars count with its words.

    Args:
        number: of the review, as it is listed.
        state: published or hidden.
        at: aware.

    Raises:
        UnknownReviewError: there is none with this number.
        NoReasonError: a decision needs one.
    """
    if not why.strip():
        raise NoReasonError
    learner_id, item_id = _ids(number)
    if not decide_review(connection, learner_id, item_id, state, who=who, why=why, at=at):
        raise UnknownReviewError(number)
    record(connection, at=at, who=who, what=f"review {state.value}", subject=number, why=why)


def take_down(connection: Connection, recognition_id: int, *, who: str, why: str, at: datetime) -> None:
    """Take public thanks off the wall.

    Raises:
        UnknownThanksError: they are not there.
        NoReasonError: a decision needs one.
    """
    if not why.strip():
        raise NoReasonError
    if not hide(connection, recognition_id, who=who):
        raise UnknownThanksError
    record(connection, at=at, who=who, what="thanks hidden", subject=str(recognition_id), why=why)


def lead_to_thread(connection: Connection, key: str, url: str, *, who: str, why: str, at: datetime) -> bool:
    """Say where an item is talked about.

    Args:
        key: the item's.
        url: https; empty: nowhere any more.

    Returns:
        Whether anything changed.

    Raises:
        UnknownItemError, BadThreadError: see :mod:`pushpull.catalogue.threads`.
    """
    if url:
        set_thread(connection, key, url, who=who, at=at)
    elif not end_thread(connection, key):
        return False
    record(connection, at=at, who=who, what="thread set" if url else "thread ended", subject=key, why=why)
    return True


def _ids(number: str) -> tuple[int, int]:
    parts = number.split("-")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 18 for part in parts):
        raise UnknownReviewError(number)
    return int(parts[0]), int(parts[1])


def _listed() -> Select[Any]:
    return select(
        review.c.learner_id,
        review.c.item_id,
        item.c.title,
        review.c.rating,
        review.c.body,
        review.c.state,
        review.c.reason,
        review.c.decided_by,
        review.c.updated_at,
    ).join(item, item.c.id == review.c.item_id)


def _as_listed(row: Any) -> ListedReview:
    return ListedReview(
        f"{row.learner_id}-{row.item_id}",
        row.title,
        row.rating,
        row.body,
        ReviewState(row.state),
        row.reason or "",
        row.decided_by or "",
        row.updated_at,
    )
