"""What a company's past says of its people, as the learning of a forecast's parameters reads it. Queries only.

Clicks are those of persons: the ledger's readers have told bots and scanners apart before they become events.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from pushpull.catalogue.tables import item, section
from pushpull.insights.simulate.surroundings import ReceivedMessage, messages
from pushpull.learners.tables import activity, learner, lifecycle
from pushpull.ledger.tables import delivery_event
from pushpull.ledger.vocabulary import EventKind

#: Records further apart than this are of two sessions: the usual gap of web analytics.
SESSION_GAP = timedelta(minutes=30)
#: So much of the past is looked at: people and how they are written to change.
PAST = timedelta(days=180)
#: A session that begins this long after a click was caused by it.
CAUSED = timedelta(minutes=60)
#: More people than this are not looked at: those with the smallest draws stand for all.
MOST_PEOPLE = 4_000

_TOLD = (EventKind.CLICKED, EventKind.OPTED_OUT, EventKind.BOUNCED)


@dataclass(frozen=True, slots=True)
class Sitting:
    """One session on items.

    Args:
        is_asked: it followed a click of the same person.
        read: sections read, as item id and key, with whether the reader went on after it and the minutes it took.
        fails: whether it went wrong.
    """

    began: datetime
    ended: datetime
    is_asked: bool
    read: tuple[tuple[int, str, bool, float | None], ...] = ()
    fails: bool = False


@dataclass
class PersonsPast:
    """What one person got and did.

    Args:
        clicks, opt_outs: when, by the key of the message.
        finished_at: they had completed a campaign; from then on nothing of it was left to come back for.
    """

    received: list[ReceivedMessage] = field(default_factory=list)
    clicks: dict[tuple[int, int], datetime] = field(default_factory=dict)
    opt_outs: set[tuple[int, int]] = field(default_factory=set)
    bounced: bool = False
    sittings: list[Sitting] = field(default_factory=list)
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Past:
    """Everybody's.

    Args:
        first: when the first message was sent, or the first session was; before, nothing was to be seen.
        last_sections: of each item, after which there is nothing to read on to.
        names: keys of items by id.
    """

    first: datetime | None
    until: datetime
    people: tuple[PersonsPast, ...]
    last_sections: Mapping[int, str]
    names: Mapping[int, str]


def read_past(connection: Connection, *, as_of: datetime) -> Past:
    """What happened in the half year before ``as_of`` (aware), of at most :data:`MOST_PEOPLE` people."""
    since = as_of - PAST
    chosen = connection.execute(
        select(learner.c.id).where(learner.c.active.is_(True)).order_by(learner.c.draw, learner.c.id).limit(MOST_PEOPLE)
    ).scalars()
    people: dict[int, PersonsPast] = {who: PersonsPast() for who in chosen}
    received = [each for each in messages(connection, since=since, until=as_of) if each.learner_id in people]
    for each in received:
        people[each.learner_id].received.append(each)
    told = select(delivery_event).where(
        delivery_event.c.occurred_at > since,
        delivery_event.c.occurred_at <= as_of,
        delivery_event.c.kind.in_([kind.value for kind in _TOLD]),
    )
    for row in connection.execute(told):
        person = people.get(row.learner_id)
        if person is None:
            continue
        about = row.wave_id, row.rotation
        if row.kind == EventKind.CLICKED:
            person.clicks[about] = min(row.occurred_at, person.clicks.get(about, row.occurred_at))
        elif row.kind == EventKind.OPTED_OUT:
            person.opt_outs.add(about)
        else:
            person.bounced = True
    last_sections = _last_sections(connection)
    _read_sittings(connection, people, since=since, until=as_of)
    for who, at in connection.execute(
        select(lifecycle.c.learner_id, lifecycle.c.completed_at).where(lifecycle.c.completed_at.is_not(None))
    ):
        if who in people:
            known = people[who].finished_at
            people[who].finished_at = at if known is None else min(at, known)
    begins = [each.at for each in received]
    names = {row.id: row.key for row in connection.execute(select(item.c.id, item.c.key))}
    return Past(min(begins, default=None), as_of, tuple(people.values()), last_sections, names)


def _last_sections(connection: Connection) -> dict[int, str]:
    rows = connection.execute(
        select(section.c.item_id, section.c.key).order_by(section.c.item_id, section.c.position, section.c.key)
    )
    return {row.item_id: row.key for row in rows}


def _read_sittings(
    connection: Connection, people: Mapping[int, PersonsPast], *, since: datetime, until: datetime
) -> None:
    rows = connection.execute(
        select(
            activity.c.learner_id,
            activity.c.occurred_at,
            activity.c.verb,
            activity.c.item_id,
            activity.c.section_key,
            activity.c.minutes,
        )
        .where(
            activity.c.occurred_at > since,
            activity.c.occurred_at <= until,
            activity.c.voided_at.is_(None),
            activity.c.item_id.is_not(None),
        )
        .order_by(activity.c.learner_id, activity.c.occurred_at, activity.c.source_id)
    )
    records: dict[int, list[tuple[datetime, str, int, str | None, float | None]]] = defaultdict(list)
    for who, at, verb, item_id, key, minutes in rows:
        if who in people:
            records[who].append((at, verb, item_id, key, minutes))
    for who, listed in records.items():
        clicked = sorted(people[who].clicks.values())
        start = 0
        for place in range(1, len(listed) + 1):
            if place == len(listed) or listed[place][0] - listed[place - 1][0] > SESSION_GAP:
                people[who].sittings.append(_sitting(listed[start:place], clicked))
                start = place


def _sitting(
    records: Sequence[tuple[datetime, str, int, str | None, float | None]], clicked: Sequence[datetime]
) -> Sitting:
    began, ended = records[0][0], records[-1][0]
    before = bisect_left(clicked, began)
    is_asked = before > 0 and began - clicked[before - 1] <= CAUSED
    read = []
    for place, (_, verb, item_id, key, minutes) in enumerate(records):
        if verb == "progressed" and key is not None:
            goes_on = any(then == "progressed" and other == item_id for _, then, other, *_ in records[place + 1 :])
            read.append((item_id, key, goes_on, minutes))
    return Sitting(began, ended, is_asked, tuple(read), any(verb == "failed" for _, verb, *_ in records))
