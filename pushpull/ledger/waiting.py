"""What waits for a person: switches, held waves and campaigns, stopped channels, parked deliveries, replies.

It is always a query. Deciding about them is in :mod:`pushpull.ledger.switches`, :mod:`pushpull.ledger.campaigns`,
:mod:`pushpull.ledger.reconcile` and :mod:`pushpull.ledger.replies`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Connection, String, and_, cast, distinct, func, select

from pushpull.ledger.approvals import HELD_AGAIN
from pushpull.ledger.preflight import HELD_BY_PREFLIGHT
from pushpull.ledger.replies import refusals
from pushpull.ledger.switches import Switches, switches
from pushpull.ledger.tables import attempt, audit, campaign, channel_pause, delivery, wave
from pushpull.ledger.vocabulary import DeliveryState, HoldReason, WaveStatus

_QUESTIONS = {
    HoldReason.APPROVAL.value: "it reaches more learners than may be sent to unasked",
    HoldReason.MISFIRE.value: "it is late: is it still wanted?",
    HoldReason.PREFLIGHT.value: "it failed the checks before sending",
    HoldReason.REJECTED.value: "a person rejected it: change its content, or cancel it",
}
#: What answers them; everything else is released.
_ANSWERS = {HoldReason.APPROVAL.value: "approve", HoldReason.REJECTED.value: "cancel"}


@dataclass(frozen=True)
class Waiting:
    """One thing that goes on only when a person says so.

    Args:
        kind: ``switch``, ``wave``, ``campaign``, ``channel``, ``parked`` or ``reply``.
        what: its key or name.
        why: the question, in words.
        command: what answers it; the reason is left to the person.
    """

    kind: str
    what: str
    why: str
    command: str


def waiting_for_a_person(connection: Connection) -> list[Waiting]:
    """Everything that waits, what concerns most learners first."""
    return [
        *_switches(connection),
        *_channels(connection),
        *_campaigns(connection),
        *_waves(connection),
        *_parked(connection),
        *_replies(connection),
    ]


def _switches(connection: Connection) -> list[Waiting]:
    """What was set for everything at once, so that nobody forgets it."""
    now_set = switches(connection)
    if now_set == Switches():
        return []
    # Going on would not help where a value that cannot be used pauses: that one is to be corrected.
    is_by_a_person = now_set.is_paused and not now_set.why_paused
    command = "pushpull switch go-on" if is_by_a_person else "pushpull switch show"
    return [Waiting("switch", "everything", now_set.sentence(), command)]


def _channels(connection: Connection) -> list[Waiting]:
    rows = connection.execute(
        select(channel_pause.c.channel, channel_pause.c.reason)
        .where(channel_pause.c.until.is_(None))
        .order_by(channel_pause.c.channel)
    )
    return [
        Waiting("channel", row.channel, f"it cannot send: {row.reason}", f"pushpull channel resume {row.channel}")
        for row in rows
    ]


def _campaigns(connection: Connection) -> list[Waiting]:
    rows = connection.execute(
        select(campaign.c.key, campaign.c.status_reason)
        .where(campaign.c.status == WaveStatus.HELD.value)
        .order_by(campaign.c.key)
    )
    return [
        Waiting("campaign", row.key, f"it stopped itself: {row.status_reason}", f"pushpull campaign resume {row.key}")
        for row in rows
    ]


def _waves(connection: Connection) -> list[Waiting]:
    held_because = (
        select(audit.c.why)
        .where(audit.c.what == f"wave {WaveStatus.HELD.value}", audit.c.subject == cast(wave.c.id, String))
        .order_by(audit.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(campaign.c.key.label("campaign_key"), wave.c.key, wave.c.status_reason, held_because.label("because"))
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(
            wave.c.status == WaveStatus.HELD.value,
            wave.c.finished_at.is_(None),
            campaign.c.status != WaveStatus.CANCELLED.value,
        )
        .order_by(wave.c.scheduled_for, wave.c.id)
    )
    return [
        Waiting(
            "wave",
            row.key,
            _question(row.status_reason, row.because),
            f"pushpull wave {_ANSWERS.get(row.status_reason, 'release')} {row.campaign_key} {row.key}",
        )
        for row in rows
    ]


def _question(reason: str | None, because: str | None) -> str:
    question = _QUESTIONS.get(reason or "", str(reason))
    if reason == HoldReason.PREFLIGHT.value and because:
        return f"{question}: {because.removeprefix(HELD_BY_PREFLIGHT)}"
    if reason == HoldReason.APPROVAL.value and because and because.startswith(HELD_AGAIN):
        return because
    return question


def _parked(connection: Connection) -> list[Waiting]:
    # Parking leaves an attempt, and attempts are few: no scan of the deliveries, which are many.
    same = and_(
        delivery.c.wave_id == attempt.c.wave_id,
        delivery.c.rotation == attempt.c.rotation,
        delivery.c.learner_id == attempt.c.learner_id,
    )
    rows = connection.execute(
        select(wave.c.key, func.count(distinct(attempt.c.learner_id)).label("many"))
        .select_from(attempt.join(delivery, same).join(wave, wave.c.id == attempt.c.wave_id))
        .where(attempt.c.outcome == "parked", delivery.c.state == DeliveryState.PARKED.value)
        .group_by(wave.c.id, wave.c.key)
        .order_by(wave.c.id)
    )
    return [
        Waiting("parked", row.key, f"nobody knows whether {row.many} deliveries arrived", "pushpull parked list")
        for row in rows
    ]


def _replies(connection: Connection) -> list[Waiting]:
    by_channel = Counter(each.channel for each in refusals(connection))
    return [
        Waiting(
            "reply", channel, f"{many} replies read like a refusal: nothing is sent there now", "pushpull replies list"
        )
        for channel, many in sorted(by_channel.items())
    ]
