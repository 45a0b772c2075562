"""The order of a learner's queue, with exactly one "next": the first (mission H4).

What the learner put somewhere stays in that order, whatever the ranking says later; the ranking orders the rest. What a
message led to comes first while the learner has not moved anything since they came.

Which items are in the queue is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, select

from pushpull.db import insert_into
from pushpull.learners.tables import queue_place

#: Minutes up to which an item is small enough to begin with.
SMALL: Final = 10.0

_LAST: Final = datetime.max.replace(tzinfo=UTC)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)


class Move(StrEnum):
    """What a learner can do with one item of their queue."""

    EARLIER = "earlier"
    LATER = "later"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the ranking knows of an item.

    Args:
        is_started: the learner has begun it.
        due_at: for this learner; None has no date.
        last_active_at: when the learner was last at it.
        is_linked: the message that they came by is about it.
        score: of the pick, higher is better; None was not picked.
        minutes: None is unknown, not zero.
        position: in its campaign; None is in none.
    """

    item_id: int
    is_started: bool = False
    due_at: datetime | None = None
    last_active_at: datetime | None = None
    is_linked: bool = False
    score: float | None = None
    minutes: float | None = None
    position: int | None = None


def ranked(candidates: Iterable[Candidate], *, is_new: bool = False) -> tuple[int, ...]:
    """Item ids in the order in which they are offered where the learner has said nothing.

    Begun before not begun, then by due date, then what the message is about, then picks by score, then in the order of
    the campaign. Who is new begins with something small, where nothing has a date (mission L7).

    Args:
        is_new: the learner has not begun anything yet.
    """

    def place(each: Candidate) -> tuple[object, ...]:
        is_small = each.minutes is not None and each.minutes <= SMALL
        return (
            not each.is_started,
            each.due_at or _LAST,
            not each.is_linked,
            is_new and not is_small,
            _LAST - (each.last_active_at or _FIRST) if each.is_started else _LAST - _FIRST,
            each.score is None,
            -(each.score or 0.0),
            each.position is None,
            each.position or 0,
            each.item_id,
        )

    return tuple(each.item_id for each in sorted(candidates, key=place))


def arranged(ranking: Sequence[int], places: Mapping[int, int], *, leading: int | None = None) -> tuple[int, ...]:
    """The queue: what the learner placed, in their order, then the rest as ranked.

    Args:
        ranking: every item of the queue.
        places: the learner's own positions; items that are not in the queue now are passed over.
        leading: what goes before everything else, if it is in the queue.
    """
    own = sorted((each for each in ranking if each in places), key=lambda each: (places[each], each))
    queue = (*own, *(each for each in ranking if each not in places))
    if leading not in queue:
        return queue
    return (leading, *(each for each in queue if each != leading))


def moved(queue: Sequence[int], item_id: int, move: Move) -> tuple[int, ...]:
    """The queue after a move; the same where there is nothing to move."""
    if item_id not in queue:
        return tuple(queue)
    old = queue.index(item_id)
    new = {Move.EARLIER: max(0, old - 1), Move.LATER: min(len(queue) - 1, old + 1), Move.NEXT: 0}[move]
    others = [each for each in queue if each != item_id]
    return (*others[:new], item_id, *others[new:])


def kept(before: Sequence[int], shown: Sequence[int], item_id: int, move: Move) -> tuple[int, ...]:
    """What is kept of a move: the learner's own order, no longer than their moves have made it.

    It reaches down to the item that is moved and to what was next until then; what follows is left to the ranking.
    Only the item that is moved changes sides with others, also with those that are not in the queue now.

    Args:
        before: everything the learner has placed, in their order.
        shown: the queue as it is before the move.
        item_id: what is moved; it is in the queue.
    """
    queue = moved(shown, item_id, move)
    own = list(before)
    if shown[0] != next((each for each in own if each in shown), None):  # it leads, whatever the learner placed
        own = [shown[0], *(each for each in own if each != shown[0])]
    own = [each for each in own if each != item_id]
    new = queue.index(item_id)
    own += [each for each in queue[:new] if each not in own]
    own.insert(own.index(queue[new - 1]) + 1 if new else 0, item_id)
    return tuple(own)


def keep_move(
    connection: Connection, learner_id: int, queue: Sequence[int], item_id: int, move: Move, *, at: datetime
) -> tuple[int, ...]:
    """Move an item and keep where it is now.

    Args:
        queue: as the learner sees it.
        at: aware UTC.

    Returns:
        The queue after the move; the same, and nothing kept, where the item is not in it.
    """
    if item_id not in queue:
        return tuple(queue)
    before = connection.execute(
        select(queue_place.c.item_id)
        .where(queue_place.c.learner_id == learner_id)
        .order_by(queue_place.c.position, queue_place.c.item_id)
    ).scalars()
    own = kept(list(before), queue, item_id, move)
    positions = {each: position for position, each in enumerate(own)}
    rows = [
        # Always in the same order of keys: two moves at once wait for each other instead of for ever.
        {"learner_id": learner_id, "item_id": each, "position": positions[each], "set_at": at}
        for each in sorted(positions)
    ]
    statement = insert_into(connection, queue_place).values(rows)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[queue_place.c.learner_id, queue_place.c.item_id],
            set_={"position": statement.excluded.position, "set_at": statement.excluded.set_at},
        )
    )
    return moved(queue, item_id, move)
