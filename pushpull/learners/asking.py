"""Who is asked for an opinion, and when: sampled, one thing at a time, at most one in seven days, never twice.

Nobody has to remember that something was asked, so that showing a page changes nothing. For each learner, time falls
into spells of seven days; in each spell they are asked about one thing at most of what they completed in the spell
before:

- a completion lies in one spell, so a thing can be asked about in one spell only, whether they answer or not;
- of what they completed, a fixed sample is asked about, the same whoever looks and whenever;
- an answer, "not now" included, is kept, and ends the asking for the seven days after it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, and_, exists, select

from pushpull.catalogue.tables import item
from pushpull.learners.tables import learner, progress, review, review_ask

SPELL: Final = timedelta(days=7)
#: The share of completions that is asked about.
SAMPLE: Final = 0.5

_EPOCH: Final = datetime(2020, 1, 6, tzinfo=UTC)
_SCALE: Final = 2**64


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that is open.

    Args:
        item_id, title: what it is about.
        until: when it goes away by itself.
    """

    item_id: int
    title: str
    until: datetime


def asks(connection: Connection, learner_id: int, now: datetime) -> tuple[Ask, ...]:
    """What the learner is asked about now: one thing, or nothing. Asking for it changes nothing.

    Args:
        now: aware.
    """
    draw = connection.execute(select(learner.c.draw).where(learner.c.id == learner_id)).scalar_one_or_none()
    if draw is None:
        return ()
    begins = spell_of(now, draw)
    answered = exists().where(review_ask.c.learner_id == learner_id, review_ask.c.asked_at > now - SPELL)
    if connection.execute(select(answered)).scalar_one():
        return ()
    mine = and_(review.c.learner_id == learner_id, review.c.item_id == item.c.id)
    asked = and_(review_ask.c.learner_id == learner_id, review_ask.c.item_id == item.c.id)
    completed = connection.execute(
        select(item.c.id, item.c.title)
        .join(progress, progress.c.item_id == item.c.id)
        .where(
            progress.c.learner_id == learner_id,
            progress.c.completed_at >= begins - SPELL,
            progress.c.completed_at < begins,
            item.c.active,
            ~exists().where(mine),
            ~exists().where(asked),
        )
    ).all()
    sampled = [(chance, row) for row in completed if (chance := chance_of(draw, row.id)) < SAMPLE]
    if not sampled:
        return ()
    _, first = min(sampled, key=lambda pair: pair[0])
    return (Ask(first.id, first.title, begins + SPELL),)


def spell_of(now: datetime, draw: int) -> datetime:
    """The first instant of the spell that ``now`` is in; each learner's begin at another hour of the week."""
    shift = timedelta(seconds=draw % int(SPELL.total_seconds()))
    return now - (now - _EPOCH - shift) % SPELL


def chance_of(draw: int, item_id: int) -> float:
    """A learner's lot for an item, uniform in [0, 1): the first 8 bytes of SHA-256 over both."""
    lot = hashlib.sha256(f"review {draw} {item_id}".encode()).digest()[:8]
    return int.from_bytes(lot, "big") / _SCALE
