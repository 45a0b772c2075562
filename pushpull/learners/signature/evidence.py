"""Reads what many learners did and what reached them, a batch at a time.

Every batch is a handful of statements however many learners it holds, and memory is bounded by the batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Connection,
    Float,
    FromClause,
    Integer,
    Select,
    String,
    and_,
    column,
    func,
    literal,
    select,
    table,
    union_all,
)

from pushpull.catalogue.tables import item, item_tag
from pushpull.db import UtcDateTime, table_of
from pushpull.learners.lists import in_ids
from pushpull.learners.signature.events import WINDOW, Doing, Sent, weight
from pushpull.learners.signature.response import Expected
from pushpull.learners.tables import activity, learner
from pushpull.learners.verbs import NOT_ACTIVE_VERBS

# Messages belong to the ledger, a floor above: only these columns of them are known here.
_delivery = table(
    "delivery",
    column("wave_id", BigInteger),
    column("rotation", Integer),
    column("learner_id", BigInteger),
    column("state", String),
    column("channel", String),
)
_delivery_event = table(
    "delivery_event",
    column("wave_id", BigInteger),
    column("rotation", Integer),
    column("learner_id", BigInteger),
    column("kind", String),
    column("occurred_at", UtcDateTime),
)
_wave = table("wave", column("id", BigInteger), column("planned_as_of", UtcDateTime))
_rotation = table("rotation", column("wave_id", BigInteger), column("rotation", Integer), column("as_of", UtcDateTime))
#: The provider took it and nothing says that it did not arrive.
_REACHED: Final = ("accepted", "delivered")
#: Learners that are read at once.
BATCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class Item:
    """What visits to an item say about taste."""

    format: str | None
    tags: tuple[str, ...]


@dataclass(slots=True)
class Traces:
    """What one learner left behind.

    Args:
        zone: IANA name; None is unknown.
    """

    learner_id: int
    zone: str | None
    doings: list[Doing] = field(default_factory=list)
    sent: tuple[Sent, ...] = ()


@dataclass(frozen=True, slots=True)
class Common:
    """What is the same for every learner, read once.

    Args:
        items: by id.
        runs: waves and their re-runs of the time that counts, each with what a message of it counts for.
        expected: of somebody of whom nothing is known.
    """

    items: Mapping[int, Item]
    runs: Sequence[tuple[int, int, float]]
    expected: Expected


_NO_ITEM: Final = Item(None, ())


def common(connection: Connection, *, as_of: datetime) -> Common:
    """Read what is the same for every learner."""
    tags: dict[int, list[str]] = defaultdict(list)
    for item_id, tag in connection.execute(select(item_tag.c.item_id, item_tag.c.tag).order_by(item_tag.c.tag)):
        tags[item_id].append(tag)
    items = {
        row.id: Item(row.format, tuple(tags[row.id])) for row in connection.execute(select(item.c.id, item.c.format))
    }
    runs = _runs(connection, as_of)
    expected = Expected()
    if runs:
        whole = _reached(runs, as_of).subquery("reached")
        sent, answered = connection.execute(select(func.sum(whole.c.sent), func.sum(whole.c.answered))).one()
        expected = Expected.of_all(sent or 0.0, answered or 0.0)
    return Common(items, runs, expected)


def traces(connection: Connection, learner_ids: Sequence[int], known: Common, *, as_of: datetime) -> Iterator[Traces]:
    """What some learners did and what reached them, in the order of their ids; who is inactive or gone is left out.

    Args:
        learner_ids: ascending; at most :data:`BATCH`.
    """
    if not learner_ids:
        return
    among = and_(learner.c.id.between(learner_ids[0], learner_ids[-1]), in_ids(learner.c.id, learner_ids))
    rows = connection.execute(
        select(learner.c.id, learner.c.timezone).where(among, learner.c.active).order_by(learner.c.id)
    )
    found = {row.id: Traces(row.id, row.timezone) for row in rows}
    since = as_of - WINDOW
    acted = select(activity.c.learner_id, activity.c.occurred_at, activity.c.minutes, activity.c.item_id).where(
        activity.c.learner_id.between(learner_ids[0], learner_ids[-1]),
        activity.c.occurred_at.between(since, as_of),
        activity.c.voided_at.is_(None),
        activity.c.verb.not_in(NOT_ACTIVE_VERBS),
    )
    for learner_id, at, minutes, item_id in connection.execute(acted):
        whose = found.get(learner_id)
        if whose is not None:
            about = known.items.get(item_id, _NO_ITEM)
            whose.doings.append(Doing(at, minutes, about.format, about.tags))
    if known.runs:
        _add_messages(connection, found, learner_ids, known, since=since, as_of=as_of)
    yield from found.values()


def _add_messages(
    connection: Connection,
    found: Mapping[int, Traces],
    learner_ids: Sequence[int],
    known: Common,
    *,
    since: datetime,
    as_of: datetime,
) -> None:
    first, last = learner_ids[0], learner_ids[-1]
    run = _table_of_runs(known.runs)
    clicked = (
        select(_delivery_event.c.learner_id, _delivery_event.c.occurred_at)
        .select_from(run.join(_delivery_event, _delivery_event.c.wave_id == run.c.wave_id))
        .where(
            _delivery_event.c.rotation == run.c.rotation,
            _delivery_event.c.learner_id.between(first, last),
            _delivery_event.c.kind == "clicked",
            _delivery_event.c.occurred_at.between(since, as_of),
        )
    )
    for learner_id, at in connection.execute(clicked):
        if learner_id in found:
            found[learner_id].doings.append(Doing(at))
    sent: dict[int, list[Sent]] = defaultdict(list)
    for row in connection.execute(_reached(known.runs, as_of, first, last)):
        sent[row.learner_id].append(Sent(row.channel, row.sent, row.answered))
    for learner_id, each in sent.items():
        if learner_id in found:
            found[learner_id].sent = tuple(each)


def _runs(connection: Connection, as_of: datetime) -> list[tuple[int, int, float]]:
    since = as_of - WINDOW
    firsts = connection.execute(
        select(_wave.c.id, _wave.c.planned_as_of).where(_wave.c.planned_as_of.between(since, as_of))
    )
    again = connection.execute(
        select(_rotation.c.wave_id, _rotation.c.rotation, _rotation.c.as_of).where(
            _rotation.c.as_of.between(since, as_of)
        )
    )
    runs = [(wave_id, 0, weight(at, as_of=as_of)) for wave_id, at in firsts]
    runs += [(wave_id, number, weight(at, as_of=as_of)) for wave_id, number, at in again if number]
    return sorted(runs)


def _table_of_runs(runs: Sequence[tuple[int, int, float]]) -> FromClause:
    columns = [column("wave_id", BigInteger), column("rotation", Integer), column("weight", Float)]
    return table_of("run", columns, runs)


def _reached(
    runs: Sequence[tuple[int, int, float]], as_of: datetime, first: int | None = None, last: int | None = None
) -> Select[Any]:
    """``learner_id, channel, sent, answered``: what reached learners, and what of it a person followed, decayed.

    Messages and followed links are summed apart: beside every message of a company SQLite would look through all links.
    """
    run = _table_of_runs(runs)
    clicks = _clicks(run, as_of, first, last).subquery("clicks")
    mine = and_(
        clicks.c.wave_id == _delivery.c.wave_id,
        clicks.c.rotation == _delivery.c.rotation,
        clicks.c.learner_id == _delivery.c.learner_id,
    )
    of_run = and_(_delivery.c.wave_id == run.c.wave_id, _delivery.c.rotation == run.c.rotation)
    whose = (_delivery.c.learner_id, _delivery.c.channel)
    is_told = [_delivery.c.state.in_(_REACHED), _delivery.c.channel.is_not(None)]
    if first is not None and last is not None:
        is_told.append(_delivery.c.learner_id.between(first, last))
    nothing = literal(0.0, Float)
    both = union_all(
        select(*whose, run.c.weight.label("sent"), nothing.label("answered"))
        .select_from(run.join(_delivery, of_run))
        .where(*is_told),
        select(*whose, nothing, clicks.c.weight).select_from(clicks.join(_delivery, mine)).where(*is_told),
    ).subquery("both")
    return select(
        both.c.learner_id,
        both.c.channel,
        func.sum(both.c.sent).label("sent"),
        func.sum(both.c.answered).label("answered"),
    ).group_by(both.c.learner_id, both.c.channel)


def _clicks(run: FromClause, as_of: datetime, first: int | None, last: int | None) -> Select[Any]:
    """Each message whose link a person followed, once, and what it counts for."""
    event = _delivery_event.c
    statement = (
        select(event.wave_id, event.rotation, event.learner_id, run.c.weight)
        .select_from(run.join(_delivery_event, _delivery_event.c.wave_id == run.c.wave_id))
        .where(
            _delivery_event.c.rotation == run.c.rotation,
            _delivery_event.c.kind == "clicked",
            _delivery_event.c.occurred_at <= as_of,
        )
        .distinct()
    )
    if first is not None and last is not None:
        statement = statement.where(_delivery_event.c.learner_id.between(first, last))
    return statement
