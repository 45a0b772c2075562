"""With which chances a wave's channels are tried first, where its campaign lets them follow success.

The wave's spec keeps the chances, and so the ledger does. Who may be reached over what is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, and_, case, func, literal, or_, select

from pushpull.db import days_after
from pushpull.insights.experiments.lots import thompson
from pushpull.insights.experiments.plan import Metric, experiments_of
from pushpull.insights.experiments.tally import succeeded
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.reach import drawn_first
from pushpull.ledger.specs import ChannelsBy, WaveSpec
from pushpull.ledger.tables import delivery, wave
from pushpull.ledger.vocabulary import Arm, DeliveryState, MessageClass

#: What counts where the wave has no experiment that says otherwise: a click within so many days.
_METRIC, _WITHIN_DAYS = Metric.CLICKED, 7
#: So many waves are looked back: a year of weekly ones, and a daily one's statement stays small.
_LATEST_WAVES = 60


def channels_drawn(connection: Connection, spec: WaveSpec, *, as_of: datetime) -> WaveSpec:
    """A wave with the chances of its channels, as of now; the wave itself where they are tried as written.

    Thompson sampling as for variants (:mod:`pushpull.insights.experiments.lots`). The same ledger gives the same
    chances: the draws are seeded by campaign, series and day.

    Raises:
        UnknownCampaignError: the wave's campaign was never registered.
    """
    if spec.channels_by is not ChannelsBy.THOMPSON or spec.message_class is MessageClass.MANDATORY:
        return spec
    tallies = {channel.value: (0, 0) for channel in spec.channels}
    tallies |= _tallies(connection, campaign_id_of(connection, spec.campaign_key), spec, as_of=as_of)
    weights = thompson(tallies, seed=f"channels:{spec.campaign_key}:{spec.series}:{spec.on.isoformat()}")
    return spec.model_copy(update={"channel_weights": tuple((Channel(name), each) for name, each in weights.items())})


def _tallies(
    connection: Connection, campaign_id: int, spec: WaveSpec, *, as_of: datetime
) -> Mapping[str, tuple[int, int]]:
    """Successes and failures by channel, of the series' messages whose days are over.

    Only messages that went over the channel drawn for them count. What went elsewhere, because that one was blocked or
    because no lot was drawn, went to people who differ, and says little of the channel.
    """
    plan = next((each for each in experiments_of(connection, campaign_id) if each.wave == spec.series), None)
    metric, days = (plan.metric, plan.within_days) if plan else (_METRIC, _WITHIN_DAYS)
    earlier = connection.execute(
        select(wave.c.id, wave.c.spec)
        .where(
            wave.c.campaign_id == campaign_id,
            wave.c.series == spec.series,
            wave.c.planned_at.is_not(None),
            wave.c.planned_as_of <= as_of,
        )
        .order_by(wave.c.planned_as_of.desc(), wave.c.id.desc())
        .limit(_LATEST_WAVES)
    )
    row = delivery.c
    as_drawn = [
        and_(row.wave_id == wave_id, row.channel == channel.value, is_theirs)
        for wave_id, stored in earlier
        for channel, is_theirs in drawn_first(WaveSpec.model_validate(stored)).items()
        if channel in spec.channels
    ]
    if not as_drawn:
        return {}
    over = days_after(row.due_at, literal(float(days)))
    success = case((succeeded(metric, delivery, over), 1), else_=0)
    messages = (
        select(row.channel, success.label("succeeded"))
        .select_from(delivery.join(learner, learner.c.id == row.learner_id))
        .where(
            or_(*as_drawn),
            row.rotation == 0,  # whom a later one is for was chosen by what happened
            row.arm == Arm.TREATED.value,
            row.state != DeliveryState.SKIPPED.value,
            row.due_at.is_not(None),
            over <= literal(as_of, over.type),
        )
        .subquery("messages")
    )
    found = connection.execute(
        select(messages.c.channel, func.sum(messages.c.succeeded).label("won"), func.count().label("sent")).group_by(
            messages.c.channel
        )
    )
    return {each.channel: (int(each.won), int(each.sent) - int(each.won)) for each in found}
