"""What happens when a simulated learner sits down: a session on one item, as the records a player would send."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pushpull.insights.simulate.temperament import ASSUMED, Behaviour, Temperament

#: After a hard section, reading on is so much less likely than after others.
HARD = 0.45
#: Nobody reads on for certain.
MOST_READ_ON = 0.99


@dataclass(frozen=True)
class Content:
    """An item as its player knows it.

    Args:
        sections: keys in order; an item without any is read in one go.
        reads_on: what the probability of reading on after a section is multiplied by, where that is not 1.
    """

    item_id: int
    sections: tuple[str, ...] = ()
    reads_on: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a session."""

    item_id: int
    verb: str
    at: datetime
    section: str | None = None
    minutes: float | None = None
    score: float | None = None
    success: bool | None = None


@dataclass
class Memory:
    """What a learner has done so far.

    Args:
        last_at: the end of the latest session; None without one.
        read: sections read, by item; an item is there once it was opened.
        completed: items.
    """

    last_at: datetime | None = None
    read: dict[int, set[str]] = field(default_factory=dict)
    completed: set[int] = field(default_factory=set)

    def keep(self, records: Iterable[Record]) -> None:
        """Remember the records of a session."""
        for record in records:
            self.last_at = record.at if self.last_at is None else max(self.last_at, record.at)
            read = self.read.setdefault(record.item_id, set())
            if record.verb == "progressed" and record.section is not None:
                read.add(record.section)
            elif record.verb == "completed":
                self.completed.add(record.item_id)

    def next_item(self, items: Sequence[int], *, wanted: int | None = None) -> int | None:
        """What the learner turns to: the wanted item, else one that was begun, else the next; None when all is done."""
        still_open = [each for each in items if each not in self.completed]
        if wanted is not None and wanted in still_open:
            return wanted
        begun = [each for each in still_open if each in self.read]
        return next(iter(begun or still_open), None)


def hard_sections(sections: Sequence[str], *, seed: int) -> frozenset[str]:
    """About a quarter of the sections, but never the first: where people stop."""
    return frozenset(key for key in sections[1:] if random.Random(f"hard:{seed}:{key}").random() < 0.3)


def session(
    content: Content,
    memory: Memory,
    temperament: Temperament,
    rng: random.Random,
    *,
    at: datetime,
    behaviour: Behaviour = ASSUMED,
) -> list[Record]:
    """One session, from opening the item to suspending, failing or completing it.

    Args:
        memory: what the learner did before; it is not changed.
        at: when the learner opens the item.
    """
    item = content.item_id
    records = [Record(item, "launched", at)]
    if item not in memory.read:
        records.append(Record(item, "initialized", at + timedelta(seconds=4)))
    if not memory.read and rng.random() < behaviour.first_try_fails:
        failed_at = at + timedelta(minutes=rng.uniform(1, 3))
        return [*records, Record(item, "failed", failed_at, success=False)]
    if rng.random() > 0.5 + temperament.stamina / 2:  # a look, and no more
        return records
    left = [key for key in content.sections if key not in memory.read.get(item, set())]
    now = at
    for place, key in enumerate(left):
        minutes = round(rng.uniform(1.5, 4.0) * behaviour.minutes, 1)
        now += timedelta(minutes=minutes)
        records.append(Record(item, "progressed", now, section=key, minutes=minutes))
        reads_on = min(temperament.stamina * content.reads_on.get(key, 1.0), MOST_READ_ON)
        if place + 1 < len(left) and rng.random() > reads_on:
            return [*records, Record(item, "suspended", now + timedelta(seconds=20), section=left[place + 1])]
    done_at = now + timedelta(minutes=1)
    score = round(rng.uniform(0.7, 1.0), 2)
    return [*records, Record(item, "completed", done_at, score=score, success=True)]


def single_sitting(content: Content, rng: random.Random, *, at: datetime) -> list[Record]:
    """A short item outside the campaign, opened and finished at once."""
    minutes = round(rng.uniform(2, 9), 1)
    done = Record(content.item_id, "completed", at + timedelta(minutes=minutes), minutes=minutes, success=True)
    return [Record(content.item_id, "launched", at), done]


def remembered(rows: Iterable[tuple[int, Record]]) -> Mapping[int, Memory]:
    """Memories by learner id, from records in any order."""
    memories: dict[int, Memory] = {}
    for learner_id, record in rows:
        memories.setdefault(learner_id, Memory()).keep([record])
    return memories
