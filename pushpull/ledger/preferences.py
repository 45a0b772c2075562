"""What a learner allows, as one page of switches, and the words they say there.

A switch stands for one family of messages on one channel. What the words mean together is decided in
:mod:`pushpull.learners.consent`; here they are gathered, shown and recorded.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, union

from pushpull.learners.consent import (
    UnknownLearner,
    blocked_channels,
    lock_learner,
    opt_in,
    opt_out,
    tombstone_of,
)
from pushpull.learners.tables import consent, learner
from pushpull.learners.vocabulary import ANY_CHANNEL, ANY_FAMILY, Channel
from pushpull.ledger.events import DeliveryFact, record_facts
from pushpull.ledger.reach import ADDRESS, OPT_IN_CHANNELS
from pushpull.ledger.reports import accepted_messages
from pushpull.ledger.tables import campaign, contact, handover, wave
from pushpull.ledger.vocabulary import EventKind, MessageClass

#: A channel and a family.
Switch = tuple[Channel, str]


@dataclass(frozen=True, slots=True)
class Preferences:
    """The switches of one learner.

    Args:
        language: the learner's, BCP 47; empty when unknown.
        channels: on which the learner has an address.
        families: of all campaigns a learner may opt out of, and those the learner has spoken about.
        on: the switches that let messages through.
    """

    language: str
    channels: tuple[Channel, ...]
    families: tuple[str, ...]
    on: frozenset[Switch]


def preferences(connection: Connection, learner_id: int) -> Preferences | None:
    """The learner's switches as they stand; None when there is no such learner."""
    person = connection.execute(
        select(
            learner.c.external_id,
            learner.c.preferred_language,
            *(ADDRESS[channel].label(f"to_{channel.value}") for channel in Channel),
        ).where(learner.c.id == learner_id)
    ).one_or_none()
    if person is None or person.external_id == tombstone_of(learner_id):
        return None
    channels = tuple(channel for channel in Channel if getattr(person, f"to_{channel.value}"))
    families = connection.execute(
        union(
            select(campaign.c.family).where(campaign.c.message_class != MessageClass.MANDATORY.value),
            select(consent.c.family).where(consent.c.learner_id == learner_id, consent.c.family != ANY_FAMILY),
        )
    ).scalars()
    names = tuple(sorted(set(families)))
    switched_on = frozenset(switch for family in names for switch in _on(connection, learner_id, channels, family))
    return Preferences(person.preferred_language or "", channels, names, switched_on)


def _on(connection: Connection, learner_id: int, channels: tuple[Channel, ...], family: str) -> frozenset[Switch]:
    if not channels:
        return frozenset()
    blocked = blocked_channels(family, channels, among=lambda column: column == learner_id)
    row = connection.execute(select(blocked).where(blocked.c.learner_id == learner_id)).mappings().one_or_none()
    said = dict(row or {})
    return frozenset(
        (channel, family)
        for channel in channels
        if not said.get(f"opted_out_{channel.value}")
        and (channel not in OPT_IN_CHANNELS or said.get(f"granted_{channel.value}"))
    )


def change_preferences(
    connection: Connection, learner_id: int, *, shown: Collection[Switch], on: Collection[Switch], at: datetime
) -> Preferences | None:
    """Set the switches a page showed; what stands already is not said again.

    Args:
        shown: the switches that were on the page; others, and unknown ones, stay as they are.
        on: those of them that the learner left on.

    Returns:
        The switches as they are now; None when there is no such learner.
    """
    try:
        lock_learner(connection, learner_id)
    except UnknownLearner:
        return None
    before = preferences(connection, learner_id)
    if before is None:
        return None
    for channel, family in sorted(set(shown)):
        if channel not in before.channels or family not in before.families:
            continue
        wanted = (channel, family) in on
        if wanted != ((channel, family) in before.on):
            say = opt_in if wanted else opt_out
            say(connection, learner_id, channel=channel.value, family=family, source="preferences", at=at)
    return preferences(connection, learner_id)


def stop_everything(connection: Connection, learner_id: int, *, at: datetime) -> Preferences | None:
    """No more messages of any family on any channel, but for obligations; None when there is no such learner."""
    if preferences(connection, learner_id) is None:
        return None
    opt_out(connection, learner_id, channel=ANY_CHANNEL, family=ANY_FAMILY, source="preferences", at=at)
    return preferences(connection, learner_id)


def unsubscribe(
    connection: Connection, learner_id: int, *, channel: str, family: str, token_id: str, at: datetime
) -> None:
    """One click: the learner wants no more of this family on this channel.

    The campaign whose message was the last one of that kind is told, so that its stop thresholds see it: once per
    link, however often it is clicked.

    Args:
        token_id: the link's own id.

    Raises:
        pushpull.learners.consent.UnknownLearner: there is no such learner.
    """
    opt_out(connection, learner_id, channel=channel, family=family, source="one_click", at=at)
    last = connection.execute(
        accepted_messages(learner_id, channel)
        .where(wave.c.family == family)
        .order_by(contact.c.local_day.desc(), handover.c.intended_at.desc())
        .limit(1)
    ).one_or_none()
    if last is not None:
        fact = DeliveryFact(
            source="one_click",
            source_id=token_id,
            wave_id=last.wave_id,
            rotation=last.rotation,
            learner_id=learner_id,
            kind=EventKind.OPTED_OUT,
            occurred_at=at,
        )
        record_facts(connection, [fact])
