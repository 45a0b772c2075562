"""Which of the items picked for a learner may still be shown: available, and not completed since."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, SmallInteger, and_, bindparam, or_, select

from pushpull.catalogue.tables import item
from pushpull.learners.tables import learner, progress
from pushpull.ledger.tables import pick


def pick_is_good(*, as_of: datetime) -> ColumnElement[bool]:
    """Whether a row of ``pick`` may still be shown: its item is available and the learner has not completed it."""
    done, offer = progress.alias("done"), item.alias("offer")
    completed = (
        select(done.c.item_id)
        .where(
            done.c.learner_id == pick.c.learner_id,
            done.c.item_id == pick.c.item_id,
            done.c.completed_at.is_not(None),
        )
        .correlate(pick)
        .exists()
    )
    offered = (
        select(offer.c.id)
        .where(
            offer.c.id == pick.c.item_id,
            offer.c.active.is_(True),
            or_(offer.c.available_until.is_(None), offer.c.available_until > as_of),
        )
        .correlate(pick)
        .exists()
    )
    return and_(~completed, offered)


def has_pick(*, as_of: datetime) -> ColumnElement[bool]:
    """Whether anything recommended to the learner of a claimed delivery may still be shown."""
    return (
        select(pick.c.item_id)
        .where(
            pick.c.wave_id == bindparam("batch_wave", type_=BigInteger),
            pick.c.rotation == bindparam("batch_rotation", type_=SmallInteger),
            pick.c.learner_id == learner.c.id,
            pick_is_good(as_of=as_of),
        )
        .correlate(learner)
        .exists()
    )
