"""What a learner is told about themselves: what is known of them, and which messages they got, will get or did not get.

The same facts as in `explain`, for other eyes. Learners read no ids and no rules of a campaign, and nothing that would
end an experiment: of messages kept back to measure their effect they learn that they are in a comparison group for
now, and not of which campaign. The reading is bounded (the latest waves, looked up by the key of their rows), because
it happens while somebody waits for a page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Integer, Subquery, and_, func, literal, select, tuple_

from pushpull.catalogue.tables import item
from pushpull.ledger.tables import campaign, delivery, handover, pick, rotation, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, DeliveryState, MessageClass, Reason

#: How many of the latest waves are looked at, and how many messages are told.
_WAVES: Final = 300
MOST_MESSAGES: Final = 50


class Became(StrEnum):
    """What became of a message, as its reader sees it."""

    SENT = "sent"
    PLANNED = "planned"
    NOT_SENT = "not_sent"
    UNSURE = "unsure"


class Because(StrEnum):
    """Why a message waits or was not sent, as its reader may know it."""

    COMPARISON = "comparison"
    LEFT = "left"
    DONE = "done"
    WITHDREW = "withdrew"
    OPTED_OUT = "opted_out"
    ADDRESS = "address"
    NO_ADDRESS = "no_address"
    NO_YES = "no_yes"
    NO_LONGER_FITS = "no_longer_fits"
    NOTHING_FITS = "nothing_fits"
    ENOUGH = "enough"
    OTHER_FIRST = "other_first"
    QUIET = "quiet"
    TOO_LATE = "too_late"
    ACTIVE = "active"
    FIRST_STEP = "first_step"
    OTHER_WAY = "other_way"
    OUR_SIDE = "our_side"
    PAUSED = "paused"
    RESTING = "resting"
    UNANSWERED = "unanswered"
    REFUSED = "refused"
    TRYING = "trying"


#: Every reason of the ledger in the words for its reader.
BECAUSE: Final[Mapping[Reason, Because]] = {
    Reason.HOLDOUT: Because.COMPARISON,
    Reason.GLOBAL_HOLDOUT: Because.COMPARISON,
    Reason.INACTIVE: Because.LEFT,
    Reason.COMPLETED: Because.DONE,
    Reason.WITHDRAWN: Because.WITHDREW,
    Reason.OPTED_OUT: Because.OPTED_OUT,
    Reason.SUPPRESSED: Because.ADDRESS,
    Reason.NO_ADDRESS: Because.NO_ADDRESS,
    Reason.NO_CONSENT: Because.NO_YES,
    Reason.NO_LONGER_IN_SEGMENT: Because.NO_LONGER_FITS,
    Reason.NOTHING_TO_RECOMMEND: Because.NOTHING_FITS,
    Reason.CAPPED: Because.ENOUGH,
    Reason.YIELDED: Because.OTHER_FIRST,
    Reason.QUIET_HOURS: Because.QUIET,
    Reason.EXPIRED: Because.TOO_LATE,
    Reason.ACTIVE_AGAIN: Because.ACTIVE,
    Reason.FIRST_STEP_MISSING: Because.FIRST_STEP,
    Reason.INTENSITY: Because.ACTIVE,
    Reason.REROUTED: Because.OTHER_WAY,
    Reason.CANCELLED: Because.OUR_SIDE,
    Reason.RENDER_FAILED: Because.OUR_SIDE,
    Reason.NOT_APPROVED: Because.OUR_SIDE,
    Reason.DIVERTED: Because.OUR_SIDE,
    Reason.PAUSED_BY_LEARNER: Because.PAUSED,
    Reason.RESTING: Because.RESTING,
    Reason.GOAL_MET: Because.RESTING,
    Reason.NUDGED_TODAY: Because.RESTING,
    Reason.FADING: Because.RESTING,
    Reason.UNANSWERED: Because.UNANSWERED,
    Reason.PROVIDER_REFUSED: Because.REFUSED,
    Reason.NOT_PROCESSED: Because.TRYING,
    Reason.UNKNOWN_OUTCOME: Because.TRYING,
    Reason.LEASE_EXPIRED: Because.TRYING,
    Reason.NO_EVIDENCE: Because.TRYING,
    Reason.POSSIBLE_DUPLICATE: Because.TRYING,
}

_PLANNED = frozenset({DeliveryState.PLANNED.value, DeliveryState.HELD.value, DeliveryState.CLAIMED.value})
_SENT = frozenset({DeliveryState.ACCEPTED.value, DeliveryState.DELIVERED.value})
_NOT_SENT = frozenset({DeliveryState.SKIPPED.value, DeliveryState.REJECTED.value})


@dataclass(frozen=True, slots=True)
class Picked:
    """An item that a message recommended, and why.

    Args:
        kind, value: as in ``pick``.
    """

    title: str
    kind: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a learner.

    Args:
        at: when it was sent, will be, or was given up; UTC.
        because: why it waits or was not sent; None where it was, or nothing speaks against it.
        campaign: its name; empty where naming it would end an experiment.
        message_class: what entitles us to send it.
        channel: over which; empty where none.
        picked: what it recommended.
        times: how often it was so; more than 1 where entries that say the same are told once.
    """

    at: datetime
    became: Became
    because: Because | None
    campaign: str
    message_class: MessageClass
    channel: str
    picked: tuple[Picked, ...] = ()
    times: int = 1


