"""What learners think of what they used: stars and a few words (mission H8), asked for rarely and never twice.

- Who used an item may rate it, once: the rating is changed in place, and can be taken back.
- Words are read by others at once, or after a person has looked at them (:mod:`pushpull.learners.wording`). What ops
  hid stays hidden, stars included, until ops show it again.
- Nobody is named beside what they wrote, not even to those who check it.

What an item's average is lives in :mod:`pushpull.catalogue.ratings`; who is asked for an opinion, and when, in
:mod:`pushpull.learners.asking`; what ops decide, with its line in the audit log, in
:mod:`pushpull.ledger.moderating`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, or_, select, update

from pushpull.catalogue.ratings import refresh_rating
from pushpull.catalogue.tables import item
from pushpull.db import insert_into, insert_new
from pushpull.learners.tables import activity, progress, review, review_ask
from pushpull.learners.verbs import NOT_ACTIVE_VERBS
from pushpull.learners.vocabulary import ReviewState
from pushpull.learners.wording import Doubt, doubt_about, tidied

#: Most characters of a review's words.
LONGEST: Final = 500
STARS: Final = range(1, 6)


class NotUsedError(LookupError):
    """Only who has used an item may rate it."""

    def __init__(self) -> None:
        super().__init__("there is no such item, or the learner has not used it yet: nothing was recorded")


class BadReviewError(ValueError):
    """A review that cannot be kept.

    Args:
        field: what is wrong with it: ``rating`` or ``words``.
    """

    def __init__(self, field: str) -> None:
        self.field = field
        said = {"rating": "a rating is 1 to 5 stars", "words": f"a review has at most {LONGEST} characters"}
        super().__init__(said[field])


@dataclass(frozen=True, slots=True)
class OwnReview:
    """What a learner thinks of an item, as they see it themselves.

    Args:
        rating: 1 to 5.
        words: empty when there are none.
    """

    rating: int
    words: str
    state: ReviewState


@dataclass(frozen=True, slots=True)
class Used:
    """Something a learner has used.

    Args:
        rating: theirs; None when they gave none.
    """

    item_id: int
    title: str
    language: str
    rating: int | None


@dataclass(frozen=True, slots=True)
class Said:
    """What a colleague wrote, as others see it.

    Args:
        language: of the writer's pages, BCP 47; empty when unknown.
    """

    rating: int
    words: str
    language: str


def has_used(learner_id: int | ColumnElement[int], item_id: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a learner has used an item: they started or finished it, or some activity of theirs is known."""
    own, sign = progress.alias("own"), activity.alias("sign")  # the statement around it may read both tables too
    began = exists().where(
        own.c.learner_id == learner_id,
        own.c.item_id == item_id,
        or_(own.c.started_at.is_not(None), own.c.status.in_(("started", "completed", "failed"))),
    )
    was_there = exists().where(
        sign.c.learner_id == learner_id,
        sign.c.item_id == item_id,
        sign.c.voided_at.is_(None),
        sign.c.verb.not_in(NOT_ACTIVE_VERBS),
    )
    return or_(began, was_there)


def may_review(connection: Connection, learner_id: int, item_id: int) -> bool:
    """Whether the learner may rate the item."""
    return bool(connection.execute(select(has_used(learner_id, item_id))).scalar_one())


def rate(
    connection: Connection,
    learner_id: int,
    item_id: int,
    *,
    rating: int,
    words: str = "",
    language: str = "",
    at: datetime,
) -> ReviewState:
    """Keep what a learner thinks of an item; what they thought before gives way. The item's rating moves with it.

    Args:
        rating: 1 to 5.
        words: at most :data:`LONGEST` characters; empty for stars alone.
        language: of the page they wrote it on, BCP 47.
        at: aware.

    Returns:
        What others see of the words.

    Raises:
        BadReviewError: the rating or the words cannot be kept.
        NotUsedError: they have not used the item, or there is none.
    """
    body = tidied(words) or None
    if rating not in STARS:
        raise BadReviewError("rating")
    if body is not None and len(body) > LONGEST:
        raise BadReviewError("words")
    _lock(connection, item_id)
    if not may_review(connection, learner_id, item_id):
        raise NotUsedError
    state, why = _what_others_see(connection, learner_id, item_id, body)
    values: dict[str, Any] = {
        "rating": rating,
        "body": body,
        "language": language or None,
        "state": state.value,
        "reason": why,
        "updated_at": at,
    }
    connection.execute(
        insert_into(connection, review)
        .values(learner_id=learner_id, item_id=item_id, made_at=at, **values)
        .on_conflict_do_update(index_elements=list(review.primary_key), set_=values)
    )
    _answered(connection, learner_id, item_id, at)
    refresh_rating(connection, item_id, at)
    return state


def withdraw(connection: Connection, learner_id: int, item_id: int, *, at: datetime) -> bool:
    """Take a review back: nobody sees it, nothing counts it.

    Of one that ops hid, only the words go: its row keeps the learner from writing the same again unseen.

    Returns:
        Whether there was one.
    """
    _lock(connection, item_id)
    mine = and_(review.c.learner_id == learner_id, review.c.item_id == item_id)
    before = connection.execute(select(review.c.state, review.c.decided_by).where(mine)).one_or_none()
    if before is None:
        return False
    if _was_hidden(before.state, before.decided_by):
        connection.execute(update(review).where(mine).values(body=None, state=ReviewState.HIDDEN.value, updated_at=at))
    else:
        connection.execute(delete(review).where(mine))
    refresh_rating(connection, item_id, at)
    return True


