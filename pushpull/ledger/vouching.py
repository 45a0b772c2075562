"""What becomes of those who were asked to vouch for a campaign: they accept or decline on their page, and rotate.

A term lasts :data:`TERM`; then somebody else has the place, and nobody is asked again before
:data:`pushpull.ledger.champions.REST` is over. An invitation nobody answers lapses. Who is asked is decided in
:mod:`pushpull.ledger.champions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from pushpull.db import insert_into, rows_written
from pushpull.learners.consent import lock_learner
from pushpull.learners.segments import Segment, SegmentContext, parse_segment
from pushpull.learners.tables import champion, learner, lifecycle, lifecycle_event
from pushpull.learners.vocabulary import ChampionState, LifecycleKind
from pushpull.ledger.specs import CHAMPIONS_STAGE
from pushpull.ledger.tables import campaign, wave
from pushpull.ledger.terms import campaign_items
from pushpull.ledger.vested import has_interest
from pushpull.ledger.vocabulary import WaveStatus

#: How long somebody is a champion.
TERM: Final = timedelta(days=90)
#: How long an invitation waits for its answer.
ANSWER_WITHIN: Final = timedelta(days=21)


class NotAskedError(LookupError):
    """The learner is not asked to vouch for the campaign, or no longer."""

    def __init__(self) -> None:
        super().__init__("nothing is asked of this learner any more: nothing was recorded")


@dataclass(frozen=True, slots=True)
class Vouching:
    """What a learner is asked, or said yes to.

    Args:
        campaign: its name.
        state: invited or accepted.
        ends_at: of the term; None while it is a question.
    """

    campaign_id: int
    campaign: str
    state: ChampionState
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Turned:
    """What rotating came to.

    Args:
        rotated: champions whose term is over, or who may not vouch any more.
        lapsed: invitations that nobody answered.
    """

    rotated: int
    lapsed: int


def vouching_of(connection: Connection, learner_id: int, now: datetime) -> tuple[Vouching, ...]:
    """What the learner is asked and what they agreed to, of campaigns that run; the questions first."""
    rows = connection.execute(
        select(champion.c.campaign_id, campaign.c.name, champion.c.state, champion.c.ends_at)
        .join(campaign, campaign.c.id == champion.c.campaign_id)
        .where(champion.c.learner_id == learner_id, _is_open(now))
        .order_by(champion.c.ends_at.is_not(None), champion.c.campaign_id)
    )
    return tuple(Vouching(row.campaign_id, row.name, ChampionState(row.state), row.ends_at) for row in rows)


def asks_to_vouch(connection: Connection, wave_id: int | None) -> bool:
    """Whether the message of a wave asks this, so that its link leads to the question."""
    if wave_id is None:
        return False
    return connection.execute(select(wave.c.stage).where(wave.c.id == wave_id)).scalar() == CHAMPIONS_STAGE


def answer(connection: Connection, learner_id: int, campaign_id: int, *, is_yes: bool, at: datetime) -> ChampionState:
    """Keep what a learner answers, or that they stop before their term is over.

    Args:
        is_yes: they vouch; saying so again changes nothing.
        at: aware.

    Returns:
        Where they stand now.

    Raises:
        NotAskedError: nothing is asked of them, or they may not vouch any more.
        UnknownLearner: there is no such learner.
    """
    lock_learner(connection, learner_id)
    mine = and_(champion.c.learner_id == learner_id, champion.c.campaign_id == campaign_id)
    row = connection.execute(
        select(champion.c.state)
        .join(campaign, campaign.c.id == champion.c.campaign_id)
        .where(mine, _is_open(at))
        .with_for_update(of=champion)
    ).one_or_none()
    if row is None:
        raise NotAskedError
    if is_yes and row.state == ChampionState.ACCEPTED:
        return ChampionState.ACCEPTED
    if is_yes and _may_not(connection, learner_id, campaign_id, at):
        raise NotAskedError
    state = ChampionState.ROTATED if row.state == ChampionState.ACCEPTED else ChampionState.DECLINED
    values: dict[str, Any] = {"state": state.value, "answered_at": at}
    if is_yes:
        state = ChampionState.ACCEPTED
        values = {"state": state.value, "answered_at": at, "ends_at": at + TERM}
        _tell(connection, learner_id, campaign_id, at)
    elif row.state == ChampionState.ACCEPTED:
        values = {"state": state.value, "ends_at": at}
    connection.execute(update(champion).where(mine).values(values))
    return state


def rotate(connection: Connection, campaign_id: int, now: datetime) -> Turned:
    """End the terms that are over, of those too who left or got an interest of their own, and unanswered invitations.

    Args:
        now: aware.
    """
    of_campaign = champion.c.campaign_id == campaign_id
    context, vested = _about(connection, campaign_id, now)
    unfit = select(learner.c.id).where(or_(learner.c.active.is_(False), has_interest(context, vested)))
    rotated = connection.execute(
        update(champion)
        .where(
            of_campaign,
            champion.c.state == ChampionState.ACCEPTED.value,
            or_(champion.c.ends_at <= now, champion.c.learner_id.in_(unfit)),
        )
        .values(state=ChampionState.ROTATED.value)
    )
    ended = rows_written(connection, rotated)
    lapsed = connection.execute(
        update(champion)
        .where(
            of_campaign,
            champion.c.state == ChampionState.INVITED.value,
            or_(champion.c.invited_at <= now - ANSWER_WITHIN, champion.c.learner_id.in_(unfit)),
        )
        .values(state=ChampionState.DECLINED.value)
    )
    return Turned(ended, rows_written(connection, lapsed))


def _is_open(now: datetime) -> ColumnElement[bool]:
    """Whether a row of ``champion``, joined to its campaign, is a question or a term that is not over."""
    asked = and_(champion.c.state == ChampionState.INVITED.value, champion.c.invited_at > now - ANSWER_WITHIN)
    vouches = and_(champion.c.state == ChampionState.ACCEPTED.value, champion.c.ends_at > now)
    runs = and_(
        campaign.c.status != WaveStatus.CANCELLED.value, or_(campaign.c.ends_at.is_(None), campaign.c.ends_at > now)
    )
    return and_(runs, or_(asked, vouches))


def _may_not(connection: Connection, learner_id: int, campaign_id: int, at: datetime) -> bool:
    context, vested = _about(connection, campaign_id, at)
    unfit = or_(learner.c.active.is_(False), has_interest(context, vested))
    return bool(connection.execute(select(unfit).where(learner.c.id == learner_id)).scalar_one())


def _about(connection: Connection, campaign_id: int, as_of: datetime) -> tuple[SegmentContext, Segment | None]:
    """The campaign, and whom its file names as vested."""
    definition = connection.execute(select(campaign.c.definition).where(campaign.c.id == campaign_id)).scalar_one()
    vested = definition.get("vested")
    context = SegmentContext(campaign_id=campaign_id, item_ids=campaign_items(connection, campaign_id), as_of=as_of)
    return context, parse_segment(vested) if vested else None


def _tell(connection: Connection, learner_id: int, campaign_id: int, at: datetime) -> None:
    """The lifecycle moves on, with the next fold."""
    event = {
        "campaign_id": campaign_id,
        "learner_id": learner_id,
        "kind": LifecycleKind.BECAME_CHAMPION.value,
        "source_id": "accepted",
        "occurred_at": at,
    }
    connection.execute(insert_into(connection, lifecycle_event).values(event).on_conflict_do_nothing())
    connection.execute(
        update(lifecycle)
        .where(lifecycle.c.campaign_id == campaign_id, lifecycle.c.learner_id == learner_id)
        .values(folded_to=None)
    )
