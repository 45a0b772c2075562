"""What is known about the learners of a batch at the moment their messages are written.

Three reads per batch: the people, where they stand with the campaign's items, what was picked for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, and_, func, select

from pushpull.catalogue.tables import item
from pushpull.learners.tables import learner, lifecycle, progress
from pushpull.learners.vocabulary import Channel
from pushpull.ledger import timing
from pushpull.ledger.claims import Batch, claimed_rows
from pushpull.ledger.eligibility import ADDRESS, Terms, pick_is_good
from pushpull.ledger.links import LANDING_LIFETIME
from pushpull.ledger.messages import MessageFacts, RecommendedItem
from pushpull.ledger.tables import pick
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


class FactReader:
    """Reads facts for the batches of one wave.

    Args:
        rules: the wave's terms; ``rules.as_of`` is the campaign's clock.
        links: makes the links.
    """

    def __init__(self, connection: Connection, rules: Terms, links: Links) -> None:
        self._rules, self._links = rules, links
        self._expires = rules.as_of + LANDING_LIFETIME
        rows = connection.execute(
            select(item.c.id, item.c.title, item.c.minutes, item.c.summary, item.c.format).where(
                item.c.id.in_(rules.item_ids)
            )
        )
        self._items = {row.id: _Item(*row) for row in rows}
        batch = claimed_rows()
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
        channel = Channel(batch.channel)
        parameters = batch.parameters()
        people = connection.execute(self._people[channel], parameters).all()
        standing: dict[int, dict[int, Any]] = defaultdict(dict)
        for row in connection.execute(self._standing, parameters):
            standing[row.learner_id][row.item_id] = row
        picks: dict[int, list[RecommendedItem]] = defaultdict(list)
        if self._rules.spec.item_count:
            for row in connection.execute(self._picked, parameters):
                picks[row.learner_id].append(self._recommended(row, batch))
        return {
            row.learner_id: Addressed(
                to=row.to,
                to_name=" ".join(name for name in (row.given_name, row.family_name) if name),
                facts=self._facts(row, batch, standing[row.learner_id], picks.get(row.learner_id, ())),
            )
            for row in people
            if row.to
        }

    def _facts(
        self, row: Any, batch: Batch, standing: Mapping[int, Any], picks: Sequence[RecommendedItem]
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
            link=links.landing_url(learner_id, rules.campaign_id, about, batch.wave_id, batch.rotation, self._expires),
            unsubscribe_url=links.unsubscribe_url(learner_id, batch.channel, rules.spec.family) if may_leave else "",
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

    def _recommended(self, row: Any, batch: Batch) -> RecommendedItem:
        url = self._links.landing_url(
            row.learner_id, self._rules.campaign_id, row.item_id, batch.wave_id, batch.rotation, self._expires
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
