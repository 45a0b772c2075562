"""Claiming: a worker takes a batch of due deliveries under a lease, so that nobody else sends them.

A claim writes nothing that a provider could see. Its lease runs on the database's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    SmallInteger,
    String,
    and_,
    bindparam,
    select,
    true,
    update,
)

from pushpull.db import database_now
from pushpull.learners.lists import in_ids
from pushpull.ledger.tables import delivery
from pushpull.ledger.vocabulary import DeliveryState, Reason

_DUE = (DeliveryState.PLANNED.value, DeliveryState.HELD.value)


class Claimed(NamedTuple):
    """One claimed delivery."""

    learner_id: int
    variant: str | None
    language: str
    item_id: int | None
    attempt: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """Deliveries of one wave, rotation and channel that one worker claimed.

    Args:
        token: unique for every claim; the rows carry it until they are settled or put back.
        lease_until: by the database's clock.
        diverted_to: in a rehearsal, the id of the learner to whose addresses all of it goes.
    """

    wave_id: int
    rotation: int
    channel: str
    token: str
    lease_until: datetime
    rows: tuple[Claimed, ...]
    diverted_to: int | None = None

    @property
    def first(self) -> int:
        """The smallest learner id."""
        return self.rows[0].learner_id

    @property
    def last(self) -> int:
        """The largest learner id."""
        return self.rows[-1].learner_id

    def mine(self) -> ColumnElement[bool]:
        """The rows this batch still holds: a reaped, cancelled or re-claimed row is none of ours any more."""
        return and_(
            delivery.c.wave_id == self.wave_id,
            delivery.c.rotation == self.rotation,
            delivery.c.learner_id.between(self.first, self.last),
            delivery.c.claimed_by == self.token,
            delivery.c.state == DeliveryState.CLAIMED.value,
        )

    @property
    def is_dense(self) -> bool:
        """Whether most learners between its first and its last are its own: then a range costs less than a list."""
        return self.last - self.first < 2 * len(self.rows)

    def parameters(self) -> dict[str, object]:
        """What :func:`claimed_rows` and :func:`near` are asked with."""
        return {
            "batch_wave": self.wave_id,
            "batch_rotation": self.rotation,
            "batch_first": self.first,
            "batch_last": self.last,
            "batch_token": self.token,
            "batch_ids": [] if self.is_dense else [row.learner_id for row in self.rows],
        }


def near(column: ColumnElement[int], *, is_dense: bool) -> ColumnElement[bool]:
    """Whether a learner is in a batch, or at least between those who are.

    The planner knows how many rows a range or a list stands for. Of rows joined to a claimed batch it expects one, and
    then reads the whole batch once for every learner in it.

    Args:
        is_dense: see :attr:`Batch.is_dense`.
    """
    if is_dense:
        return column.between(bindparam("batch_first", type_=BigInteger), bindparam("batch_last", type_=BigInteger))
    return in_ids(column, "batch_ids")


#: Both kinds of :func:`near`, by whether the batch is dense: always the same two, so that what is made with one of them
#: can be kept.
NEAR: Final = {is_dense: partial(near, is_dense=is_dense) for is_dense in (True, False)}


def claimed_rows() -> CTE:
    """``batch(wave_id, rotation, learner_id, item_id, expires_at)``: the rows a batch still holds, to be joined."""
    return (
        select(
            delivery.c.wave_id, delivery.c.rotation, delivery.c.learner_id, delivery.c.item_id, delivery.c.expires_at
        )
        .where(
            delivery.c.wave_id == bindparam("batch_wave", type_=BigInteger),
            delivery.c.rotation == bindparam("batch_rotation", type_=SmallInteger),
            delivery.c.learner_id >= bindparam("batch_first", type_=BigInteger),
            delivery.c.learner_id <= bindparam("batch_last", type_=BigInteger),
            delivery.c.claimed_by == bindparam("batch_token", type_=String),
            delivery.c.state == DeliveryState.CLAIMED.value,
        )
        .cte("batch")
    )


def claim(
    connection: Connection,
    *,
    wave_id: int,
    rotation: int,
    channel: str,
    after: int,
    upto: int,
    limit: int,
    token: str,
    now: datetime,
    lease: timedelta,
    only: Sequence[int] = (),
    at: datetime | None = None,
) -> Batch | None:
    """Claim the next due deliveries of a shard, in order of learner id.

    Args:
        after: only learners with a larger id; where the last claim ended.
        upto: only learners with at most this id; the end of the shard.
        limit: at most so many.
        token: a name for this claim, never used before.
        now: the campaign's clock, UTC: what is due by then.
        lease: how long the claim holds.
        only: just these learners; empty: everybody.
        at: just what is due at this very instant, for planned mail; None: all that is due by now.

    Returns:
        None when nothing is due.
    """
    # Locked first, updated by key and range: with no statistics on fresh rows yet, PostgreSQL would otherwise choose to
    # read the whole wave for every batch.
    due = connection.execute(
        select(
            delivery.c.learner_id,
            delivery.c.variant,
            delivery.c.language,
            delivery.c.item_id,
            delivery.c.attempt,
            delivery.c.expires_at,
        )
        .where(
            delivery.c.wave_id == wave_id,
            delivery.c.rotation == rotation,
            delivery.c.learner_id > after,
            delivery.c.learner_id <= upto,
            delivery.c.channel == channel,
            delivery.c.state.in_(_DUE),
            delivery.c.due_at <= now if at is None else delivery.c.due_at == at,
            in_ids(delivery.c.learner_id, only) if only else true(),
        )
        .order_by(delivery.c.learner_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if not due:
        return None
    rows = tuple(map(Claimed._make, due))
    lease_until = database_now(connection) + lease
    connection.execute(
        update(delivery)
        .where(
            delivery.c.wave_id == wave_id,
            delivery.c.rotation == rotation,
            delivery.c.learner_id.between(rows[0].learner_id, rows[-1].learner_id),
            in_ids(delivery.c.learner_id, [row.learner_id for row in rows]),
        )
        .values(
            state=DeliveryState.CLAIMED.value,
            claimed_by=token,
            lease_until=lease_until,
            epoch=delivery.c.epoch + 1,
        )
    )
    return Batch(wave_id, rotation, channel, token, lease_until, rows)


def put_back(connection: Connection, batch: Batch) -> int:
    """Return what a batch still holds to ``planned``: nothing of it left this process.

    Returns:
        How many rows went back.
    """
    returned = connection.execute(
        update(delivery)
        .where(batch.mine())
        .values(state=DeliveryState.PLANNED.value, claimed_by=None, lease_until=None)
    )
    return returned.rowcount


def skip(connection: Connection, batch: Batch, learner_ids: Sequence[int], reason: Reason, *, at: datetime) -> int:
    """Give up rows of a batch; nothing of them left.

    Returns:
        How many rows were skipped.
    """
    skipped = connection.execute(
        update(delivery)
        .where(batch.mine(), delivery.c.learner_id.in_(learner_ids))
        .values(
            state=DeliveryState.SKIPPED.value,
            reason=reason.value,
            claimed_by=None,
            lease_until=None,
            settled_at=at,
        )
    )
    return skipped.rowcount
