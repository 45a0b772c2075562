"""Everything the database holds about one learner in one campaign, read once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from pushpull.catalogue.tables import item, section
from pushpull.learners.lifecycle import LifecycleEvent
from pushpull.learners.tables import activity, consent, learner, lifecycle_event, progress, suppression
from pushpull.learners.vocabulary import ANY_FAMILY, LifecycleKind
from pushpull.ledger.arms import share_of
from pushpull.ledger.campaigns import paused_channels
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import (
    attempt,
    campaign,
    campaign_item,
    delivery,
    delivery_event,
    handover,
    pick,
    rotation,
    wave,
)


class UnknownLearnerError(LookupError):
    """Nobody has this external id."""

    def __init__(self, external_id: str) -> None:
        super().__init__(
            f"no learner has the external id {external_id!r}: it is the one of the people file, not an e-mail address"
        )


@dataclass(frozen=True, slots=True)
class Told:
    """One delivery row of the learner.

    Args:
        handed_over_at: by the campaign's clock; None when no byte left.
        rotation_reason: why the wave was run again; None for the first time.
    """

    wave_id: int
    wave: str
    series: str
    on_day: date
    rotation: int
    rotation_reason: str | None
    state: str
    reason: str | None
    arm: str
    channel: str | None
    variant: str | None
    language: str | None
    item_id: int | None
    due_at: datetime | None
    expires_at: datetime | None
    tries: int
    handed_over_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True)
class PlannedWave:
    """A wave of the campaign that was planned."""

    id: int
    key: str
    status: str
    status_reason: str | None
    planned_as_of: datetime
    spec: WaveSpec


@dataclass(frozen=True)
class Dossier:
    """The learner in the campaign, as the tables have it; rows keep the names of their columns."""

    learner: Row[Any]
    campaign: Row[Any]
    item_ids: tuple[int, ...]
    titles: Mapping[int, str]
    places: Mapping[tuple[int, str], str]
    waves: Sequence[PlannedWave]
    messages: Sequence[Told]
    attempts: Mapping[tuple[int, int], Sequence[Row[Any]]]
    facts: Sequence[Row[Any]]
    picks: Mapping[tuple[int, int], Sequence[Row[Any]]]
    events: Sequence[LifecycleEvent]
    activity: Sequence[Row[Any]]
    words: Sequence[Row[Any]]
    suppressions: Sequence[Row[Any]]
    due: Sequence[datetime]
    paused: Mapping[str, str]


def read_dossier(connection: Connection, external_id: str, campaign_id: int, *, as_of: datetime) -> Dossier:
    """Read it.

    Raises:
        UnknownLearnerError: nobody has this external id.
    """
    found = connection.execute(select(campaign).where(campaign.c.id == campaign_id)).one()
    bucket, in_all = share_of(f"holdout:{found.key}", 10_000), share_of("global", 10_000)
    person = connection.execute(
        select(learner, bucket.label("bucket"), in_all.label("global_bucket")).where(
            learner.c.external_id == external_id
        )
    ).one_or_none()
    if person is None:
        raise UnknownLearnerError(external_id)
    item_ids = tuple(
        connection.execute(
            select(campaign_item.c.item_id)
            .where(campaign_item.c.campaign_id == campaign_id)
            .order_by(campaign_item.c.position)
        ).scalars()
    )
    waves = _waves(connection, campaign_id, as_of=as_of)
    wave_ids = [each.id for each in waves]
    done = _activity(connection, person.id, item_ids, since=found.starts_at, as_of=as_of)
    picks = _by_message(
        connection.execute(
            select(pick).where(pick.c.wave_id.in_(wave_ids), pick.c.learner_id == person.id).order_by(pick.c.position)
        ).all()
    )
    shown = {row.item_id for rows in picks.values() for row in rows}
    named = {*item_ids, *shown, *(row.item_id for row in done if row.item_id is not None)}
    titles = connection.execute(select(item.c.id, item.c.title).where(item.c.id.in_(sorted(named))))
    places = connection.execute(
        select(section.c.item_id, section.c.key, section.c.title).where(section.c.item_id.in_(item_ids))
    )
    return Dossier(
        learner=person,
        campaign=found,
        item_ids=item_ids,
        titles=dict(titles.all()),
        places={(item_id, key): title or key for item_id, key, title in places},
        waves=waves,
        messages=_messages(connection, wave_ids, person.id),
        attempts=_by_message(
            connection.execute(
                select(attempt)
                .where(attempt.c.wave_id.in_(wave_ids), attempt.c.learner_id == person.id)
                .order_by(attempt.c.recorded_at, attempt.c.seq)
            ).all()
        ),
        facts=connection.execute(
            select(delivery_event)
            .where(
                delivery_event.c.wave_id.in_(wave_ids),
                delivery_event.c.learner_id == person.id,
                delivery_event.c.occurred_at <= as_of,
            )
            .order_by(delivery_event.c.occurred_at)
        ).all(),
        picks=picks,
        events=_events(connection, campaign_id, person.id),
        activity=done,
        words=connection.execute(
            select(consent).where(
                consent.c.learner_id == person.id,
                consent.c.family.in_([found.family, ANY_FAMILY]),
                consent.c.recorded_at <= as_of,
            )
        ).all(),
        suppressions=connection.execute(
            select(suppression).where(
                suppression.c.learner_id == person.id,
                suppression.c.family.in_([found.family, ANY_FAMILY]),
                suppression.c.recorded_at <= as_of,
            )
        ).all(),
        due=connection.execute(
            select(progress.c.due_at).where(
                progress.c.learner_id == person.id, progress.c.item_id.in_(item_ids), progress.c.due_at.is_not(None)
            )
        )
        .scalars()
        .all(),
        paused=paused_channels(connection, now=as_of),
    )


def _waves(connection: Connection, campaign_id: int, *, as_of: datetime) -> list[PlannedWave]:
    rows = connection.execute(
        select(wave.c.id, wave.c.key, wave.c.status, wave.c.status_reason, wave.c.planned_as_of, wave.c.spec)
        .where(wave.c.campaign_id == campaign_id, wave.c.planned_as_of <= as_of)
        .order_by(wave.c.planned_as_of, wave.c.id)
    )
    return [
        PlannedWave(
            row.id, row.key, row.status, row.status_reason, row.planned_as_of, WaveSpec.model_validate(row.spec)
        )
        for row in rows
    ]


def _messages(connection: Connection, wave_ids: Sequence[int], learner_id: int) -> list[Told]:
    rerun = and_(rotation.c.wave_id == delivery.c.wave_id, rotation.c.rotation == delivery.c.rotation)
    rows = connection.execute(
        select(
            delivery,
            wave.c.key,
            wave.c.series,
            wave.c.on_day,
            rotation.c.reason.label("rotation_reason"),
            handover.c.as_of.label("handed_over_at"),
        )
        .select_from(
            delivery.join(wave, wave.c.id == delivery.c.wave_id)
            .outerjoin(rotation, rerun)
            .outerjoin(handover, handover.c.id == delivery.c.handover_id)
        )
        .where(delivery.c.wave_id.in_(wave_ids), delivery.c.learner_id == learner_id)
        .order_by(wave.c.on_day, delivery.c.wave_id, delivery.c.rotation)
    )
    return [
        Told(
            wave_id=row.wave_id,
            wave=row.key,
            series=row.series,
            on_day=row.on_day,
            rotation=row.rotation,
            rotation_reason=row.rotation_reason if row.rotation else None,
            state=row.state,
            reason=row.reason,
            arm=row.arm,
            channel=row.channel,
            variant=row.variant,
            language=row.language,
            item_id=row.item_id,
            due_at=row.due_at,
            expires_at=row.expires_at,
            tries=row.attempt,
            handed_over_at=row.handed_over_at,
            settled_at=row.settled_at,
        )
        for row in rows
    ]


def _by_message(rows: Sequence[Row[Any]]) -> dict[tuple[int, int], list[Row[Any]]]:
    grouped: dict[tuple[int, int], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        grouped[row.wave_id, row.rotation].append(row)
    return grouped


def _events(connection: Connection, campaign_id: int, learner_id: int) -> list[LifecycleEvent]:
    rows = connection.execute(
        select(lifecycle_event.c.kind, lifecycle_event.c.occurred_at, lifecycle_event.c.source_id).where(
            lifecycle_event.c.campaign_id == campaign_id, lifecycle_event.c.learner_id == learner_id
        )
    )
    return [LifecycleEvent(LifecycleKind(kind), at, source_id) for kind, at, source_id in rows]


def _activity(
    connection: Connection, learner_id: int, item_ids: Sequence[int], *, since: datetime | None, as_of: datetime
) -> Sequence[Row[Any]]:
    """What the learner did on the campaign's items ever, and on anything else since the campaign began."""
    concerns: ColumnElement[bool] = activity.c.item_id.in_(item_ids)
    if since is not None:
        concerns = or_(concerns, activity.c.occurred_at >= since)
    return connection.execute(
        select(activity)
        .where(
            activity.c.learner_id == learner_id,
            activity.c.occurred_at <= as_of,
            activity.c.voided_at.is_(None),
            concerns,
        )
        .order_by(activity.c.occurred_at, activity.c.id)
    ).all()
