"""Public thanks for effort (mission H10): who earned them, and the wall that shows them.

Only of those who want to be named, when it is earned and whenever it is shown; nothing compares people, and nobody is
thanked more than once in seven days, nor twice for the same in one campaign. What is thanked for is
:mod:`pushpull.learners.efforts`.

Who takes a thank-you down, with its line in the audit log, lives in :mod:`pushpull.ledger.moderating`; posting them in
a channel is the flows' work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from pushpull.db import UtcDateTime, insert_into, rows_written
from pushpull.learners.efforts import efforts_in
from pushpull.learners.tables import learner, learner_choice, recognition
from pushpull.learners.vocabulary import PostState, RecognitionKind

#: Nobody is thanked again sooner.
PAUSE: Final = timedelta(days=7)
#: How long a thank-you stays on the wall.
ON_THE_WALL: Final = timedelta(days=60)
MOST_ON_THE_WALL: Final = 20


@dataclass(frozen=True, slots=True)
class Thanks:
    """A thank-you in public.

    Args:
        kind: for what.
        given_name, family_name: of who earned it; the family name may be empty.
        earned_at: when.
    """

    recognition_id: int
    kind: RecognitionKind
    given_name: str
    family_name: str
    earned_at: datetime

    @property
    def name(self) -> str:
        """The given name, and the first letter of the family name."""
        return f"{self.given_name} {self.family_name[:1]}." if self.family_name else self.given_name


def earn(connection: Connection, campaign_id: int, now: datetime, *, zone: str = "UTC") -> int:
    """Find who earned public thanks in a campaign, and write them down.

    Args:
        now: aware.
        zone: the organisation's, for learners whose zone is unknown.

    Returns:
        How many thanks are new.
    """
    # Two campaigns at once would each thank the same person, and somebody may be saying no just now: both wait here.
    wanting = select(learner_choice.c.learner_id).where(learner_choice.c.wants_recognition)
    if not connection.execute(wanting.order_by(learner_choice.c.learner_id).with_for_update()).all():
        return 0
    zones = connection.execute(select(func.coalesce(learner.c.timezone, "")).distinct().where(_agreed())).scalars()
    efforts = efforts_in(campaign_id, set(zones), now=now, default=zone)
    earlier = exists().where(
        recognition.c.learner_id == efforts.c.learner_id,
        or_(
            and_(recognition.c.campaign_id == campaign_id, recognition.c.kind == efforts.c.kind),
            recognition.c.earned_at > now - PAUSE,
        ),
    )
    new = (
        select(
            efforts.c.learner_id,
            efforts.c.kind,
            efforts.c.amount,
            func.row_number().over(partition_by=efforts.c.learner_id, order_by=efforts.c.place).label("nth"),
        )
        .join(learner, learner.c.id == efforts.c.learner_id)
        .where(_agreed(), ~earlier)
        .subquery("new")
    )
    rows = select(
        new.c.learner_id,
        literal(campaign_id),
        new.c.kind,
        new.c.amount,
        literal(now, UtcDateTime()),
        literal(PostState.WANTED.value, String),
    ).where(new.c.nth == 1)
    names = ["learner_id", "campaign_id", "kind", "amount", "earned_at", "post_state"]
    written = connection.execute(insert_into(connection, recognition).from_select(names, rows).on_conflict_do_nothing())
    return rows_written(connection, written)


def wall(connection: Connection, now: datetime, *, limit: int = MOST_ON_THE_WALL) -> tuple[Thanks, ...]:
    """The latest thanks, the newest first: of those who want to be named now, without what ops took down."""
    return _thanks(connection, now, limit=limit)


def to_post(connection: Connection, campaign_id: int, now: datetime, *, limit: int = 100) -> tuple[Thanks, ...]:
    """The thanks of a campaign that are to be posted in a channel: what the wall shows and nobody has posted."""
    wanted = recognition.c.post_state == PostState.WANTED.value
    return _thanks(connection, now, recognition.c.campaign_id == campaign_id, wanted, limit=limit)


def hide(connection: Connection, recognition_id: int, *, who: str) -> bool:
    """Take a thank-you off the wall; what was not posted yet is not.

    Use :func:`pushpull.ledger.moderating.take_down`, which writes the audit log too.

    Returns:
        Whether it was there.
    """
    hidden = update(recognition).where(recognition.c.id == recognition_id, recognition.c.hidden_by.is_(None))
    return connection.execute(hidden.values(hidden_by=who)).rowcount > 0


def _thanks(connection: Connection, now: datetime, *which: ColumnElement[bool], limit: int) -> tuple[Thanks, ...]:
    rows = connection.execute(
        select(
            recognition.c.id,
            recognition.c.kind,
            learner.c.given_name,
            learner.c.family_name,
            recognition.c.earned_at,
        )
        .join(learner, learner.c.id == recognition.c.learner_id)
        .where(
            recognition.c.hidden_by.is_(None),
            recognition.c.earned_at > now - ON_THE_WALL,
            recognition.c.earned_at <= now,
            _agreed(),
            *which,
        )
        .order_by(recognition.c.earned_at.desc(), recognition.c.id.desc())
        .limit(limit)
    )
    return tuple(
        Thanks(row.id, RecognitionKind(row.kind), row.given_name, row.family_name or "", row.earned_at) for row in rows
    )


def _agreed() -> ColumnElement[bool]:
    """Whether a row of ``learner`` may be named: they want it, are still here, and have a name."""
    wants = exists().where(learner_choice.c.learner_id == learner.c.id, learner_choice.c.wants_recognition)
    return and_(wants, learner.c.active, func.coalesce(learner.c.given_name, "") != "")