def decline(connection: Connection, learner_id: int, item_id: int, *, at: datetime) -> None:
    """The learner would rather not say; they are never asked about this item again."""
    if may_review(connection, learner_id, item_id):
        _answered(connection, learner_id, item_id, at)


def own_review(connection: Connection, learner_id: int, item_id: int) -> OwnReview | None:
    """What the learner thinks of the item; None when they did not say."""
    row = connection.execute(
        select(review.c.rating, review.c.body, review.c.state).where(
            review.c.learner_id == learner_id, review.c.item_id == item_id
        )
    ).one_or_none()
    if row is None or (row.state == ReviewState.HIDDEN and row.body is None):  # hidden, then taken back
        return None
    return OwnReview(row.rating, row.body or "", ReviewState(row.state))


def used_lately(connection: Connection, learner_id: int, *, limit: int = 8) -> tuple[Used, ...]:
    """What the learner has used, the latest first."""
    mine = and_(review.c.learner_id == learner_id, review.c.item_id == item.c.id)
    is_shown = or_(review.c.state != ReviewState.HIDDEN.value, review.c.body.is_not(None))
    latest = func.coalesce(progress.c.last_activity_at, progress.c.completed_at, progress.c.started_at)
    rows = connection.execute(
        select(item.c.id, item.c.title, item.c.language, review.c.rating)
        .select_from(progress.join(item, item.c.id == progress.c.item_id).outerjoin(review, and_(mine, is_shown)))
        .where(progress.c.learner_id == learner_id, has_used(learner_id, item.c.id))
        .order_by(latest.is_(None), latest.desc(), item.c.id)
        .limit(limit)
    )
    return tuple(Used(row.id, row.title, row.language or "", row.rating) for row in rows)


def said_of(connection: Connection, item_id: int, *, except_of: int = 0, limit: int = 10) -> tuple[Said, ...]:
    """What colleagues wrote about an item, the newest first.

    Args:
        except_of: the learner who reads; their own words are elsewhere on their page.
    """
    rows = connection.execute(
        select(review.c.rating, review.c.body, review.c.language)
        .where(
            review.c.item_id == item_id,
            review.c.state == ReviewState.PUBLISHED.value,
            review.c.body.is_not(None),
            review.c.learner_id != except_of,
        )
        .order_by(review.c.updated_at.desc(), review.c.learner_id)
        .limit(limit)
    )
    return tuple(Said(row.rating, row.body, row.language or "") for row in rows)


def decide(
    connection: Connection, learner_id: int, item_id: int, state: ReviewState, *, who: str, why: str, at: datetime
) -> bool:
    """What ops decide about a review: that others see it, or that nobody does.

    Use :func:`pushpull.ledger.moderating.decide`, which writes the audit log too.

    Args:
        state: published or hidden.
        why: kept while it is hidden.

    Returns:
        Whether there is such a review.
    """
    _lock(connection, item_id)
    decided = connection.execute(
        update(review)
        .where(review.c.learner_id == learner_id, review.c.item_id == item_id)
        .values(
            state=state.value,
            reason=why if state is ReviewState.HIDDEN else None,
            decided_by=who,
            decided_at=at,
        )
    )
    refresh_rating(connection, item_id, at)
    return decided.rowcount > 0


def _what_others_see(
    connection: Connection, learner_id: int, item_id: int, body: str | None
) -> tuple[ReviewState, str | None]:
    """The state of words that a learner wrote, and why."""
    before = connection.execute(
        select(review.c.body, review.c.state, review.c.reason, review.c.decided_by).where(
            review.c.learner_id == learner_id, review.c.item_id == item_id
        )
    ).one_or_none()
    if before is not None and _was_hidden(before.state, before.decided_by):
        if body is None or body == before.body:
            return ReviewState(before.state), before.reason
        return ReviewState.HELD, Doubt.HIDDEN_BEFORE.value
    if before is not None and body is not None and body == before.body:
        return ReviewState(before.state), before.reason  # the same words were looked at, or wait to be
    doubt = doubt_about(body) if body is not None else None
    return (ReviewState.HELD, doubt.value) if doubt else (ReviewState.PUBLISHED, None)


def _was_hidden(state: str, decided_by: str | None) -> bool:
    """Whether what the learner wrote last is not what ops hid, but comes after it; or is it."""
    return state == ReviewState.HIDDEN or (state == ReviewState.HELD and decided_by is not None)


def _answered(connection: Connection, learner_id: int, item_id: int, at: datetime) -> None:
    insert_new(connection, review_ask, [{"learner_id": learner_id, "item_id": item_id, "asked_at": at}])


def _lock(connection: Connection, item_id: int) -> None:
    """Reviews of an item are written one after the other: its average is made of all of them."""
    connection.execute(select(item.c.id).where(item.c.id == item_id).with_for_update())
