"""Shards: a wave's rows divided into ranges, so that several workers may drain it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from pushpull.ledger.tables import delivery


@dataclass(frozen=True)
class Shard:
    """A range of one wave's rows: learner ids above ``after``, up to and including ``upto``.

    Args:
        only: just these learner ids within the range; empty: everybody.
    """

    wave_id: int
    rotation: int = 0
    after: int = 0
    upto: int = 2**63 - 1
    only: tuple[int, ...] = ()


def shards(connection: Connection, *, wave_id: int, rotation: int, count: int) -> list[Shard]:
    """Split a rotation into ``count`` ranges of learner ids of about the same width."""
    low, high = connection.execute(
        select(func.min(delivery.c.learner_id), func.max(delivery.c.learner_id)).where(
            delivery.c.wave_id == wave_id, delivery.c.rotation == rotation
        )
    ).one()
    if low is None:
        return []
    width = max(1, -(-(high - low + 1) // count))
    return [
        Shard(wave_id, rotation, after=start - 1, upto=min(start + width - 1, high))
        for start in range(low, high + 1, width)
    ]


def starting_with(parts: Sequence[Shard], number: int) -> tuple[Shard, ...]:
    """All ranges, this one first and the others after it: who is done with their own helps their neighbour.

    Args:
        number: of the own range, from 0; taken modulo their number.
    """
    first = number % len(parts) if parts else 0
    return (*parts[first:], *parts[:first])
