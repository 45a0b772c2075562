"""Erasing a person: a tombstone stays, with numbers under it that nobody can trace back, and keyed hashes.

Everything happens in one transaction. What left this system already (messages in mailboxes, entries in calendars,
posts in channels, what providers and identity providers keep) is not ours to erase.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, null, select, update

from pushpull.learners.consent import UnknownLearner, draw_for, lock_learners, tombstone_of
from pushpull.learners.tables import learner
from pushpull.ledger.campaigns import record
from pushpull.ledger.erased import is_erased, readmit, remember, remember_identities
from pushpull.ledger.tables import delivery, erasure
from pushpull.ledger.vocabulary import DeliveryState, Reason
from pushpull.personal.mentions import Person, forget_mentions, person_of
from pushpull.personal.places import PLACES, Fate, Place

#: Stays of a learner's row, beside the id; everything else is emptied.
_TOMBSTONE: Final = frozenset({"id", "external_id", "active", "draw", "created_at", "updated_at"})
#: Nothing has left yet.
_PENDING: Final = (DeliveryState.PLANNED.value, DeliveryState.HELD.value, DeliveryState.CLAIMED.value)
#: A provider may still be asked about it by its own id.
_IN_FLIGHT: Final = (DeliveryState.HANDING_OVER.value, DeliveryState.UNCERTAIN.value)


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of a person's rows.

    Args:
        is_new: False where they were erased before, and nothing was left to do.
        deleted: rows, by table.
        emptied: rows that stay without what names anybody, by table.
        skipped: messages that will not be sent.
        addresses: how many addresses nothing is sent to any more.
    """

    is_new: bool
    deleted: Mapping[str, int] = field(default_factory=dict)
    emptied: Mapping[str, int] = field(default_factory=dict)
    skipped: int = 0
    addresses: int = 0


def erase(
    connection: Connection, learner_id: int, *, by: str, who: str, why: str | None, pepper: bytes, at: datetime
) -> Erased:
    """Erase a person; a second time changes nothing.

    Args:
        by: ``learner`` or ``ops``.
        who: for the audit log; of a learner no name.
        pepper: the first of :func:`pushpull.ledger.erased.peppers_of`.
        at: now, UTC.

    Raises:
        UnknownLearner: there is no such learner.
    """
    if learner_id not in lock_learners(connection, _concerned(connection, learner_id)):
        if is_erased(connection, learner_id):
            return Erased(is_new=False)
        raise UnknownLearner(learner_id)
    person = person_of(connection, learner_id)
    assert person is not None, "the row is locked"
    instead = tombstone_of(learner_id)
    addresses = remember(connection, person.row, pepper, at=at)
    remember_identities(connection, person.names, pepper, at=at)
    remember(connection, {"external_id": instead}, pepper, at=at)  # a file that names the tombstone wakes nobody
    deleted, emptied = Counter[str](), Counter[str]()
    mentioned = forget_mentions(connection, person, instead, at=at)
    for table in ("xapi_statement", "conversation"):
        deleted[table] = mentioned.pop(table)
    emptied.update(mentioned)
    skipped = _skip_pending(connection, learner_id, at=at)
    for place in PLACES:
        if place.fate is Fate.FORGOTTEN:
            deleted[place.table.name] += connection.execute(
                delete(place.table).where(place.owner == learner_id)
            ).rowcount
        else:
            emptied[place.table.name] += _make_nameless(connection, place, person, at=at)
    connection.execute(insert(erasure).values(learner_id=learner_id, erased_at=at, who=by))
    record(connection, at=at, who=who, what="learner erased", subject=instead, why=why)
    return Erased(True, +deleted, +emptied, skipped, addresses)


def let_back_in(
    connection: Connection,
    person: Mapping[str, object],
    peppers: Collection[bytes],
    *,
    who: str,
    why: str,
    at: datetime,
) -> int:
    """Let imports take somebody in again who was erased; the audit log says that it was done, and not for whom.

    Args:
        person: any of the addresses they have now, by the columns of a learner.
        peppers: see :func:`pushpull.ledger.erased.peppers_of`.

    Returns:
        How many of the addresses were known as erased.
    """
    freed = readmit(connection, person, peppers)
    if freed:
        record(connection, at=at, who=who, what="learner readmitted", subject=f"{freed} addresses", why=why)
    return freed


def _concerned(connection: Connection, learner_id: int) -> set[int]:
    """Whose rows will change: theirs, and of whoever reports to them. Locked in one go, nobody waits in a circle."""
    own = select(learner.c.external_id).where(learner.c.id == learner_id).scalar_subquery()
    reports = connection.execute(select(learner.c.id).where(learner.c.manager_external_id == own))
    return {learner_id, *reports.scalars()}


def _skip_pending(connection: Connection, learner_id: int, *, at: datetime) -> int:
    pending = delivery.c.state.in_(_PENDING)
    return connection.execute(
        update(delivery)
        .where(delivery.c.learner_id == learner_id, pending)
        .values(
            state=DeliveryState.SKIPPED.value,
            reason=Reason.INACTIVE.value,
            lease_until=None,
            claimed_by=None,
            settled_at=at,
        )
    ).rowcount


def _make_nameless(connection: Connection, place: Place, person: Person, *, at: datetime) -> int:
    if place.table is learner:
        return connection.execute(
            update(learner).where(learner.c.id == person.id).values(**_tombstone(person, at))
        ).rowcount
    mine = place.owner == person.id
    if place.table is delivery:
        # A provider's id of a message leads to its recipient there.
        settled = delivery.c.state.not_in(_IN_FLIGHT)
        named = delivery.c.provider_id.is_not(None)
        return connection.execute(update(delivery).where(mine, settled, named).values(provider_id=null())).rowcount
    if place.blank:
        return connection.execute(update(place.table).where(mine).values(**place.blank)).rowcount
    return int(connection.scalar(select(func.count()).select_from(place.table).where(mine)) or 0)


def _tombstone(person: Person, at: datetime) -> dict[str, Any]:
    """The learner's row with nothing personal in it; the draw, too, was made from the external id."""
    external_id = tombstone_of(person.id)
    empty: dict[str, Any] = {column.name: None for column in learner.columns if column.name not in _TOMBSTONE}
    return empty | {
        "external_id": external_id,
        "active": False,
        "draw": draw_for(external_id),
        "created_at": at,
        "updated_at": at,
    }
