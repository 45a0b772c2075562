"""Openings of our links, kept one by one: what a GET leaves behind, and all it leaves behind.

An opening is judged when it is kept (:mod:`pushpull.ledger.readers`), and again with those around it. Only when it has
settled is a person's opening told to the ledger as a click, once for each delivery, by :func:`record_clicks`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, exists, func, insert, literal, select, update

from pushpull.db import insert_into
from pushpull.learners.lists import in_ids
from pushpull.learners.tables import fold_cursor
from pushpull.ledger.erased import is_erased
from pushpull.ledger.events import record_facts
from pushpull.ledger.readers import TRAP_REACH, Judgement, Opening, Seen, judged, second_thoughts
from pushpull.ledger.reports import DeliveryFact
from pushpull.ledger.tables import delivery, delivery_event, fetch, handover
from pushpull.ledger.vocabulary import EventKind, FetchKind, Reader

#: How long an opening can still turn out to have been a scanner's.
SETTLES_AFTER: Final = TRAP_REACH + timedelta(minutes=1)
#: Who tells the ledger of a click, as ``delivery_event.source``.
SOURCE: Final = "page"

#: What somebody opens because of a message: the link in it, and then the button on their page.
_OF_A_MESSAGE: Final = (FetchKind.LANDING, FetchKind.START)
_CURSOR: Final = "clicks"
_AT_ONCE: Final = 2_000
_COLUMNS: Final = (fetch.c.id, fetch.c.at, fetch.c.kind, fetch.c.reader, fetch.c.token_id, fetch.c.learner_id)


@dataclass(frozen=True, slots=True)
class Followed:
    """Which link was opened.

    Args:
        token_id: its own id; None for a link on a learner's page.
        learner_id: whose it is; None for one that names nobody.
        campaign_id, wave_id, rotation, item_id: of the message and what it is about, as far as the link says.
    """

    kind: FetchKind
    token_id: str | None = None
    learner_id: int | None = None
    campaign_id: int | None = None
    wave_id: int | None = None
    rotation: int | None = None
    item_id: int | None = None


def record(
    connection: Connection, followed: Followed, opening: Opening, *, network: str, at: datetime, keeps_person: bool
) -> Judgement:
    """Keep an opening, and think again about those of the same learner around it.

    Args:
        opening: what the request said; how long ago the message left is looked up here.
        network: what stands for the block of addresses it came from (``LinkSigner.network_id``).
        at: UTC.
        keeps_person: False under an agreement with the works council: whose link it was is not kept then. Of somebody
            who was erased it is never kept.

    Returns:
        What it was kept as.
    """
    judgement = _judged(connection, followed, opening, at=at)
    is_gone = followed.learner_id is not None and is_erased(connection, followed.learner_id)
    keeps_person = keeps_person and not is_gone  # a page that was still open, a link in a mailbox
    whose = followed.learner_id if keeps_person else None
    connection.execute(
        insert(fetch).values(
            at=at,
            kind=followed.kind.value,
            reader=judgement.reader.value,
            why=judgement.why,
            token_id=followed.token_id if keeps_person else None,
            learner_id=whose,
            campaign_id=followed.campaign_id,
            wave_id=followed.wave_id,
            rotation=followed.rotation,
            item_id=followed.item_id,
            network="" if is_gone else network,
        )
    )
    if whose is not None:
        _think_again(connection, and_(fetch.c.learner_id == whose, fetch.c.at >= at - TRAP_REACH))
    return judgement


def _judged(connection: Connection, followed: Followed, opening: Opening, *, at: datetime) -> Judgement:
    if followed.kind is FetchKind.TRAP:
        return Judgement(Reader.SCANNER, "trap")
    judgement = judged(opening)
    if judgement.reader is not Reader.HUMAN or followed.kind not in _OF_A_MESSAGE:
        return judgement
    left_at = _left_at(connection, followed)
    if left_at is None:
        return judgement
    return judged(replace(opening, seconds_after=(at - left_at).total_seconds()))


def _left_at(connection: Connection, followed: Followed) -> datetime | None:
    """When the message left that carried the link."""
    if not followed.wave_id:
        return None
    row = connection.execute(
        select(handover.c.intended_at, handover.c.send_at)
        .join(delivery, delivery.c.handover_id == handover.c.id)
        .where(
            delivery.c.wave_id == followed.wave_id,
            delivery.c.rotation == (followed.rotation or 0),
            delivery.c.learner_id == followed.learner_id,
        )
    ).one_or_none()
    return None if row is None else max(row.intended_at, row.send_at or row.intended_at)


def _think_again(connection: Connection, which: ColumnElement[bool]) -> None:
    rows = connection.execute(select(*_COLUMNS).where(which))
    seen = [Seen(row.id, row.at, FetchKind(row.kind), Reader(row.reader), row.token_id, row.learner_id) for row in rows]
    changed = second_thoughts(seen)
    for why in sorted(set(changed.values())):
        ids = sorted(each for each, rule in changed.items() if rule == why)
        connection.execute(update(fetch).where(in_ids(fetch.c.id, ids)).values(reader=Reader.SCANNER.value, why=why))


def record_clicks(connection: Connection, *, now: datetime) -> int:
    """Tell the ledger who followed a link: the first opening by a person for each delivery, when it has settled.

    Openings that came in at once on several web servers did not see each other; they are thought about again first.

    Args:
        now: the real time, UTC.

    Returns:
        How many clicks were new.
    """
    after = connection.execute(select(fold_cursor.c.activity_id).where(fold_cursor.c.name == _CURSOR)).scalar() or 0
    told = 0
    while True:
        upto = _settled_upto(connection, after, now=now)
        if upto is None:
            return told
        told += _tell(connection, after, upto)
        after = upto
        values = {"activity_id": after, "as_of": now}
        connection.execute(
            insert_into(connection, fold_cursor)
            .values(name=_CURSOR, **values)
            .on_conflict_do_update(index_elements=["name"], set_=values)
        )


def _settled_upto(connection: Connection, after: int, *, now: datetime) -> int | None:
    """The last opening of the next few that all have settled; None where there is none."""
    open_still = connection.execute(
        select(func.min(fetch.c.id)).where(fetch.c.id > after, fetch.c.at > now - SETTLES_AFTER)
    ).scalar()
    next_few = select(fetch.c.id).where(fetch.c.id > after).order_by(fetch.c.id).limit(_AT_ONCE)
    if open_still is not None:
        next_few = next_few.where(fetch.c.id < open_still)
    return connection.execute(select(func.max(next_few.subquery().c.id))).scalar()


def _tell(connection: Connection, after: int, upto: int) -> int:
    new = and_(fetch.c.id > after, fetch.c.id <= upto)
    span = connection.execute(select(func.min(fetch.c.at), func.max(fetch.c.at)).where(new)).one()
    _think_again(
        connection,
        and_(
            fetch.c.at.between(span[0] - TRAP_REACH, span[1] + TRAP_REACH),
            fetch.c.learner_id.in_(select(fetch.c.learner_id).where(new, fetch.c.reader != Reader.SCANNER.value)),
        ),
    )
    known = and_(
        delivery_event.c.wave_id == fetch.c.wave_id,
        delivery_event.c.learner_id == fetch.c.learner_id,
        delivery_event.c.rotation == fetch.c.rotation,
        delivery_event.c.source == SOURCE,
    )
    clicks = connection.execute(
        select(fetch.c.wave_id, fetch.c.rotation, fetch.c.learner_id, func.min(fetch.c.at, type_=fetch.c.at.type))
        .where(
            new,
            fetch.c.reader == Reader.HUMAN.value,
            fetch.c.kind.in_([kind.value for kind in _OF_A_MESSAGE]),
            fetch.c.learner_id.is_not(None),
            fetch.c.wave_id.is_not(None),
            fetch.c.rotation.is_not(None),
            ~exists(select(literal(1)).where(known).correlate(fetch)),
        )
        .group_by(fetch.c.wave_id, fetch.c.rotation, fetch.c.learner_id)
    ).all()
    facts = [
        DeliveryFact(SOURCE, f"{wave_id}-{rotation}-{learner_id}", wave_id, rotation, learner_id, EventKind.CLICKED, at)
        for wave_id, rotation, learner_id, at in clicks
    ]
    return record_facts(connection, facts) if facts else 0
