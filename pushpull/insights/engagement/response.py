"""What people respond to: rates by channel, local hours and stage, and what one variant would do for everybody (D2).

A response is a person's click on a message within two days, after which they sat down to learn within two days. What
scanners and link previews opened is no click, and a click alone is no response.

Channel and hour go to people *because* of who they are, so their rates say who was reached by what, not what would be
better: a correlation. Variants of a split are drawn by lot, and are judged by that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Integer, Select, Subquery, and_, case, func, literal, select

from pushpull.db import UtcDateTime, days_after
from pushpull.insights.engagement.policy import Drawn, Worth, worth_of_each
from pushpull.insights.engagement.shrinkage import Rate, shrunk
from pushpull.insights.proportions import Proportion
from pushpull.insights.small_numbers import FEWEST
from pushpull.learners.habit import is_zone
from pushpull.learners.tables import activity, learner
from pushpull.learners.verbs import NOT_ACTIVE_VERBS, OPENING_VERBS
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import campaign_item, delivery, delivery_event, handover, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, Arm, EventKind

#: Days after a message in which a click is an answer to it, and days after the click in which learning is.
CLICKS_WITHIN: Final = 2
LEARNS_WITHIN: Final = 2
#: The local day in bands of so many hours.
BAND_HOURS: Final = 3
#: Said of what nobody drew by lot.
NOT_DRAWN: Final = (
    "Channel: whether another one would do better cannot be told: people get the one they prefer or can be reached by.",
    "Hour: whether another one would do better cannot be told: people get the one that suits them.",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """Messages alike.

    Args:
        hours: local to the learner, e.g. ``09–12``.
        messages: accepted ones, to five people or more.
        rate: of responses, shrunk.
    """

    channel: str
    hours: str
    stage: str
    messages: int
    rate: Rate


@dataclass(frozen=True, slots=True)
class Split:
    """The variants of one series, drawn by lot.

    A person counts once for each lot they were in, as having responded or not; a new one is drawn when the weights are
    changed.
    """

    series: str
    arms: tuple[Worth, ...]


@dataclass(frozen=True, slots=True)
class WhatWorks:
    """What people respond to.

    Args:
        cells: the highest rate that is sure first; cells of fewer than five people are left out.
        splits: of the series that drew variants by lot, where five people or more got each.
        not_identified: what cannot be told from what happened, in words.
        kind: of the cells.
    """

    campaign_key: str
    as_of: datetime
    cells: tuple[Cell, ...]
    splits: tuple[Split, ...]
    not_identified: tuple[str, ...]
    kind: str = "correlation"


def what_works(connection: Connection, campaign_key: str, *, as_of: datetime) -> WhatWorks:
    """Responses to a campaign's messages that are old enough to have been answered.

    Args:
        as_of: aware; nothing later is known.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    sent = _sent(campaign_id, as_of)
    cells, splits = _cells(connection, sent), _splits(connection, campaign_id, sent)
    return WhatWorks(campaign_key, as_of, cells, splits, NOT_DRAWN)


def _sent(campaign_id: int, as_of: datetime) -> Subquery:
    """Every message that went to its learner, and whether they responded."""
    at = func.coalesce(handover.c.as_of, delivery.c.due_at, type_=UtcDateTime())
    old_enough = as_of - timedelta(days=CLICKS_WITHIN + LEARNS_WITHIN)
    clicked = and_(
        delivery_event.c.wave_id == delivery.c.wave_id,
        delivery_event.c.rotation == delivery.c.rotation,
        delivery_event.c.learner_id == delivery.c.learner_id,
        delivery_event.c.kind == EventKind.CLICKED.value,  # the ledger's clicks are those of people
        delivery_event.c.occurred_at >= at,
        delivery_event.c.occurred_at <= days_after(at, literal(CLICKS_WITHIN, Integer)),
    )
    learned = and_(
        activity.c.learner_id == delivery_event.c.learner_id,
        activity.c.item_id.in_(select(campaign_item.c.item_id).where(campaign_item.c.campaign_id == campaign_id)),
        activity.c.voided_at.is_(None),
        activity.c.verb.not_in((*NOT_ACTIVE_VERBS, *OPENING_VERBS)),
        activity.c.occurred_at >= delivery_event.c.occurred_at,
        activity.c.occurred_at <= days_after(delivery_event.c.occurred_at, literal(LEARNS_WITHIN, Integer)),
    )
    responded = (
        select(literal(1))
        .where(clicked, select(literal(1)).where(learned).correlate(delivery_event).exists())
        .correlate(delivery, handover)
        .exists()
    )
    return (
        select(
            delivery.c.wave_id,
            delivery.c.learner_id,
            delivery.c.channel,
            delivery.c.variant,
            func.coalesce(learner.c.timezone, "").label("zone"),
            at.label("at"),
            wave.c.stage,
            wave.c.series,
            case((responded, 1), else_=0).label("responded"),
        )
        .select_from(
            delivery.join(wave, wave.c.id == delivery.c.wave_id)
            .join(learner, learner.c.id == delivery.c.learner_id)
            .outerjoin(handover, handover.c.id == delivery.c.handover_id)
        )
        .where(
            wave.c.campaign_id == campaign_id,
            delivery.c.arm == Arm.TREATED.value,
            delivery.c.state.in_([state.value for state in ACCEPTED_STATES]),
            at <= old_enough,
        )
        .subquery("sent")
    )


