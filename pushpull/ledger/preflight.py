"""What the checks before sending read in the ledger: waves that have not started, links, what came back.

What is made of it is decided in `tasks.preflight`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, String, and_, case, cast, exists, func, select

from pushpull.catalogue.tables import item
from pushpull.learners.lists import in_ids, in_texts
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import audit, campaign, delivery, delivery_event, handover, wave
from pushpull.ledger.vocabulary import DeliveryState, EventKind, MessageClass, WaveStatus

#: How the reason of a hold begins when the checks held a wave, which tells it from other holds of the same wave.
HELD_BY_PREFLIGHT = "preflight: "

_RECORD_DAYS = 30
_FAILURES = (EventKind.BOUNCED, EventKind.UNDELIVERED)


@dataclass(frozen=True)
class Candidate:
    """A wave that is about to start.

    Args:
        key: of the wave, in its campaign.
        listed: the channels it names.
        used: those of them by which somebody is to be reached, as planned.
    """

    wave_id: int
    campaign_key: str
    key: str
    listed: frozenset[Channel]
    used: frozenset[Channel]
    family: str
    message_class: MessageClass


@dataclass(frozen=True)
class MailRecord:
    """What came back of the e-mails of some days.

    Args:
        accepted: by the provider.
        bounced: of these, for good.
        delivered: accepted, and not known to have failed.
        complaints: reports as spam.
    """

    accepted: int
    bounced: int
    delivered: int
    complaints: int
    days: int = _RECORD_DAYS


def candidates(connection: Connection, wave_ids: Collection[int]) -> list[Candidate]:
    """Which of these waves have not started, and were not let go by a person after an earlier check held them.

    A release for another reason (an approval, a late wave) is no answer to what a check finds.
    """
    was_held = exists().where(
        audit.c.what == f"wave {WaveStatus.HELD.value}",
        audit.c.subject == cast(wave.c.id, String),
        audit.c.why.startswith(HELD_BY_PREFLIGHT, autoescape=True),
    )
    has_started = exists().where(handover.c.wave_id == wave.c.id)
    rows = connection.execute(
        select(wave.c.id, campaign.c.key.label("campaign_key"), wave.c.spec)
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(in_ids(wave.c.id, wave_ids), wave.c.status == WaveStatus.OPEN.value, ~has_started, ~was_held)
        .order_by(wave.c.id)
    )
    found = []
    for row in rows.all():
        spec = WaveSpec.model_validate(row.spec)
        planned = connection.execute(
            select(delivery.c.channel)
            .where(
                delivery.c.wave_id == row.id,
                delivery.c.channel.is_not(None),
                delivery.c.state.in_([DeliveryState.PLANNED.value, DeliveryState.HELD.value]),
            )
            .distinct()
        ).scalars()
        found.append(
            Candidate(
                wave_id=row.id,
                campaign_key=row.campaign_key,
                key=spec.key,
                listed=frozenset(spec.channels),
                used=frozenset(map(Channel, planned)),
                family=spec.family,
                message_class=spec.message_class,
            )
        )
    return found


def item_links(connection: Connection, item_keys: Sequence[str]) -> Mapping[str, str | None]:
    """The deep links of items, by key; items the catalogue does not have are left out."""
    rows = connection.execute(select(item.c.key, item.c.url).where(in_texts(item.c.key, item_keys)))
    return {row.key: row.url for row in rows}


def mail_record(connection: Connection, *, now: datetime) -> MailRecord:
    """What came back of the e-mails handed over in the last 30 days, over all campaigns.

    Each delivery counts once per kind of fact, however often it was reported.

    Args:
        now: the campaigns' clock, UTC.
    """
    recent = and_(
        handover.c.channel == Channel.EMAIL.value,
        handover.c.as_of > now - timedelta(days=_RECORD_DAYS),
        handover.c.as_of <= now,
        handover.c.diverted_to.is_(None),
    )
    accepted = connection.execute(select(func.coalesce(func.sum(handover.c.accepted), 0)).where(recent)).scalar_one()
    # Facts are found by campaign and kind, which have an index: reports are few where openings and clicks are many.
    campaigns = select(handover.c.campaign_id).where(recent)
    told = (
        select(_is_one_of(EventKind.COMPLAINED), _is_one_of(EventKind.BOUNCED), _is_one_of(*_FAILURES))
        .select_from(
            delivery_event.join(
                delivery,
                and_(
                    delivery.c.wave_id == delivery_event.c.wave_id,
                    delivery.c.rotation == delivery_event.c.rotation,
                    delivery.c.learner_id == delivery_event.c.learner_id,
                ),
            ).join(handover, handover.c.id == delivery.c.handover_id)
        )
        .where(
            recent,
            delivery_event.c.campaign_id.in_(campaigns),
            delivery_event.c.kind.in_([EventKind.COMPLAINED.value, *(kind.value for kind in _FAILURES)]),
        )
        .group_by(delivery.c.wave_id, delivery.c.rotation, delivery.c.learner_id)
        .subquery()
    )
    complaints, bounced, failed = connection.execute(
        select(*(func.coalesce(func.sum(column), 0) for column in told.c))
    ).one()
    return MailRecord(
        accepted=int(accepted),
        bounced=int(bounced),
        delivered=max(0, int(accepted) - int(failed)),
        complaints=int(complaints),
    )


def _is_one_of(*kinds: EventKind) -> ColumnElement[int]:
    """1 where one of the facts of a delivery is of these kinds, else 0."""
    name = "_or_".join(kinds)
    return func.max(case((delivery_event.c.kind.in_([kind.value for kind in kinds]), 1), else_=0)).label(name)
