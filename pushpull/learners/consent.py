"""What a learner allows, and what nobody may override: consent, opt-outs, suppressions, and the learner's draw.

Consent is a word of the learner about a scope: a channel and a family of messages, each of which may be "*" for all.
Per scope the latest word stands. Over scopes the more careful reading stands:

- An opt-out holds until the learner takes it back: by a later word about the same scope, or by a later yes about a
  narrower one ("stop everything", then "but e-mails about safety are fine").
- A yes never overrides an opt-out about a narrower scope, and never outlives a later opt-out about a broader one.

From narrow to broad: (channel, family), (channel, *), (*, family), (*, *). A suppression (bounce, complaint, STOP)
is about the address, not about wishes: it wins over every yes until it is lifted. Words may arrive late, twice or in
any order; the outcome is the same.

Every change first locks the learner's row, as does the re-check before a message leaves: an opt-out that was
committed before the re-check is seen by it, and one that comes during it waits for its end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Subquery,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    true,
    type_coerce,
    union_all,
    update,
)

from pushpull.db import UtcDateTime, insert_into
from pushpull.learners.tables import consent, learner, suppression
from pushpull.learners.vocabulary import ANY_CHANNEL, ANY_FAMILY, Channel, SuppressionReason

#: One more than the largest draw.
DRAW_RANGE = 2**31 - 1

_NO, _YES, _SUPPRESSED = 0, 1, 2


class UnknownLearner(LookupError):
    """There is no learner with this id.

    Args:
        learner_id: the id that was given.
    """

    def __init__(self, learner_id: int) -> None:
        self.learner_id = learner_id
        super().__init__(f"no learner has the id {learner_id}: nothing was recorded")


def draw_for(external_id: str) -> int:
    """The learner's draw, uniform in [0, 2**31 - 1): the same for the same person in every database and campaign.

    Source: the first 8 bytes of SHA-256 over the external id, modulo the range (bias below 2**-33).
    """
    return int.from_bytes(hashlib.sha256(external_id.encode()).digest()[:8], "big") % DRAW_RANGE


def tombstone_of(learner_id: int) -> str:
    """The external id of a learner who was erased; imports give it to nobody."""
    return f"erased-{learner_id}"


def lock_learner(conn: Connection, learner_id: int) -> None:
    """Wait for, then keep, the learner's row until the transaction ends. On SQLite the transaction itself does that.

    Raises:
        UnknownLearner: there is no such row, or nothing but the tombstone of somebody who was erased.
    """
    row = conn.execute(select(learner.c.external_id).where(learner.c.id == learner_id).with_for_update()).first()
    if row is None or row.external_id == tombstone_of(learner_id):
        raise UnknownLearner(learner_id)


def lock_learners(conn: Connection, learner_ids: Collection[int]) -> set[int]:
    """The same for many, ascending as handovers do, so that neither waits for the other in a circle.

    Returns:
        Those there still are: somebody may have been erased since their message left.
    """
    wanted = sorted(learner_ids)
    present: set[int] = set()
    for start in range(0, len(wanted), 5_000):
        chunk = select(learner.c.id, learner.c.external_id).where(learner.c.id.in_(wanted[start : start + 5_000]))
        rows = conn.execute(chunk.order_by(learner.c.id).with_for_update())
        present.update(row.id for row in rows if row.external_id != tombstone_of(row.id))
    return present


def opt_out(conn: Connection, learner_id: int, *, channel: str, family: str, source: str, at: datetime) -> None:
    """The learner wants no more messages of this family on this channel; "*" means all.

    Args:
        source: where the word was said, e.g. ``one_click`` or ``preferences``.
        at: when it was said; an older word than the stored one changes nothing.

    Raises:
        UnknownLearner: there is no such learner.
    """
    _record_word(conn, learner_id, channel=channel, family=family, granted=False, source=source, at=at)


def opt_in(conn: Connection, learner_id: int, *, channel: str, family: str, source: str, at: datetime) -> None:
    """The learner wants messages of this family on this channel; arguments and errors as for :func:`opt_out`."""
    _record_word(conn, learner_id, channel=channel, family=family, granted=True, source=source, at=at)


def _record_word(
    conn: Connection, learner_id: int, *, channel: str, family: str, granted: bool, source: str, at: datetime
) -> None:
    lock_learner(conn, learner_id)
    statement = insert_into(conn, consent).values(
        learner_id=learner_id, channel=channel, family=family, granted=granted, source=source, recorded_at=at
    )
    new = statement.excluded
    newer = new.recorded_at > consent.c.recorded_at
    no_at_the_same_instant = and_(new.recorded_at == consent.c.recorded_at, new.granted.is_(False))
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=list(consent.primary_key),
            set_={"granted": new.granted, "source": new.source, "recorded_at": new.recorded_at},
            where=or_(newer, no_at_the_same_instant),
        )
    )


def suppress(
    conn: Connection,
    learner_id: int,
    *,
    channel: str,
    family: str = ANY_FAMILY,
    reason: SuppressionReason,
    source: str,
    at: datetime,
) -> None:
    """Send nothing more on this channel (of this family), whatever the learner consented to, until it is lifted.

    Args:
        at: when the fact happened; one that is older than the last lifting of the same suppression changes nothing.

    Raises:
        UnknownLearner: there is no such learner.
    """
    lock_learner(conn, learner_id)
    statement = insert_into(conn, suppression).values(
        learner_id=learner_id,
        channel=channel,
        family=family,
        reason=reason,
        source=source,
        recorded_at=at,
        lifted_at=None,
    )
    new = statement.excluded
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=list(suppression.primary_key),
            set_={
                "source": new.source,
                "recorded_at": new.recorded_at,
                "lifted_at": case((suppression.c.lifted_at < new.recorded_at, None), else_=suppression.c.lifted_at),
            },
            where=new.recorded_at > suppression.c.recorded_at,
        )
    )


def lift(
    conn: Connection,
    learner_id: int,
    *,
    channel: str,
    family: str = ANY_FAMILY,
    reason: SuppressionReason | None = None,
    at: datetime,
) -> int:
    """Lift a suppression, for one reason or for all of them; what was suppressed after ``at`` stays.

    Returns:
        How many suppressions were in force and are no longer.

    Raises:
        UnknownLearner: there is no such learner.
    """
    lock_learner(conn, learner_id)
    conditions: list[ColumnElement[bool]] = [
        suppression.c.learner_id == learner_id,
        suppression.c.channel == channel,
        suppression.c.family == family,
        suppression.c.recorded_at <= at,
        suppression.c.lifted_at.is_(None),
    ]
    if reason is not None:
        conditions.append(suppression.c.reason == reason)
    return conn.execute(update(suppression).where(*conditions).values(lifted_at=at)).rowcount


def blocked_channels(
    family: str,
    channels: Sequence[Channel],
    *,
    among: Callable[[ColumnElement[int]], ColumnElement[bool]] | None = None,
) -> Subquery:
    """What stands about messages of ``family``: one row per learner of whom anything is known, to be outer-joined.

    A learner without a row has said nothing and is not suppressed.

    Args:
        among: says of a column of learner ids which to look at; None for everybody.

    Returns:
        A subquery with ``learner_id`` and, per channel, the booleans ``opted_out_<channel>``, ``granted_<channel>``
        (an explicit yes that stands) and ``suppressed_<channel>``.
    """
    return _blocked(family, tuple(channels), among)


@lru_cache(maxsize=64)  # building the expression takes longer than running it on a small company
def _blocked(
    family: str, channels: tuple[Channel, ...], among: Callable[[ColumnElement[int]], ColumnElement[bool]] | None
) -> Subquery:
    words = _words(family, channels, among)
    word_at: dict[tuple[str, str, int], ColumnElement[Any]] = {}
    marks: list[ColumnElement[Any]] = []
    for channel in (*channels, ANY_CHANNEL):
        for of_family, suffix in ((family, "one"), (ANY_FAMILY, "all")):
            for said in (_NO, _YES, _SUPPRESSED):
                here = and_(words.c.channel == channel, words.c.family == of_family, words.c.said == said)
                name = f"at_{'any' if channel == ANY_CHANNEL else channel}_{suffix}_{said}"
                mark = func.max(case((here, words.c.recorded_at)), type_=UtcDateTime).label(name)
                marks.append(mark)
                word_at[channel, suffix, said] = mark
    latest = select(words.c.learner_id, *marks).group_by(words.c.learner_id).subquery("latest_words")

    columns: list[ColumnElement[Any]] = [latest.c.learner_id]
    for channel in channels:
        scopes = [(channel, "one"), (channel, "all"), (ANY_CHANNEL, "one"), (ANY_CHANNEL, "all")]
        no, yes, stop = (
            [latest.c[word_at[of_channel, suffix, said].name] for of_channel, suffix in scopes]
            for said in (_NO, _YES, _SUPPRESSED)
        )
        standing = [
            and_(no[place].is_not(None), *(_not_after(narrower, no[place]) for narrower in yes[:place]))
            for place in range(len(scopes))
        ]
        opted_out = or_(false(), *standing)
        granted = or_(false(), *(word.is_not(None) for word in yes))
        suppressed = or_(false(), *(word.is_not(None) for word in stop))
        columns += [
            _truth(opted_out).label(f"opted_out_{channel.value}"),
            case((opted_out, false()), (granted, true()), else_=false()).label(f"granted_{channel.value}"),
            _truth(suppressed).label(f"suppressed_{channel.value}"),
        ]
    return select(*columns).subquery("blocked_channels")


def _words(
    family: str, channels: Sequence[Channel], among: Callable[[ColumnElement[int]], ColumnElement[bool]] | None
) -> Subquery:
    """Every word and every suppression in force about the family and the channels, in one shape."""
    of_channels, of_families = [*channels, ANY_CHANNEL], [family, ANY_FAMILY]
    said_by = true() if among is None else among(consent.c.learner_id)
    stopped_for = true() if among is None else among(suppression.c.learner_id)
    return union_all(
        select(
            consent.c.learner_id,
            consent.c.channel,
            consent.c.family,
            case((consent.c.granted, literal(_YES)), else_=literal(_NO)).label("said"),
            consent.c.recorded_at,
        ).where(said_by, consent.c.channel.in_(of_channels), consent.c.family.in_(of_families)),
        select(
            suppression.c.learner_id,
            suppression.c.channel,
            suppression.c.family,
            literal(_SUPPRESSED),
            suppression.c.recorded_at,
        ).where(
            stopped_for,
            suppression.c.lifted_at.is_(None),
            suppression.c.channel.in_(of_channels),
            suppression.c.family.in_(of_families),
        ),
    ).subquery("words")


def _not_after(yes: ColumnElement[Any], no: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(yes.is_(None), yes <= no)


def _truth(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return type_coerce(case((condition, true()), else_=false()), Boolean)
