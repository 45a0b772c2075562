"""Early signs of interest, and when each learner gave each of them first.

A click is a person's: what scanners and link previews opened, or might have, is not counted. Of conversations with the
bot only that there was an answer to a message of the campaign is known, within three days of it, never what it said.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, String, and_, func, literal, or_, select, union_all

from pushpull.catalogue.tables import item, item_tag
from pushpull.db import UtcDateTime
from pushpull.learners.tables import activity, cue_plan, learner_choice, lifecycle_event, referral
from pushpull.learners.verbs import NOT_ACTIVE_VERBS, OPENING_VERBS
from pushpull.learners.vocabulary import Channel, LifecycleKind
from pushpull.ledger.news import Word
from pushpull.ledger.tables import campaign_item, delivery, delivery_event, fetch
from pushpull.ledger.vocabulary import EventKind, FetchKind, Reader

#: Formats of items that take place at a time.
EVENT_FORMATS: Final = ("event", "live", "meetup", "session", "webinar", "workshop")
#: Verbs by which somebody says that they will come, and that they came.
COMING_VERBS: Final = ("accepted", "enrolled", "registered", "reserved", "rsvp", "rsvped", "rsvped-yes")
CAME_VERBS: Final = ("attended", "joined")


class Signal(StrEnum):
    """What somebody did early."""

    RSVP = "rsvp"  # said that they will come to a webinar or another event of the campaign
    ATTENDED = "attended"  # came to it
    OPENED_INTRO = "opened_intro"  # a person followed a link of the campaign, or opened its first item
    FIRST_USE = "first_use"  # learned something in one of its items
    TALKED_TO_BOT = "talked_to_bot"  # wrote to the bot in Teams or Slack; a refusal is none
    FOLLOWED_SHARE = "followed_share"  # came by a colleague's link
    HABIT = "habit"  # asked for the daily two minutes
    PLAN = "plan"  # made an if-then plan

    @property
    def words(self) -> str:
        """As a person says it, of somebody who did."""
        return _WORDS[self]


_WORDS: Final = {
    Signal.RSVP: "said they would come to an event",
    Signal.ATTENDED: "came to an event",
    Signal.OPENED_INTRO: "opened the introduction",
    Signal.FIRST_USE: "learned something early",
    Signal.TALKED_TO_BOT: "wrote to the bot",
    Signal.FOLLOWED_SHARE: "followed a colleague's link",
    Signal.HABIT: "asked for the daily two minutes",
    Signal.PLAN: "made an if-then plan",
}


def first_signals(connection: Connection, campaign_id: int, *, as_of: datetime) -> list[tuple[int, Signal, datetime]]:
    """Who gave which signal since the campaign reached them, and when first.

    A wish for the daily two minutes is as old as the learner's latest choice: its own time is not kept.

    Args:
        as_of: aware; nothing later is known.
    """
    statement = union_all(
        _at_events(campaign_id, Signal.RSVP, COMING_VERBS, as_of),
        _at_events(campaign_id, Signal.ATTENDED, CAME_VERBS, as_of),
        _clicked(campaign_id, as_of),
        _fetched(campaign_id, as_of),
        _opened_first(campaign_id, as_of),
        _learned(campaign_id, as_of),
        _talked(campaign_id, as_of),
        _first(
            Signal.FOLLOWED_SHARE,
            referral.c.learner_id,
            referral.c.came_at,
            campaign_id,
            as_of,
            referral.c.item_id.in_(items_of(campaign_id)),
        ),
        _first(
            Signal.HABIT,
            learner_choice.c.learner_id,
            learner_choice.c.updated_at,
            campaign_id,
            as_of,
            learner_choice.c.wants_habit,
        ),
        _first(Signal.PLAN, cue_plan.c.learner_id, cue_plan.c.made_at, campaign_id, as_of),
    ).subquery("given")
    at = func.min(statement.c.at, type_=UtcDateTime()).label("at")
    rows = connection.execute(
        select(statement.c.learner_id, statement.c.signal, at).group_by(statement.c.learner_id, statement.c.signal)
    )
    return [(row.learner_id, Signal(row.signal), row.at) for row in rows]


def items_of(campaign_id: int) -> Select[tuple[int]]:
    """Ids of the campaign's items."""
    return select(campaign_item.c.item_id).where(campaign_item.c.campaign_id == campaign_id)


