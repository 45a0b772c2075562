"""What is known about the learners of a batch at the moment their messages are written.

Three reads per batch: the people, where they stand with the campaign's items, what was picked for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Protocol

from sqlalchemy import CTE, BigInteger, Connection, SmallInteger, and_, cast, func, literal, null, select

from pushpull.catalogue.tables import item
from pushpull.learners.tables import learner, lifecycle, progress
from pushpull.learners.vocabulary import Channel
from pushpull.ledger import timing
from pushpull.ledger.claims import Batch, claimed_rows
from pushpull.ledger.links import LANDING_LIFETIME
from pushpull.ledger.messages import MessageFacts, RecommendedItem
from pushpull.ledger.offers import pick_is_good
from pushpull.ledger.reach import ADDRESS
from pushpull.ledger.tables import pick
from pushpull.ledger.terms import Terms
from pushpull.ledger.vocabulary import MessageClass


class Links(Protocol):
    """Makes the links of a message."""

    def landing_url(
        self, learner_id: int, campaign_id: int, item_id: int | None, wave_id: int, rotation: int, expires: datetime
    ) -> str:
        """The way in."""

    def unsubscribe_url(self, learner_id: int, channel: Channel | str, family: str) -> str:
        """One-click unsubscribe."""

    def preferences_url(self, learner_id: int) -> str:
        """The learner's preferences."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """One learner's address on a channel, and what their message may say."""

    to: str
    to_name: str
    facts: MessageFacts


@dataclass(frozen=True, slots=True)
class _Item:
    id: int
    title: str
    minutes: float | None
    summary: str | None
    format: str | None


@dataclass(frozen=True, slots=True)
class _Where:
    channel: Channel
    wave_id: int
    rotation: int


class FactReader:
    """Reads facts for the batches of one wave.

    Args:
        rules: the wave's terms; ``rules.as_of`` is the campaign's clock.
        links: makes the links.
        batch: whose facts, in the shape of :func:`pushpull.ledger.claims.claimed_rows`; that is the default.
    """

    def __init__(self, connection: Connection, rules: Terms, links: Links, batch: CTE | None = None) -> None:
        self._rules, self._links = rules, links
        # Counted from planning, so that a message written again carries the same link.
        self._expires = (rules.planned_as_of or rules.as_of) + LANDING_LIFETIME
        rows = connection.execute(
            select(item.c.id, item.c.title, item.c.minutes, item.c.summary, item.c.format).where(
                item.c.id.in_(rules.item_ids)
            )
        )
        self._items = {row.id: _Item(*row) for row in rows}
        batch = claimed_rows() if batch is None else batch
        self._people = {
            channel: select(
                batch.c.learner_id,
                batch.c.item_id,
                ADDRESS[channel].label("to"),
                learner.c.given_name,
                learner.c.family_name,
                func.coalesce(learner.c.timezone, "").label("zone"),
                lifecycle.c.activated_at,
            ).select_from(
                batch.join(learner, learner.c.id == batch.c.learner_id).outerjoin(
                    lifecycle,
                    and_(lifecycle.c.learner_id == learner.c.id, lifecycle.c.campaign_id == rules.campaign_id),
                )
            )
            for channel in rules.spec.channels
        }
        self._standing = select(
            progress.c.learner_id,
            progress.c.item_id,
            progress.c.completed_at,
            progress.c.last_activity_at,
            progress.c.due_at,
            progress.c.place_title,
        ).where(progress.c.learner_id.in_(select(batch.c.learner_id)), progress.c.item_id.in_(rules.item_ids))
        self._picked = (
            select(pick, item.c.title, item.c.minutes, item.c.summary, item.c.format)
            .join(item, item.c.id == pick.c.item_id)
            .where(
                pick.c.wave_id == batch.c.wave_id,
                pick.c.rotation == batch.c.rotation,
                pick.c.learner_id == batch.c.learner_id,
                pick_is_good(as_of=rules.as_of),
            )
            .order_by(pick.c.learner_id, pick.c.position)
        )

    def read(self, connection: Connection, batch: Batch) -> dict[int, Addressed]:
        """Addresses and facts by learner id."""
        where = _Where(Channel(batch.channel), batch.wave_id, batch.rotation)
        return self._read(connection, where, batch.parameters())

    def read_one(self, connection: Connection, channel: Channel) -> Addressed | None:
        """The facts of the one learner this reader was made for; there is no delivery yet."""
        found = self._read(connection, _Where(channel, 0, 0), {})
        return next(iter(found.values()), None)

    def _read(self, connection: Connection, where: _Where, parameters: dict[str, object]) -> dict[int, Addressed]:
        people = connection.execute(self._people[where.channel], parameters).all()
        standing: dict[int, dict[int, Any]] = defaultdict(dict)
        for row in connection.execute(self._standing, parameters):
            standing[row.learner_id][row.item_id] = row
        picks: dict[int, list[RecommendedItem]] = defaultdict(list)
        if self._rules.spec.item_count:
            for row in connection.execute(self._picked, parameters):
                picks[row.learner_id].append(self._recommended(row, where))
        return {
            row.learner_id: Addressed(
                to=row.to or "",
                to_name=" ".join(name for name in (row.given_name, row.family_name) if name),
                facts=self._facts(row, where, standing[row.learner_id], picks.get(row.learner_id, ())),
            )
            for row in people
        }

    def _facts(
        self, row: Any, where: _Where, standing: Mapping[int, Any], picks: Sequence[RecommendedItem]
    ) -> MessageFacts:
        rules, links, learner_id = self._rules, self._links, row.learner_id
        about = row.item_id or self._focus(standing)
        stands = standing.get(about) if about else None
        shown = self._items.get(about) if about else None
        due_on = self._due(row, standing)
        today = timing.local_day(rules.as_of, row.zone or rules.spec.timezone)
        may_leave = rules.spec.message_class is not MessageClass.MANDATORY
        return MessageFacts(
            given_name=row.given_name or "",
            link=links.landing_url(learner_id, rules.campaign_id, about, where.wave_id, where.rotation, self._expires),
            unsubscribe_url=links.unsubscribe_url(learner_id, where.channel, rules.spec.family) if may_leave else "",
            preferences_url=links.preferences_url(learner_id),
            first_contact=row.activated_at is None,
            place_title=(stands.place_title or "") if stands is not None else "",
            item_title=shown.title if shown else "",
            item_minutes=shown.minutes if shown else None,
            due_on=due_on,
            days_left=(due_on - today).days if due_on else None,
            items=tuple(picks),
        )

    def _focus(self, standing: Mapping[int, Any]) -> int | None:
        """The item a message is about when its wave names none: where the learner was last, else the next open one."""
        started = [row for row in standing.values() if row.completed_at is None and row.last_activity_at is not None]
        if started:
            return int(max(started, key=lambda row: row.last_activity_at).item_id)
        for item_id in self._rules.item_ids:
            if item_id not in standing or standing[item_id].completed_at is None:
                return item_id
        return self._rules.item_ids[0] if self._rules.item_ids else None

    def _due(self, row: Any, standing: Mapping[int, Any]) -> date | None:
        if row.item_id is not None:
            dates = [standing[row.item_id].due_at] if row.item_id in standing else []
        else:
            dates = [each.due_at for each in standing.values() if each.completed_at is None]
        known = [due for due in dates if due is not None]
        return timing.local_day(min(known), row.zone or self._rules.spec.timezone) if known else None

    def _recommended(self, row: Any, where: _Where) -> RecommendedItem:
        url = self._links.landing_url(
            row.learner_id, self._rules.campaign_id, row.item_id, where.wave_id, where.rotation, self._expires
        )
        return RecommendedItem(
            title=row.title,
            url=url,
            minutes=row.minutes,
            reason_kind=row.reason_kind,
            reason_value=row.reason_value,
            summary=row.summary,
            format=row.format,
        )


class UnknownLearnerError(LookupError):
    """There is no learner of that external id."""

    def __init__(self, external_id: str) -> None:
        super().__init__(f"no learner has the external id {external_id!r}")


def facts_of(
    connection: Connection, rules: Terms, links: Links, external_id: str, *, default_language: str, picks: int = 3
) -> tuple[str, MessageFacts]:
    """What a message to one learner would say now: their language, and the facts with fresh recommendations.

    Raises:
        UnknownLearnerError: there is no such learner.
    """
    from pushpull.catalogue.recommend import Recommender  # numerical libraries: only who recommends pays for them

    person = connection.execute(
        select(learner.c.id, learner.c.preferred_language).where(learner.c.external_id == external_id)
    ).one_or_none()
    if person is None:
        raise UnknownLearnerError(external_id)
    alone = select(
        literal(0, BigInteger).label("wave_id"),
        literal(0, SmallInteger).label("rotation"),
        literal(person.id, BigInteger).label("learner_id"),
        cast(null(), BigInteger).label("item_id"),
    ).cte("batch")
    reader = FactReader(connection, rules, links, alone)
    found = reader.read_one(connection, rules.spec.channels[0])
    assert found is not None
    language = person.preferred_language or default_language
    recommender = Recommender.load(connection, as_of=rules.as_of)
    picked = recommender.recommend(
        connection, [person.id], count=picks, languages_of={person.id: language}, campaign_item_ids=rules.item_ids
    )[person.id]
    shown = {
        row.id: row for row in connection.execute(select(item).where(item.c.id.in_([each.item_id for each in picked])))
    }
    items = tuple(
        RecommendedItem(
            title=shown[each.item_id].title,
            url=found.facts.link,
            minutes=shown[each.item_id].minutes,
            reason_kind=each.reason_kind,
            reason_value=each.reason_value,
            summary=shown[each.item_id].summary,
            format=shown[each.item_id].format,
        )
        for each in picked
    )
    return language, replace(found.facts, items=items)
