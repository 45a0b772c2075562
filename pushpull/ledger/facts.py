"""What is known about the learners of a batch at the moment their messages are written.

At most four reads per batch: the people, where they stand with the campaign's items, what was picked for them, and for
whom a daily nudge is the last one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final, Protocol

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, SmallInteger, and_, bindparam, false, func, select

from pushpull.catalogue.tables import item
from pushpull.learners.tables import learner, lifecycle, progress
from pushpull.learners.vocabulary import Channel
from pushpull.ledger import timing
from pushpull.ledger.claims import NEAR, Batch
from pushpull.ledger.habit import last_nudges
from pushpull.ledger.links import LANDING_LIFETIME
from pushpull.ledger.messages import MessageFacts, RecommendedItem
from pushpull.ledger.offers import pick_is_good
from pushpull.ledger.reach import ADDRESS
from pushpull.ledger.tables import pick
from pushpull.ledger.terms import Among, Terms
from pushpull.ledger.vocabulary import MessageClass

#: All that a message may use of a learner, by the names templates have for it.
EVERYTHING: Final = frozenset(
    {
        "given_name", "link", "unsubscribe_url", "preferences_url", "first_contact", "place_title", "item_title",
        "item_minutes", "due_day", "due_in", "is_overdue", "items", "is_last_nudge",
    }
)  # fmt: skip
#: What depends on where a learner stands; a landing link leads there.
_STANDING: Final = EVERYTHING - {
    "given_name", "unsubscribe_url", "preferences_url", "first_contact", "items", "is_last_nudge",
}  # fmt: skip
_NOTHING: Final[Mapping[int, Any]] = {}


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


class _Statements:
    """What is asked about the learners of a batch; each statement is made when it is first asked, for making one takes
    longer than running it on a small wave."""

    def __init__(self, rules: Terms, among: Among, of_batch: ColumnElement[bool]) -> None:
        self._rules, self._among, self._of_batch = rules, among, of_batch
        self._people: dict[Channel, Select[Any]] = {}

    def people(self, channel: Channel) -> Select[Any]:
        if channel not in self._people:
            here = and_(lifecycle.c.learner_id == learner.c.id, lifecycle.c.campaign_id == self._rules.campaign_id)
            self._people[channel] = (
                select(
                    learner.c.id,
                    ADDRESS[channel].label("to"),
                    learner.c.given_name,
                    learner.c.family_name,
                    func.coalesce(learner.c.timezone, "").label("zone"),
                    lifecycle.c.activated_at,
                )
                .select_from(learner.outerjoin(lifecycle, here))
                .where(self._among(learner.c.id))
            )
        return self._people[channel]

    @cached_property
    def standing(self) -> Select[Any]:
        return select(
            progress.c.learner_id,
            progress.c.item_id,
            progress.c.completed_at,
            progress.c.last_activity_at,
            progress.c.due_at,
            progress.c.place_title,
        ).where(self._among(progress.c.learner_id), progress.c.item_id.in_(self._rules.item_ids))

    @cached_property
    def picked(self) -> Select[Any]:
        return (
            select(pick, item.c.title, item.c.minutes, item.c.summary, item.c.format)
            .join(item, item.c.id == pick.c.item_id)
            .where(self._of_batch, self._among(pick.c.learner_id), pick_is_good(as_of=self._rules.as_of))
            .order_by(pick.c.learner_id, pick.c.position)
        )

    @cached_property
    def last_nudges(self) -> Select[Any]:
        return last_nudges(self._rules, self._among)


class FactReader:
    """Reads facts for the batches of one wave.

    Args:
        rules: the wave's terms; ``rules.as_of`` is the campaign's clock.
        links: makes the links.
        names: what the message uses, by the names templates have for it; the rest is left blank, for making a link
            alone costs as much as everything else about a learner.
    """

    def __init__(
        self, connection: Connection, rules: Terms, links: Links, *, names: Collection[str] = EVERYTHING
    ) -> None:
        self._rules, self._links = rules, links
        # Counted from planning, so that a message written again carries the same link.
        self._expires = (rules.planned_as_of or rules.as_of) + LANDING_LIFETIME
        rows = connection.execute(
            select(item.c.id, item.c.title, item.c.minutes, item.c.summary, item.c.format).where(
                item.c.id.in_(rules.item_ids)
            )
        )
        self._items = {row.id: _Item(*row) for row in rows}
        self._has_picks = bool(rules.spec.item_count) and "items" in names
        self._has_link, self._has_preferences = "link" in names, "preferences_url" in names
        self._has_opt_out = "unsubscribe_url" in names and rules.spec.message_class is not MessageClass.MANDATORY
        self._has_standing = bool(_STANDING & set(names))
        self._has_last_nudges = rules.spec.daily_goal and "is_last_nudge" in names
        of_batch = and_(
            pick.c.wave_id == bindparam("batch_wave", type_=BigInteger),
            pick.c.rotation == bindparam("batch_rotation", type_=SmallInteger),
        )
        self._statements = {is_dense: _Statements(rules, among, of_batch) for is_dense, among in NEAR.items()}

    def read(self, connection: Connection, batch: Batch) -> dict[int, Addressed]:
        """Addresses and facts by learner id."""
        where = _Where(Channel(batch.channel), batch.wave_id, batch.rotation)
        about = {row.learner_id: row.item_id for row in batch.rows}
        return self._read(connection, where, about, self._statements[batch.is_dense], batch.parameters())

    def read_one(self, connection: Connection, learner_id: int, channel: Channel) -> Addressed | None:
        """The facts of one learner; there is no delivery yet."""
        statements = _Statements(self._rules, lambda column: column == learner_id, false())
        return self._read(connection, _Where(channel, 0, 0), {learner_id: None}, statements, {}).get(learner_id)

    def _read(
        self,
        connection: Connection,
        where: _Where,
        about: Mapping[int, int | None],
        statements: _Statements,
        parameters: dict[str, object],
    ) -> dict[int, Addressed]:
        standing: dict[int, dict[int, Any]] = {}
        if self._has_standing:
            for row in connection.execute(statements.standing, parameters):
                standing.setdefault(row[0], {})[row[1]] = row
        picks: dict[int, list[RecommendedItem]] = {}
        if self._has_picks:
            for row in connection.execute(statements.picked, parameters):
                picks.setdefault(row.learner_id, []).append(self._recommended(row, where))
        last: set[int] = set()
        if self._has_last_nudges:
            last.update(row.learner_id for row in connection.execute(statements.last_nudges, parameters))
        found: dict[int, Addressed] = {}
        for learner_id, to, given, family, zone, activated_at in connection.execute(
            statements.people(where.channel), parameters
        ).all():
            if learner_id in about:
                name = f"{given} {family}" if given and family else given or family or ""
                stands = standing.get(learner_id, _NOTHING)
                picked = tuple(picks.get(learner_id, ()))
                facts = self._facts(
                    learner_id, given or "", zone, activated_at is None, about[learner_id], where, stands, picked
                )
                if learner_id in last:
                    facts = replace(facts, is_last_nudge=True)
                found[learner_id] = Addressed(to or "", name, facts)
        return found

    def _facts(
        self,
        learner_id: int,
        given_name: str,
        zone: str,
        is_first: bool,
        item_id: int | None,
        where: _Where,
        standing: Mapping[int, Any],
        picks: tuple[RecommendedItem, ...],
    ) -> MessageFacts:
        rules, links = self._rules, self._links
        about = item_id or self._focus(standing)
        stands = standing.get(about) if about and standing else None
        shown = self._items.get(about) if about else None
        due_on = self._due(item_id, zone, standing) if standing else None
        return MessageFacts(
            given_name,
            links.landing_url(learner_id, rules.campaign_id, about, where.wave_id, where.rotation, self._expires)
            if self._has_link
            else "",
            links.unsubscribe_url(learner_id, where.channel.value, rules.spec.family) if self._has_opt_out else "",
            links.preferences_url(learner_id) if self._has_preferences else "",
            first_contact=is_first,
            place_title=(stands.place_title or "") if stands is not None else "",
            item_title=shown.title if shown else "",
            item_minutes=shown.minutes if shown else None,
            due_on=due_on,
            days_left=(due_on - timing.local_day(rules.as_of, zone or rules.spec.timezone)).days if due_on else None,
            items=picks,
        )

    def _focus(self, standing: Mapping[int, Any]) -> int | None:
        """The item a message is about when its wave names none: where the learner was last, else the next open one."""
        if not standing:
            return self._rules.item_ids[0] if self._rules.item_ids else None
        started = [row for row in standing.values() if row.completed_at is None and row.last_activity_at is not None]
        if started:
            return int(max(started, key=lambda row: row.last_activity_at).item_id)
        for item_id in self._rules.item_ids:
            if item_id not in standing or standing[item_id].completed_at is None:
                return item_id
        return self._rules.item_ids[0] if self._rules.item_ids else None

    def _due(self, item_id: int | None, zone: str, standing: Mapping[int, Any]) -> date | None:
        if item_id is not None:
            dates = [standing[item_id].due_at] if item_id in standing else []
        else:
            dates = [each.due_at for each in standing.values() if each.completed_at is None]
        known = [due for due in dates if due is not None]
        return timing.local_day(min(known), zone or self._rules.spec.timezone) if known else None

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
    found = FactReader(connection, rules, links).read_one(connection, person.id, rules.spec.channels[0])
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
