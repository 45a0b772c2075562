"""What one simulated run of a campaign came to, counted from its ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Select, and_, func, select

from pushpull.insights.funnel import funnel
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.tables import campaign, delivery, delivery_event, handover, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, EventKind, WaveStatus

AUDIENCE = "audience"


@dataclass(frozen=True)
class RunFigures:
    """One run, or what really happened.

    Args:
        seed: of the run; -1: it is no simulation.
        waves: messages accepted, by key of the wave.
        days: messages accepted, by UTC day (ISO 8601) and channel.
        peak: the most messages of one UTC hour, by channel.
        steps: people in the audience and in each step of the funnel.
        held_out: people who got no message so that the others can be compared with them.
        finished_without: of these, how many completed.
        opted_out, bounced: how many messages led to it.
        stopped: a stop signal held the campaign.
    """

    seed: int
    waves: Mapping[str, int]
    days: Mapping[tuple[str, str], int]
    peak: Mapping[str, int]
    steps: Mapping[str, int]
    held_out: int
    finished_without: int
    opted_out: int
    bounced: int
    stopped: bool

    @property
    def sends(self) -> int:
        """All messages."""
        return sum(self.waves.values())

    @property
    def channels(self) -> Mapping[str, int]:
        """All messages, by channel."""
        counts: Counter[str] = Counter()
        for (_, channel), count in self.days.items():
            counts[channel] += count
        return counts


def count_run(
    connection: Connection, campaign_key: str, *, seed: int, as_of: datetime, since: datetime | None = None
) -> RunFigures:
    """Count what became of a campaign.

    Args:
        seed: of the run.
        as_of: what happened later (aware) is not counted.
        since: messages up to then were sent before the run began, and are none of its own.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    path = funnel(connection, campaign_key, as_of=as_of)
    waves: Counter[str] = Counter()
    days: Counter[tuple[str, str]] = Counter()
    hours: Counter[tuple[str, datetime]] = Counter()
    for key, channel, at, count in connection.execute(_sent(campaign_id, as_of=as_of, since=since)):
        hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        waves[key] += count
        days[hour.date().isoformat(), channel] += count
        hours[channel, hour] += count
    peak: Counter[str] = Counter()
    for (channel, _), count in hours.items():
        peak[channel] = max(peak[channel], count)
    told: Counter[str] = Counter()
    for kind, count in connection.execute(
        select(delivery_event.c.kind, func.count())
        .where(delivery_event.c.campaign_id == campaign_id, delivery_event.c.occurred_at <= as_of)
        .group_by(delivery_event.c.kind)
    ):
        told[kind] += count
    status = connection.execute(select(campaign.c.status).where(campaign.c.id == campaign_id)).scalar_one()
    return RunFigures(
        seed=seed,
        waves=dict(waves),
        days=dict(days),
        peak=dict(peak),
        steps={AUDIENCE: path.audience, **{each.step.value: each.count for each in path.steps}},
        held_out=path.comparison.holdout.total,
        finished_without=path.comparison.holdout.count,
        opted_out=told[EventKind.OPTED_OUT],
        bounced=told[EventKind.BOUNCED],
        stopped=status != WaveStatus.OPEN.value,
    )


def _sent(campaign_id: int, *, as_of: datetime, since: datetime | None) -> Select[str, str, datetime, int]:
    conditions = [
        wave.c.campaign_id == campaign_id,
        delivery.c.state.in_([state.value for state in ACCEPTED_STATES]),
        handover.c.as_of <= as_of,
    ]
    if since is not None:
        conditions.append(handover.c.as_of > since)
    return (
        select(wave.c.key, delivery.c.channel, handover.c.as_of, func.count())
        .select_from(
            wave.join(delivery, delivery.c.wave_id == wave.c.id).join(
                handover,
                and_(handover.c.id == delivery.c.handover_id, handover.c.wave_id == delivery.c.wave_id),
            )
        )
        .where(*conditions)
        .group_by(wave.c.key, delivery.c.channel, handover.c.as_of)
    )