def _cells(connection: Connection, sent: Subquery) -> tuple[Cell, ...]:
    alike = (sent.c.wave_id, sent.c.channel, sent.c.zone, sent.c.at, sent.c.stage)
    rows = connection.execute(
        select(*alike, func.count().label("messages"), func.sum(sent.c.responded).label("responses")).group_by(*alike)
    )
    messages: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    responses: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    by_wave: defaultdict[tuple[str, str, str], defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        cell = (row.channel or "", _hours(row.at, row.zone), row.stage)
        messages[cell] += row.messages
        responses[cell] += row.responses
        by_wave[cell][row.wave_id] += row.messages
    # A wave writes to nobody twice, so the largest one says how many people there are at least.
    enough = sorted(cell for cell in messages if max(by_wave[cell].values()) >= FEWEST)
    rates = shrunk([Proportion(responses[cell], messages[cell]) for cell in enough])
    cells = [Cell(*cell, messages[cell], rate) for cell, rate in zip(enough, rates, strict=True)]
    return tuple(sorted(cells, key=lambda each: (-each.rate.interval.low, each.channel, each.hours, each.stage)))


def _hours(at: datetime, zone: str) -> str:
    hour = at.astimezone(ZoneInfo(zone) if is_zone(zone) else UTC).hour // BAND_HOURS * BAND_HOURS
    return f"{hour:02d}–{hour + BAND_HOURS:02d}"


def _splits(connection: Connection, campaign_id: int, sent: Subquery) -> tuple[Split, ...]:
    by_series: defaultdict[str, list[Drawn]] = defaultdict(list)
    for lot, waves in sorted(_lots(connection, campaign_id).items()):
        person = (
            select(
                sent.c.learner_id,
                func.min(sent.c.variant).label("variant"),
                func.max(sent.c.responded).label("responded"),
            )
            .where(sent.c.wave_id.in_(waves), sent.c.variant.is_not(None))
            .group_by(sent.c.learner_id)
            .subquery("person")
        )
        rows = connection.execute(
            select(person.c.variant, func.count().label("people"), func.sum(person.c.responded).label("responded"))
            .group_by(person.c.variant)
            .order_by(person.c.variant)
        )
        for row in rows:
            if (probability := lot.probability(row.variant)) > 0:
                by_series[lot.series].append(Drawn(row.variant, probability, Proportion(row.responded, row.people)))
    return tuple(
        Split(series, worth_of_each(drawn))
        for series, drawn in sorted(by_series.items())
        if all(each.answered.total >= FEWEST for each in drawn)
    )


@dataclass(frozen=True, slots=True, order=True)
class _Lot:
    """By what the variants of some waves were drawn: everybody keeps their variant as long as it is the same."""

    series: str
    name: str
    weights: tuple[tuple[str, int], ...]

    def probability(self, variant: str) -> float:
        """With which somebody was to get it; 0 of one that is not in it."""
        return dict(self.weights).get(variant, 0) / sum(weight for _, weight in self.weights)


def _lots(connection: Connection, campaign_id: int) -> Mapping[_Lot, list[int]]:
    """Ids of the waves whose variants were drawn, by the lot and the weights that planning wrote down."""
    statement: Select[Any] = select(wave.c.id, wave.c.series, wave.c.spec).where(
        wave.c.campaign_id == campaign_id, wave.c.planned_at.is_not(None)
    )
    found: defaultdict[_Lot, list[int]] = defaultdict(list)
    for row in connection.execute(statement):
        spec = WaveSpec.model_validate(row.spec) if row.spec else None
        if spec is not None and len(spec.variants) > 1:
            found[_Lot(row.series, spec.lot, tuple(spec.variants))].append(row.id)
    return found
