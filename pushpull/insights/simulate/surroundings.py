"""What simulated learners see of their surroundings: who they are, what there is to read, which messages reached them.

Queries only; what they make of it is decided in :mod:`.acting`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, and_, select

from pushpull.catalogue.tables import item, section
from pushpull.insights.simulate.sessions import HARD, Content, Memory, Record, hard_sections, remembered
from pushpull.insights.simulate.temperament import ASSUMED, FATIGUE_DAYS, Behaviour, Temperament, temperament_of
from pushpull.learners.tables import activity, learner
from pushpull.ledger.tables import campaign, campaign_item, delivery, handover, pick, wave
from pushpull.ledger.timing import known
from pushpull.ledger.vocabulary import ACCEPTED_STATES

#: The system that simulated activity and facts are said to come from.
SOURCE = "simulated"

#: No session is longer.
_LONGEST_SESSION = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Person:
    """A simulated learner."""

    id: int
    external_id: str
    zone: str
    temperament: Temperament


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message that reached somebody.

    Args:
        key: the same in every database.
        earlier: messages that reached the same person in the two weeks before.
    """

    key: str
    wave_id: int
    rotation: int
    learner_id: int
    campaign_id: int
    channel: str
    item_id: int | None
    at: datetime
    earlier: int = 0


def people(connection: Connection, *, seed: int, behaviour: Behaviour = ASSUMED) -> dict[int, Person]:
    """Everybody who has not left, by learner id."""
    rows = connection.execute(
        select(learner.c.id, learner.c.external_id, learner.c.timezone, learner.c.draw).where(
            learner.c.active.is_(True)
        )
    )
    return {
        learner_id: Person(
            learner_id,
            external_id,
            zone if known(zone or "") else "UTC",
            temperament_of(draw, seed=seed, of=behaviour.temperaments),
        )
        for learner_id, external_id, zone, draw in rows
    }


def campaign_contents(
    connection: Connection, *, seed: int, behaviour: Behaviour = ASSUMED
) -> tuple[dict[int, list[int]], dict[int, Content]]:
    """The items of each campaign in order, and what their players know, by item id."""
    items: dict[int, list[int]] = {}
    for campaign_id, item_id in connection.execute(
        select(campaign_item.c.campaign_id, campaign_item.c.item_id).order_by(
            campaign_item.c.campaign_id, campaign_item.c.position
        )
    ):
        items.setdefault(campaign_id, []).append(item_id)
    wanted = sorted({each for listed in items.values() for each in listed})
    parts: dict[int, list[str]] = {item_id: [] for item_id in wanted}
    names = {}
    for item_id, name, key in connection.execute(
        select(section.c.item_id, item.c.key, section.c.key)
        .join(item, item.c.id == section.c.item_id)
        .where(section.c.item_id.in_(wanted))
        .order_by(section.c.item_id, section.c.position, section.c.key)
    ):
        parts[item_id].append(key)
        names[item_id] = name
    return items, {
        item_id: Content(item_id, tuple(keys), _reads_on(names.get(item_id, ""), keys, seed, behaviour))
        for item_id, keys in parts.items()
    }


def _reads_on(name: str, keys: list[str], seed: int, behaviour: Behaviour) -> dict[str, float]:
    assumed = dict.fromkeys(hard_sections(keys, seed=seed), HARD)
    learned = {key: behaviour.reads_on[name, key] for key in keys if (name, key) in behaviour.reads_on}
    return {**assumed, **learned}


def memories(connection: Connection, *, since: datetime) -> Mapping[int, Memory]:
    """What was done in sessions that began up to ``since``; when a session began is part of its records' ids."""
    rows = connection.execute(
        select(
            activity.c.learner_id,
            activity.c.source_id,
            activity.c.item_id,
            activity.c.verb,
            activity.c.occurred_at,
            activity.c.section_key,
        ).where(
            activity.c.source == SOURCE,
            activity.c.item_id.is_not(None),
            activity.c.occurred_at <= since + _LONGEST_SESSION,
        )
    )
    begun = as_text(since)
    return remembered(
        (learner_id, Record(item_id, verb, at, section=key))
        for learner_id, source_id, item_id, verb, at, key in rows
        if source_id.rsplit("|", 2)[1] <= begun
    )


def as_text(at: datetime) -> str:
    """An instant as text whose order is that of time."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def messages(connection: Connection, *, since: datetime, until: datetime) -> list[ReceivedMessage]:
    """The messages accepted in a window, in the order of time."""
    rows = connection.execute(
        select(
            campaign.c.key.label("campaign_key"),
            wave.c.key.label("wave_key"),
            wave.c.campaign_id,
            delivery.c.wave_id,
            delivery.c.rotation,
            delivery.c.learner_id,
            delivery.c.channel,
            delivery.c.item_id,
            handover.c.as_of,
        )
        .select_from(
            handover.join(
                delivery,
                and_(
                    delivery.c.wave_id == handover.c.wave_id,
                    delivery.c.rotation == handover.c.rotation,
                    delivery.c.handover_id == handover.c.id,
                ),
            )
            .join(wave, wave.c.id == delivery.c.wave_id)
            .join(campaign, campaign.c.id == wave.c.campaign_id)
        )
        .where(
            handover.c.as_of > since,
            handover.c.as_of <= until,
            delivery.c.state.in_([state.value for state in ACCEPTED_STATES]),
        )
        .order_by(handover.c.as_of, delivery.c.wave_id, delivery.c.rotation, delivery.c.learner_id)
    )
    times: dict[int, list[datetime]] = defaultdict(list)
    received = []
    for row in rows:
        earlier = sum(at > row.as_of - FATIGUE_DAYS for at in times[row.learner_id])
        times[row.learner_id].append(row.as_of)
        received.append(
            ReceivedMessage(
                key=f"{row.campaign_key}|{row.wave_key}|{row.rotation}",
                wave_id=row.wave_id,
                rotation=row.rotation,
                learner_id=row.learner_id,
                campaign_id=row.campaign_id,
                channel=row.channel,
                item_id=row.item_id,
                at=row.as_of,
                earlier=earlier,
            )
        )
    return received


def picked(connection: Connection, waves: set[int]) -> dict[tuple[int, int, int], list[int]]:
    """The recommended items by wave, rotation and learner."""
    found: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    rows = connection.execute(
        select(pick.c.wave_id, pick.c.rotation, pick.c.learner_id, pick.c.item_id)
        .where(pick.c.wave_id.in_(sorted(waves)))
        .order_by(pick.c.wave_id, pick.c.rotation, pick.c.learner_id, pick.c.position)
    )
    for wave_id, rotation, learner_id, item_id in rows:
        found[wave_id, rotation, learner_id].append(item_id)
    return found