def messages_of(connection: Connection, learner_id: int, *, as_of: datetime) -> tuple[Message, ...]:
    """A learner's latest messages, the newest first; at most :data:`MOST_MESSAGES`.

    Args:
        as_of: now, UTC.
    """
    rows = _rows(connection, learner_id, as_of)
    picked = _picked(connection, learner_id, rows)
    told: list[Message] = []
    compared: list[Message] = []
    for row in rows:
        message = _message(row, picked.get((row.wave_id, row.rotation), ()))
        (compared if message.because is Because.COMPARISON else told).append(message)
    if compared:
        latest = compared[0]
        told.append(Message(latest.at, latest.became, latest.because, "", latest.message_class, "", (), len(compared)))
    return tuple(sorted(told, key=lambda each: each.at, reverse=True))


def _message(row: Any, picked: Sequence[Picked]) -> Message:
    became = _became(row.state)
    because = None if became is Became.SENT or row.reason is None else BECAUSE[Reason(row.reason)]
    if became is Became.NOT_SENT and because is None:
        because = Because.OUR_SIDE if row.state == DeliveryState.SKIPPED else Because.REFUSED
    is_shown = became is not Became.NOT_SENT
    return Message(
        at=row.at,
        became=became,
        because=because,
        campaign=row.name,
        message_class=MessageClass(row.message_class),
        channel=(row.channel or "") if is_shown else "",
        picked=tuple(picked) if is_shown else (),
    )


def _became(state: str) -> Became:
    if state in _PLANNED:
        return Became.PLANNED
    if state in _SENT:
        return Became.SENT
    if state in _NOT_SENT or state in ACCEPTED_STATES:  # accepted, and then it bounced
        return Became.NOT_SENT
    return Became.UNSURE


def _rounds(as_of: datetime) -> Subquery:
    """The latest waves with each of their rotations: with the learner they are whole keys of ``delivery``."""
    latest = (
        select(wave.c.id)
        .where(wave.c.planned_as_of <= as_of)
        .order_by(wave.c.planned_as_of.desc(), wave.c.id.desc())
        .limit(_WAVES)
        .subquery("latest")
    )
    first = select(latest.c.id.label("wave_id"), literal(0, Integer).label("rotation"))
    again = select(rotation.c.wave_id, rotation.c.rotation).join(latest, latest.c.id == rotation.c.wave_id)
    return first.union(again).subquery("rounds")


def _rows(connection: Connection, learner_id: int, as_of: datetime) -> Sequence[Any]:
    rounds = _rounds(as_of)
    mine = and_(
        delivery.c.wave_id == rounds.c.wave_id,
        delivery.c.rotation == rounds.c.rotation,
        delivery.c.learner_id == learner_id,
    )
    at = func.coalesce(handover.c.as_of, delivery.c.settled_at, delivery.c.due_at, wave.c.planned_as_of)
    return connection.execute(
        select(
            delivery.c.wave_id,
            delivery.c.rotation,
            delivery.c.state,
            delivery.c.reason,
            delivery.c.channel,
            campaign.c.name,
            wave.c.message_class,
            at.label("at"),
        )
        .select_from(
            rounds.join(delivery, mine)
            .join(wave, wave.c.id == delivery.c.wave_id)
            .join(campaign, campaign.c.id == wave.c.campaign_id)
            .outerjoin(handover, handover.c.id == delivery.c.handover_id)
        )
        .order_by(at.desc(), delivery.c.wave_id.desc(), delivery.c.rotation.desc())
        .limit(MOST_MESSAGES)
    ).all()


def _picked(connection: Connection, learner_id: int, rows: Sequence[Any]) -> dict[tuple[int, int], list[Picked]]:
    keys = [(row.wave_id, row.rotation, learner_id) for row in rows]
    found: dict[tuple[int, int], list[Picked]] = defaultdict(list)
    if not keys:
        return found
    for row in connection.execute(
        select(pick, item.c.title)
        .join(item, item.c.id == pick.c.item_id)
        .where(tuple_(pick.c.wave_id, pick.c.rotation, pick.c.learner_id).in_(keys))
        .order_by(pick.c.position)
    ):
        found[row.wave_id, row.rotation].append(Picked(row.title, row.reason_kind, row.reason_value))
    return found
