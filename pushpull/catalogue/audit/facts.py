"""What an audit looks at: the active items as values, with their sections, requirements and use. Read set-based."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from pushpull.catalogue.tables import item, item_requirement, item_tag, section
from pushpull.learners.tables import learner, profile_fact, progress
from pushpull.learners.vocabulary import FactKind

#: The fewest people a published number may speak of.
FEWEST = 5

_WISHES = (FactKind.GOAL.value, FactKind.ASPIRATION.value, FactKind.NEED.value)


@dataclass(frozen=True, kw_only=True)
class Item:
    """An item as the audit sees it; None is unknown.

    Args:
        sections: titles, in order.
        requires: keys of what must be completed before.
        has_parts: whether other items are parts of it.
        added_at, changed_at: when the catalogue first had it, and when what it says last changed (UTC).
        reach: learners who ever started it; for the audit's own eyes.
    """

    key: str
    title: str
    summary: str | None = None
    language: str | None = None
    minutes: float | None = None
    level: str | None = None
    format: str | None = None
    tags: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    part_of: str | None = None
    has_parts: bool = False
    added_at: datetime
    changed_at: datetime
    reach: int = 0

    @property
    def text(self) -> str:
        """Everything it says of itself."""
        return " ".join((self.title, self.summary or "", *self.tags))


@dataclass(frozen=True)
class Catalogue:
    """The catalogue at one instant.

    Args:
        items: active ones, by key.
        inactive: keys of those that are no longer offered.
        learners: active learners.
        wishes: what learners aim for or need, word for word, and how many of them say so.
        wishing: how many learners say anything of the kind.
    """

    as_of: datetime
    items: tuple[Item, ...]
    inactive: frozenset[str] = frozenset()
    learners: int = 0
    wishes: Mapping[str, int] | None = None
    wishing: int = 0

    @cached_property
    def keys(self) -> frozenset[str]:
        """Of the items that are offered."""
        return frozenset(each.key for each in self.items)

    @property
    def starts(self) -> int:
        """All starts of all items."""
        return sum(each.reach for each in self.items)


def read_catalogue(connection: Connection, *, as_of: datetime) -> Catalogue:
    """Read what an audit looks at.

    Args:
        as_of: the instant (aware) until which anything is known.
    """
    reach = _reach(connection, as_of)
    sections: defaultdict[int, list[str]] = defaultdict(list)
    for row in connection.execute(
        select(section.c.item_id, section.c.title, section.c.key).order_by(
            section.c.item_id, section.c.position, section.c.id
        )
    ):
        sections[row.item_id].append(row.title or row.key)
    requires = _lists(connection, item_requirement.c.item_id, item_requirement.c.requires_key)
    tags = _lists(connection, item_tag.c.item_id, item_tag.c.tag)
    rows = connection.execute(select(item).where(item.c.created_at <= as_of).order_by(item.c.key)).all()
    wholes = {row.part_of for row in rows if row.part_of}
    wishes, wishing = _wishes(connection, as_of)
    items = tuple(
        Item(
            key=row.key,
            title=row.title,
            summary=row.summary,
            language=row.language,
            minutes=row.minutes,
            level=row.level,
            format=row.format,
            tags=tuple(tags.get(row.id, ())),
            sections=tuple(sections.get(row.id, ())),
            requires=tuple(requires.get(row.id, ())),
            part_of=row.part_of,
            has_parts=row.key in wholes,
            added_at=row.created_at,
            changed_at=row.updated_at,
            reach=reach.get(row.id, 0),
        )
        for row in rows
        if _is_offered(row.active, row.available_until, as_of)
    )
    known = {each.key for each in items}
    people = connection.execute(select(func.count()).select_from(learner).where(learner.c.active)).scalar_one()
    inactive = frozenset(row.key for row in rows if row.key not in known)
    return Catalogue(as_of, items, inactive, int(people), wishes, wishing)


def _is_offered(active: bool, until: datetime | None, as_of: datetime) -> bool:
    return active and (until is None or until > as_of)


def _lists(connection: Connection, owner: ColumnElement[int], value: ColumnElement[str]) -> dict[int, list[str]]:
    listed: defaultdict[int, list[str]] = defaultdict(list)
    for each, said in connection.execute(select(owner, value).order_by(owner, value)):
        listed[each].append(said)
    return listed


def _reach(connection: Connection, as_of: datetime) -> dict[int, int]:
    begun = or_(
        and_(progress.c.started_at.is_not(None), progress.c.started_at <= as_of),
        and_(progress.c.completed_at.is_not(None), progress.c.completed_at <= as_of),
    )
    rows = connection.execute(select(progress.c.item_id, func.count()).where(begun).group_by(progress.c.item_id)).all()
    return {item_id: int(count) for item_id, count in rows}


def _wishes(connection: Connection, as_of: datetime) -> tuple[dict[str, int], int]:
    wished = and_(profile_fact.c.kind.in_(_WISHES), profile_fact.c.recorded_at <= as_of, learner.c.active)
    people = learner.join(profile_fact, profile_fact.c.learner_id == learner.c.id)
    by_words: defaultdict[str, set[int]] = defaultdict(set)
    everybody: set[int] = set()
    for who, words in connection.execute(
        select(profile_fact.c.learner_id, profile_fact.c.value).select_from(people).where(wished)
    ):
        by_words[" ".join(words.casefold().split())].add(who)
        everybody.add(who)
    return {words: len(who) for words, who in sorted(by_words.items()) if words}, len(everybody)


def shown(count: int) -> int | None:
    """A number of people as it may be shown: nobody, or enough of them."""
    return count if count == 0 or count >= FEWEST else None
