"""What learners did that lets them vouch for a campaign: finished, rated, passed on, and colleagues who followed.

A champion is found by deeds, not named by rank: of the ten ways to find opinion leaders that T. W. Valente and
P. Pumpuang compare ("Identifying Opinion Leaders to Promote Behavior Change", Health Education & Behavior 34(6), 2007,
881-896), those hold that look at what people do and whom others follow. Points per item of the campaign, a house rule:

=========== ========= ==================================================================================
deed        points    what it is
=========== ========= ==================================================================================
finished    3         who vouches must know it to the end
rated       1 (or 2)  stars (with words of their own); what the stars say does not count: praise buys nothing
passed on   1         made a link for colleagues
followed    3 each    colleagues who came by that link and used it, three at most
=========== ========= ==================================================================================

Only who has finished something and has done something for others is looked at. Who may be asked at all is
:mod:`pushpull.ledger.vested`; who is, :mod:`pushpull.ledger.champions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, Select, Subquery, case, func, literal, select, union_all

from pushpull.learners.shares import is_credited
from pushpull.learners.tables import progress, referral, review, share
from pushpull.learners.vocabulary import ReviewState

FINISHED: Final = 3
RATED: Final = 1
SAID_WHY: Final = 1
PASSED_ON: Final = 1
FOLLOWED: Final = 3
#: Colleagues who followed count so often per item: being well connected is not all.
MOST_FOLLOWERS: Final = 3


def points(item_ids: Sequence[int], as_of: datetime) -> Subquery:
    """``deeds(learner_id, item_id, points)``: of everybody who finished an item and did something for others.

    Args:
        item_ids: the campaign's items.
        as_of: aware; what happened later does not count.
    """
    deeds = union_all(
        _finished(item_ids, as_of), _rated(item_ids, as_of), _passed_on(item_ids, as_of), _followed(item_ids)
    ).subquery("deed")
    able = (
        select(deeds.c.learner_id)
        .group_by(deeds.c.learner_id)
        .having(func.sum(deeds.c.own) > 0, func.sum(deeds.c.for_others) > 0)
    )
    return (
        select(
            deeds.c.learner_id,
            deeds.c.item_id,
            func.sum(deeds.c.own + deeds.c.for_others).label("points"),
        )
        .where(deeds.c.learner_id.in_(able))
        .group_by(deeds.c.learner_id, deeds.c.item_id)
        .subquery("deeds")
    )


def _deed(
    who: ColumnElement[int], what: ColumnElement[int], *, own: int = 0, for_others: ColumnElement[int] | int = 0
) -> tuple[ColumnElement[Any], ...]:
    others = for_others if isinstance(for_others, ColumnElement) else literal(for_others, Integer)
    return (
        who.label("learner_id"),
        what.label("item_id"),
        literal(own, Integer).label("own"),
        others.label("for_others"),
    )


def _finished(item_ids: Sequence[int], as_of: datetime) -> Select[Any]:
    done = select(*_deed(progress.c.learner_id, progress.c.item_id, own=FINISHED))
    return done.where(progress.c.item_id.in_(item_ids), progress.c.completed_at <= as_of)


def _rated(item_ids: Sequence[int], as_of: datetime) -> Select[Any]:
    worth = case((review.c.body.is_not(None), RATED + SAID_WHY), else_=RATED)
    rated = select(*_deed(review.c.learner_id, review.c.item_id, for_others=worth))
    return rated.where(
        review.c.item_id.in_(item_ids), review.c.made_at <= as_of, review.c.state == ReviewState.PUBLISHED.value
    )


def _passed_on(item_ids: Sequence[int], as_of: datetime) -> Select[Any]:
    shared = select(*_deed(share.c.learner_id, share.c.item_id, for_others=PASSED_ON))
    return shared.where(share.c.item_id.in_(item_ids), share.c.made_at <= as_of)


def _followed(item_ids: Sequence[int]) -> Select[Any]:
    followers = func.count(referral.c.learner_id.distinct())
    worth = case((followers > MOST_FOLLOWERS, MOST_FOLLOWERS), else_=followers) * FOLLOWED
    return (
        select(*_deed(share.c.learner_id, share.c.item_id, for_others=worth))
        .select_from(share.join(referral, referral.c.share_id == share.c.id))
        .where(share.c.item_id.in_(item_ids), is_credited())
        .group_by(share.c.learner_id, share.c.item_id)
    )
