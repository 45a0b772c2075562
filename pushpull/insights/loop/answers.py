"""Answers to messages: of the learners a series of waves reached, those who came within three days.

An answer is a link of the very message that a person followed, or anything they did on the campaign's items. Some would
have come anyway: shares of answers compare messages with each other, they are no effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, Subquery, and_, case, func, literal, or_, select

from pushpull.db import days_after
from pushpull.insights.proportions import Proportion
from pushpull.learners.tables import activity
from pushpull.ledger.tables import delivery, delivery_event, handover, wave
from pushpull.ledger.terms import campaign_items
from pushpull.ledger.visits import was_there
from pushpull.ledger.vocabulary import ACCEPTED_STATES, EventKind

#: What follows a message within so many days is an answer to it.
ANSWER_DAYS: Final = 3.0

#: Deliveries with their wave and handover.
ON_THEIR_WAY: Final = delivery.join(wave, wave.c.id == delivery.c.wave_id).join(
    handover, handover.c.id == delivery.c.handover_id
)
_sent_at: Final = func.coalesce(handover.c.send_at, handover.c.as_of)


@dataclass(frozen=True, slots=True)
class Answers:
    """How learners answered a series over one channel.

    Args:
        people: those who answered at least once, of those who were reached.
    """

    series: str
    channel: str
    people: Proportion


def were_sent(campaign_id: int, *, since: datetime, until: datetime) -> ColumnElement[bool]:
    """Which deliveries :data:`ON_THEIR_WAY` were taken by a provider, from ``since`` to before ``until``."""
    return and_(
        wave.c.campaign_id == campaign_id,
        delivery.c.state.in_([state.value for state in ACCEPTED_STATES]),
        handover.c.diverted_to.is_(None),
        _sent_at >= since,
        _sent_at < until,
    )


def answers_by_channel(
    connection: Connection, campaign_id: int, *, since: datetime, until: datetime
) -> tuple[Answers, ...]:
    """All series of a campaign over all channels, in alphabetical order.

    Args:
        since, until: messages handed over from ``since`` to before ``until``, UTC.
    """
    reached = _reached(connection, campaign_id, "", since=since, until=until)
    person = (
        select(
            reached.c.series, reached.c.channel, reached.c.learner_id, func.max(reached.c.answered).label("answered")
        )
        .group_by(reached.c.series, reached.c.channel, reached.c.learner_id)
        .subquery("person")
    )
    rows = connection.execute(
        select(person.c.series, person.c.channel, func.sum(person.c.answered), func.count())
        .group_by(person.c.series, person.c.channel)
        .order_by(person.c.series, person.c.channel)
    )
    return tuple(Answers(series, channel, Proportion(int(yes), int(all_))) for series, channel, yes, all_ in rows)


def answers_to(
    connection: Connection, campaign_id: int, series: str, *, since: datetime, until: datetime
) -> Proportion:
    """One series over all channels together."""
    reached = _reached(connection, campaign_id, series, since=since, until=until)
    person = (
        select(reached.c.learner_id, func.max(reached.c.answered).label("answered"))
        .group_by(reached.c.learner_id)
        .subquery("person")
    )
    yes, all_ = connection.execute(select(func.sum(person.c.answered), func.count()).select_from(person)).one()
    return Proportion(int(yes or 0), int(all_))


def _reached(connection: Connection, campaign_id: int, series: str, *, since: datetime, until: datetime) -> Subquery:
    """``reached(series, channel, learner_id, answered)``: one row per accepted message."""
    answer_by = days_after(_sent_at, literal(ANSWER_DAYS))
    clicked = (
        select(delivery_event.c.learner_id)
        .where(
            delivery_event.c.wave_id == delivery.c.wave_id,
            delivery_event.c.rotation == delivery.c.rotation,
            delivery_event.c.learner_id == delivery.c.learner_id,
            delivery_event.c.kind == EventKind.CLICKED.value,
            days_after(delivery_event.c.occurred_at, literal(0.0)) <= answer_by,
        )
        .correlate(delivery, handover)
        .exists()
    )
    items = campaign_items(connection, campaign_id)
    came = (
        select(activity.c.id)
        .where(
            activity.c.learner_id == delivery.c.learner_id,
            was_there(items, since=since, until=until + timedelta(days=ANSWER_DAYS)),
            activity.c.occurred_at > _sent_at,
            days_after(activity.c.occurred_at, literal(0.0)) <= answer_by,
        )
        .correlate(delivery, handover)
        .exists()
    )
    statement = (
        select(
            wave.c.series,
            delivery.c.channel,
            delivery.c.learner_id,
            case((or_(clicked, came), 1), else_=0).label("answered"),
        )
        .select_from(ON_THEIR_WAY)
        .where(were_sent(campaign_id, since=since, until=until))
    )
    return (statement.where(wave.c.series == series) if series else statement).subquery("reached")