def _first(
    signal: Signal,
    who: ColumnElement[Any],
    at: ColumnElement[Any],
    campaign_id: int,
    as_of: datetime,
    *which: ColumnElement[bool],
) -> Select[Any]:
    moment = func.min(at, type_=UtcDateTime()).label("at")
    named = literal(signal.value, String).label("signal")
    reached = (
        select(func.min(lifecycle_event.c.occurred_at, type_=UtcDateTime()))
        .where(
            lifecycle_event.c.campaign_id == campaign_id,
            lifecycle_event.c.learner_id == who,
            lifecycle_event.c.kind == LifecycleKind.REACHED.value,
        )
        .correlate_except(lifecycle_event)
        .scalar_subquery()
    )
    found: Select[Any] = select(who.label("learner_id"), named, moment)
    return found.where(at <= as_of, at >= reached, *which).group_by(who)


def _of_activity(signal: Signal, campaign_id: int, as_of: datetime, *which: ColumnElement[bool]) -> Select[Any]:
    said = activity.c.voided_at.is_(None)
    return _first(signal, activity.c.learner_id, activity.c.occurred_at, campaign_id, as_of, said, *which)


def _at_events(campaign_id: int, signal: Signal, verbs: tuple[str, ...], as_of: datetime) -> Select[Any]:
    """Events that are items of the campaign, parts of one, or about the same."""
    ours = items_of(campaign_id)
    about = select(item_tag.c.tag).where(item_tag.c.item_id.in_(ours))
    events = select(item.c.id).where(
        item.c.format.in_(EVENT_FORMATS),
        or_(
            item.c.id.in_(ours),
            item.c.part_of.in_(select(item.c.key).where(item.c.id.in_(ours))),
            item.c.id.in_(select(item_tag.c.item_id).where(item_tag.c.tag.in_(about))),
        ),
    )
    return _of_activity(signal, campaign_id, as_of, activity.c.verb.in_(verbs), activity.c.item_id.in_(events))


def _clicked(campaign_id: int, as_of: datetime) -> Select[Any]:
    """The ledger knows of people's clicks alone."""
    clicked = and_(delivery_event.c.campaign_id == campaign_id, delivery_event.c.kind == EventKind.CLICKED.value)
    return _first(
        Signal.OPENED_INTRO, delivery_event.c.learner_id, delivery_event.c.occurred_at, campaign_id, as_of, clicked
    )


def _fetched(campaign_id: int, as_of: datetime) -> Select[Any]:
    by_a_person = and_(
        fetch.c.campaign_id == campaign_id,
        fetch.c.learner_id.is_not(None),
        fetch.c.reader == Reader.HUMAN.value,
        fetch.c.kind.in_([FetchKind.LANDING.value, FetchKind.START.value]),
    )
    return _first(Signal.OPENED_INTRO, fetch.c.learner_id, fetch.c.at, campaign_id, as_of, by_a_person)


def _opened_first(campaign_id: int, as_of: datetime) -> Select[Any]:
    first = items_of(campaign_id).order_by(campaign_item.c.position, campaign_item.c.item_id).limit(1)
    return _of_activity(
        Signal.OPENED_INTRO,
        campaign_id,
        as_of,
        activity.c.verb.in_(OPENING_VERBS),
        activity.c.item_id == first.scalar_subquery(),
    )


def _learned(campaign_id: int, as_of: datetime) -> Select[Any]:
    learning = activity.c.verb.not_in((*NOT_ACTIVE_VERBS, *OPENING_VERBS))
    return _of_activity(Signal.FIRST_USE, campaign_id, as_of, learning, activity.c.item_id.in_(items_of(campaign_id)))


def _talked(campaign_id: int, as_of: datetime) -> Select[Any]:
    """Replies to a message of the campaign that went over a bot."""
    ours = and_(
        delivery.c.wave_id == delivery_event.c.wave_id,
        delivery.c.rotation == delivery_event.c.rotation,
        delivery.c.learner_id == delivery_event.c.learner_id,
        delivery.c.channel.in_([Channel.TEAMS.value, Channel.SLACK.value]),
    )
    by_bot = select(literal(1)).select_from(delivery).where(ours).correlate(delivery_event).exists()
    return _first(
        Signal.TALKED_TO_BOT,
        delivery_event.c.learner_id,
        delivery_event.c.occurred_at,
        campaign_id,
        as_of,
        delivery_event.c.campaign_id == campaign_id,
        delivery_event.c.kind == EventKind.REPLIED.value,
        func.coalesce(delivery_event.c.detail, "") != Word.REFUSAL.value,
        by_bot,
    )
