"""Simulated learners at work: what reached them and what day it is in, activity and facts out.

Every decision is drawn from the seed, the person and the occasion (this message, this day), and every occasion has an
instant of its own. So a window may be played twice, or cut differently, and the same things happen once.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from statistics import NormalDist

from sqlalchemy import Connection

from pushpull.db import insert_new
from pushpull.insights.simulate.choosing import choose
from pushpull.insights.simulate.sessions import Content, Memory, Record, session, single_sitting
from pushpull.insights.simulate.surroundings import (
    SOURCE,
    Person,
    ReceivedMessage,
    as_text,
    campaign_contents,
    memories,
    messages,
    people,
    picked,
)
from pushpull.insights.simulate.temperament import (
    ASSUMED,
    FATIGUE,
    FATIGUE_DAYS,
    LATEST_REACTION,
    WEEKEND,
    Behaviour,
    Temperament,
)
from pushpull.learners.tables import activity
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.events import DeliveryFact, record_facts
from pushpull.ledger.timing import local_instant
from pushpull.ledger.vocabulary import EventKind

_DAY = timedelta(days=1)
_STANDARD = NormalDist()


@dataclass
class _Doings:
    """What happened in a window: counts, and the rows to write."""

    counts: Counter[str] = field(default_factory=Counter)
    sessions: list[tuple[Person, datetime, list[Record]]] = field(default_factory=list)
    facts: list[DeliveryFact] = field(default_factory=list)


class SimulatedLearners:
    """The people of a rehearsal.

    Args:
        seed: the same seed and the same messages give the same behaviour, in every database.
        behaviour: how they behave; what is assumed, unless something is known.
    """

    def __init__(self, seed: int, behaviour: Behaviour = ASSUMED) -> None:
        self._seed, self._behaviour = seed, behaviour

    def act(self, connection: Connection, *, since: datetime, until: datetime) -> Counter[str]:
        """Let everybody do what they do in ``(since, until]``; doing it again changes nothing.

        Args:
            since, until: the window on the campaign's clock (UTC). Messages must be settled before their window is
                played.

        Returns:
            What happened, by kind: ``clicked``, ``opted_out``, ``bounced``, ``sessions``, ``unasked`` (sessions that
            no message caused), ``failed``, ``completed`` (items).
        """
        everybody = people(connection, seed=self._seed, behaviour=self._behaviour)
        items, contents = campaign_contents(connection, seed=self._seed, behaviour=self._behaviour)
        remembered = defaultdict(Memory, memories(connection, since=since))
        received = messages(connection, since=since - LATEST_REACTION - FATIGUE_DAYS, until=until)
        picks = picked(connection, {each.wave_id for each in received if each.at > since - LATEST_REACTION})
        doings = _Doings()
        occasions = [*self._reactions(everybody, received, since, until), *self._days(everybody, since, until)]
        for at, _, person, message in sorted(occasions, key=lambda each: each[:2]):
            memory = remembered[person.id]
            if memory.last_at is not None and at <= memory.last_at:
                continue  # still at it
            if message is not None:
                self._react(doings, person, memory, message, at, items[message.campaign_id], contents, picks)
            else:
                self._come_unasked(doings, person, memory, at, items, contents)
        self._write(connection, doings)
        return doings.counts

    def choose(self, connection: Connection, *, at: datetime) -> Counter[str]:
        """Let everybody decide what they decide on their pages; see :func:`.choosing.choose`."""
        return choose(connection, seed=self._seed, at=at)

    def _reactions(
        self, everybody: Mapping[int, Person], received: list[ReceivedMessage], since: datetime, until: datetime
    ) -> Iterator[tuple[datetime, str, Person, ReceivedMessage | None]]:
        """The moments at which messages are looked at."""
        for message in received:
            person = everybody.get(message.learner_id)
            if person is None or message.at <= since - LATEST_REACTION:
                continue
            deviation = _STANDARD.inv_cdf(self._share("delay", person, message.key))
            hours = person.temperament.hesitates * math.exp(0.8 * deviation)
            at = message.at + min(timedelta(hours=hours), LATEST_REACTION)
            if since < at <= until:
                yield at, f"{person.external_id}|{message.key}", person, message

    def _days(
        self, everybody: Mapping[int, Person], since: datetime, until: datetime
    ) -> Iterator[tuple[datetime, str, Person, ReceivedMessage | None]]:
        """One moment per person and local day at which they might come by themselves."""
        first, last = since.date() - _DAY, until.date() + _DAY
        for offset in range((last - first).days + 1):
            day = first + offset * _DAY
            text = day.isoformat()
            for person in everybody.values():
                minute = 8 * 60 + int(self._share("moment", person, text) * 10 * 60)
                at = local_instant(person.zone, day, time(minute // 60, minute % 60))
                if since < at <= until:
                    yield at, f"{person.external_id}|", person, None

    def _react(
        self,
        doings: _Doings,
        person: Person,
        memory: Memory,
        message: ReceivedMessage,
        at: datetime,
        items: list[int],
        contents: Mapping[int, Content],
        picks: Mapping[tuple[int, int, int], list[int]],
    ) -> None:
        kind, rng = person.temperament, self._rng("reaction", person, message.key)
        clicks, opts_out, sits_down, prefers_pick = (rng.random() for _ in range(4))
        if message.channel == Channel.EMAIL and self._is_dead_mailbox(person):
            self._tell(doings, message, person, EventKind.BOUNCED, message.at + timedelta(minutes=2))
            return
        if opts_out < kind.opts_out * (1 + message.earlier / 2):
            self._tell(doings, message, person, EventKind.OPTED_OUT, at)
            return
        if clicks >= min(0.95, kind.clicks * self._behaviour.channel_pull[message.channel] * FATIGUE**message.earlier):
            return
        self._tell(doings, message, person, EventKind.CLICKED, at)
        if sits_down >= kind.sits_down:
            return
        at += timedelta(seconds=30)
        recommended = picks.get((message.wave_id, message.rotation, person.id), [])
        wanted = rng.choice(recommended) if recommended and prefers_pick < 0.5 else message.item_id
        if wanted is not None and wanted not in contents and wanted not in memory.completed:
            self._sit(doings, person, memory, at, single_sitting(Content(wanted), rng, at=at))
            return
        item_id = memory.next_item(items, wanted=wanted)
        if item_id is not None:
            self._sit(doings, person, memory, at, self._session(contents[item_id], memory, kind, rng, at))

    def _come_unasked(
        self,
        doings: _Doings,
        person: Person,
        memory: Memory,
        at: datetime,
        items: Mapping[int, list[int]],
        contents: Mapping[int, Content],
    ) -> None:
        kind = person.temperament
        if memory.last_at is None:
            likely = kind.discovers
        else:
            silent = (at - memory.last_at) / _DAY
            likely = kind.returns * math.exp(-silent / kind.forgets)
        if at.weekday() >= 5:
            likely *= WEEKEND
        if self._share("unasked", person, as_text(at)) >= likely:
            return
        rng = self._rng("day", person, as_text(at))
        for listed in items.values():
            item_id = memory.next_item(listed)
            if item_id is not None:
                doings.counts["unasked"] += 1
                self._sit(doings, person, memory, at, self._session(contents[item_id], memory, kind, rng, at))
                return

    def _is_dead_mailbox(self, person: Person) -> bool:
        return self._share("mailbox", person, "") < self._behaviour.dead_mailbox

    def _session(
        self, content: Content, memory: Memory, kind: Temperament, rng: random.Random, at: datetime
    ) -> list[Record]:
        return session(content, memory, kind, rng, at=at, behaviour=self._behaviour)

    @staticmethod
    def _sit(doings: _Doings, person: Person, memory: Memory, at: datetime, records: list[Record]) -> None:
        memory.keep(records)
        doings.sessions.append((person, at, records))
        doings.counts["sessions"] += 1
        doings.counts["failed"] += sum(record.verb == "failed" for record in records)
        doings.counts["completed"] += sum(record.verb == "completed" for record in records)

    @staticmethod
    def _tell(doings: _Doings, message: ReceivedMessage, person: Person, kind: EventKind, at: datetime) -> None:
        digest = hashlib.sha256(f"{message.key}|{person.external_id}".encode()).hexdigest()[:32]
        doings.counts[kind.value] += 1
        doings.facts.append(
            DeliveryFact(
                source=SOURCE,
                source_id=f"{kind.value}:{digest}",
                wave_id=message.wave_id,
                rotation=message.rotation,
                learner_id=person.id,
                kind=kind,
                occurred_at=at,
            )
        )

    def _write(self, connection: Connection, doings: _Doings) -> None:
        rows = [
            {
                "learner_id": person.id,
                "source": SOURCE,
                "source_id": f"{person.external_id}|{as_text(began)}|{place:02d}",
                "verb": record.verb,
                "item_id": record.item_id,
                "section_key": record.section,
                "occurred_at": record.at,
                "stored_at": record.at,
                "minutes": record.minutes,
                "score": record.score,
                "success": record.success,
            }
            for person, began, records in doings.sessions
            for place, record in enumerate(records)
        ]
        insert_new(connection, activity, rows)
        record_facts(connection, doings.facts)

    def _share(self, purpose: str, person: Person, occasion: str) -> float:
        """One draw, strictly between 0 and 1: what a generator would give first, at a fifth of the price."""
        text = f"{self._seed}|{purpose}|{person.external_id}|{occasion}"
        return (int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big") + 0.5) / 2**48

    def _rng(self, purpose: str, person: Person, occasion: str) -> random.Random:
        return random.Random(f"{self._seed}|{purpose}|{person.external_id}|{occasion}")
