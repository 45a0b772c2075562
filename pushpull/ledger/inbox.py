"""What providers told us: kept raw first, folded into the ledger later, and matched again where nobody knows it yet.

Storing and folding are two transactions, so that nothing a provider says is lost because something about it cannot be
understood today. What may forbid the next message (opt-outs, complaints, stops) is folded in the very transaction that
stores it: whoever is told "received" may rely on it. What news do is here; what they mean is in `channels.callbacks`.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, select, update
from sqlalchemy.exc import InterfaceError, OperationalError

from pushpull.db import insert_into, writing
from pushpull.ledger.events import lock_for
from pushpull.ledger.hearing import Located, hear, locate
from pushpull.ledger.news import News, ProviderEvent, is_urgent
from pushpull.ledger.tables import callback
from pushpull.ledger.vocabulary import CallbackState

_LOG = logging.getLogger(__name__)

#: Reads an event: provider, body, time of receipt. May raise whatever it likes about what it cannot read.
Normalise = Callable[[str, str, datetime], Sequence[News]]

#: How long an event about something unknown is kept to be matched.
ORPHANS_LIVE = timedelta(days=7)

#: How long it rests between two tries.
ORPHANS_REST = timedelta(minutes=5)

#: How long bodies are kept: they hold addresses and what people wrote.
BODIES_LIVE = timedelta(days=30)

#: What became of an event, and a note for a person who looks at it.
Became = tuple[CallbackState, str | None]

_AT_ONCE = 1_000
_PRUNED = ""
_LONGEST_POISON = 100_000

#: Not the event's fault: the database is away, or another transaction came first. It is folded another time.
_NOT_ITS_FAULT = (OperationalError, InterfaceError)


@dataclass(frozen=True, slots=True)
class Folded:
    """What became of events, by how many."""

    folded: int = 0
    ignored: int = 0
    orphans: int = 0
    poison: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        """How many were looked at."""
        return self.folded + self.ignored + self.orphans + self.poison

    def __add__(self, other: Folded) -> Folded:
        """Both together."""
        return Folded(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


def store(
    connection: Connection, provider: str, events: Sequence[ProviderEvent], *, received_at: datetime
) -> list[Row[tuple[int, str, str, datetime]]]:
    """Keep events as they came.

    Returns:
        ``(id, provider, body, received_at)`` of those that are new, in the order of their ids.
    """
    # By key, so that two transactions with the same events wait for each other in one direction only.
    rows = sorted({each.key: each for each in events}.values(), key=lambda each: each.key)
    added: list[Row[tuple[int, str, str, datetime]]] = []
    for start in range(0, len(rows), _AT_ONCE):
        values = [
            {
                "provider": provider,
                "event_key": each.key,
                "received_at": received_at,
                "body": each.body,
                "state": CallbackState.NEW.value,
            }
            for each in rows[start : start + _AT_ONCE]
        ]
        statement = insert_into(connection, callback).values(values).on_conflict_do_nothing()
        columns = (callback.c.id, callback.c.provider, callback.c.body, callback.c.received_at)
        added += connection.execute(statement.returning(*columns)).all()
    return sorted(added, key=lambda row: row.id)


def store_poison(connection: Connection, provider: str, body: bytes, *, received_at: datetime) -> bool:
    """Keep a body that is its provider's, and that nobody can read.

    Returns:
        Whether it is new.
    """
    text = body[:_LONGEST_POISON].decode(errors="backslashreplace").replace("\0", "\\x00")
    event = ProviderEvent("sha256:" + hashlib.sha256(body).hexdigest(), text)
    added = store(connection, provider, [event], received_at=received_at)
    _mark(connection, [row.id for row in added], CallbackState.POISON, note="unreadable", at=received_at)
    return bool(added)


def receive(
    engine: Engine, provider: str, events: Sequence[ProviderEvent], normalise: Normalise, *, received_at: datetime
) -> int:
    """Keep events, and fold those of them that may forbid the next message.

    Returns:
        How many were new.
    """
    with writing(engine) as connection:
        added = store(connection, provider, events, received_at=received_at)
        urgent = [row for row in added if any(map(is_urgent, _read(row, normalise) or ()))]
        _fold(connection, urgent, normalise, now=received_at)
    return len(added)


def fold(engine: Engine, normalise: Normalise, *, now: datetime, limit: int = 500) -> Folded:
    """Fold what waits, the new first, then what nobody knew the last time. Any number of workers may.

    Args:
        now: UTC, on the clock events are received by.
        limit: events per transaction.
    """
    for tries_left in (2, 1, 0):
        try:
            return _fold_some(engine, normalise, now=now, limit=limit)
        except OperationalError:  # two transactions waited for each other, and this one gave way
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def _fold_some(engine: Engine, normalise: Normalise, *, now: datetime, limit: int) -> Folded:
    with writing(engine) as connection:
        gone = and_(callback.c.state == CallbackState.ORPHAN.value, callback.c.received_at < now - ORPHANS_LIVE)
        expired = connection.execute(
            update(callback).where(gone).values(state=CallbackState.EXPIRED.value, folded_at=now)
        ).rowcount
        rows = _take(connection, callback.c.state == CallbackState.NEW.value, limit)
        rested = and_(callback.c.state == CallbackState.ORPHAN.value, callback.c.folded_at <= now - ORPHANS_REST)
        rows += _take(connection, rested, limit - len(rows))
        counts = _fold(connection, rows, normalise, now=now)
    return Folded(
        folded=counts[CallbackState.FOLDED],
        ignored=counts[CallbackState.IGNORED],
        orphans=counts[CallbackState.ORPHAN],
        poison=counts[CallbackState.POISON],
        expired=expired,
    )


def prune(connection: Connection, before: datetime) -> int:
    """Forget the bodies of what was received before an instant and is done with.

    The keys stay, so that a repeated event stays one that is known.

    Returns:
        How many bodies were forgotten.
    """
    done = callback.c.state.not_in([CallbackState.NEW.value, CallbackState.ORPHAN.value])
    old = and_(done, callback.c.received_at < before, callback.c.body != _PRUNED)
    return connection.execute(update(callback).where(old).values(body=_PRUNED)).rowcount


def _take(
    connection: Connection, condition: ColumnElement[bool], limit: int
) -> list[Row[tuple[int, str, str, datetime]]]:
    if limit <= 0:
        return []
    columns = (callback.c.id, callback.c.provider, callback.c.body, callback.c.received_at)
    waiting = select(*columns).where(condition).order_by(callback.c.id).limit(limit)
    return list(connection.execute(waiting.with_for_update(skip_locked=True)))


def _read(row: Row[tuple[int, str, str, datetime]], normalise: Normalise) -> Sequence[News] | None:
    """The news in an event; None where it cannot be read."""
    try:
        return normalise(row.provider, row.body, row.received_at)
    except Exception:  # noqa: BLE001  # whatever a reader stumbles over, the event is kept and the rest go on
        return None


def _fold(
    connection: Connection, rows: Sequence[Row[tuple[int, str, str, datetime]]], normalise: Normalise, *, now: datetime
) -> Counter[CallbackState]:
    """Fold events all at once, or one by one, so that one nobody can fold does not sink the others."""
    read = [(row.id, _read(row, normalise)) for row in rows]
    heard = [(row_id, news) for row_id, news in read if news is not None]
    located = _located(connection, heard)
    if located is None:
        found = [(each, _located(connection, [each])) for each in heard]
        heard = [each for each, alone in found if alone is not None]
        located = Located.of([alone for _, alone in found if alone is not None])
    lock_for(connection, located.facts, learner_ids=located.learner_ids)
    became: dict[int, Became] = dict.fromkeys((row_id for row_id, _ in read), (CallbackState.POISON, "unreadable"))
    together = _heard(connection, heard, located, now=now)
    if together is not None:
        became |= together
    else:
        for each in heard:
            alone = _heard(connection, [each], located, now=now)
            became |= alone if alone is not None else {each[0]: (CallbackState.POISON, "cannot be folded")}
    by_end: dict[Became, list[int]] = {}
    for row_id, end in became.items():
        by_end.setdefault(end, []).append(row_id)
    for (state, note), ids in by_end.items():
        _mark(connection, ids, state, note=note, at=now)
    return Counter(state for state, _ in became.values())


def _located(connection: Connection, events: Sequence[tuple[int, Sequence[News]]]) -> Located | None:
    """Whom events are about; None where the database cannot be asked about one of them."""
    try:
        with connection.begin_nested():
            return locate(connection, [each for _, news in events for each in news])
    except _NOT_ITS_FAULT:
        raise
    except Exception:  # noqa: BLE001  # as above: kept, and the rest go on
        return None


def _heard(
    connection: Connection, events: Sequence[tuple[int, Sequence[News]]], located: Located, *, now: datetime
) -> dict[int, Became] | None:
    """What became of events, by id; None where they cannot be folded, and nothing was changed."""
    try:
        with connection.begin_nested():
            ends = hear(connection, [news for _, news in events], located, now=now)
    except _NOT_ITS_FAULT:
        raise
    except Exception as error:  # noqa: BLE001  # kept as poison
        if len(events) == 1:
            # No message: it may hold what somebody wrote.
            _LOG.warning("callback cannot be folded", extra={"callback": events[0][0], "error": type(error).__name__})
        return None
    return {row_id: end for (row_id, _), end in zip(events, ends, strict=True)}


def _mark(connection: Connection, ids: Sequence[int], state: CallbackState, *, note: str | None, at: datetime) -> None:
    for start in range(0, len(ids), _AT_ONCE):
        connection.execute(
            update(callback)
            .where(callback.c.id.in_(ids[start : start + _AT_ONCE]))
            .values(state=state.value, note=note, folded_at=at)
        )
