"""What a wave that is held for approval asks: about which rotation, how many learners, and what was decided so far."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select

from pushpull.ledger.approvals.errors import NotAskedError, WaveOverError
from pushpull.ledger.campaigns import CancelledError
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import approval, campaign, delivery, wave
from pushpull.ledger.vocabulary import OPEN_STATES, Decision, DeliveryState, HoldReason, Reason, WaveStatus

#: Hexadecimal digits of each half of a hash: what is said, and to how many.
HALF = 32

_OPEN = tuple(state.value for state in OPEN_STATES)


@dataclass(frozen=True)
class Question:
    """What a held wave asks.

    Args:
        rotation: which of its rotations is asked about.
        planned: learners it is to reach, whether or not some have been sent to already.
        by_channel: of these.
        content_hash: of all that would be sent: content in the first half, audience in the second.
        needed: how many persons must approve it.
        approved_by: who approved exactly this so far, as they wrote their names.
        expires_at: when the last message is stale; None when none is left to be sent.
        is_rejected: exactly this was rejected, and nothing is asked until it is another.
    """

    wave_id: int
    campaign_key: str
    key: str
    rotation: int
    planned: int
    by_channel: Mapping[str, int]
    content_hash: str
    needed: int
    approved_by: tuple[str, ...]
    expires_at: datetime | None
    is_rejected: bool

    @property
    def is_settled(self) -> bool:
        """Whether enough persons approved exactly this."""
        return len(self.approved_by) >= self.needed


def approvers_needed(spec: WaveSpec, planned: int) -> int:
    """How many persons must approve a rotation: none, one or two.

    Args:
        planned: learners it is to reach.
    """
    if spec.second_approval_threshold is not None and planned > spec.second_approval_threshold:
        return 2
    return int(spec.approval_threshold is not None and planned > spec.approval_threshold)


def waves_that_ask(connection: Connection) -> list[int]:
    """The waves held for approval, and those that were rejected, in the order they were to be sent."""
    asks = and_(
        wave.c.status == WaveStatus.HELD.value,
        wave.c.status_reason.in_([HoldReason.APPROVAL.value, HoldReason.REJECTED.value]),
        wave.c.finished_at.is_(None),
        campaign.c.status != WaveStatus.CANCELLED.value,
    )
    found = select(wave.c.id).join(campaign, campaign.c.id == wave.c.campaign_id).where(asks)
    return list(connection.execute(found.order_by(wave.c.scheduled_for, wave.c.id)).scalars())


def question(connection: Connection, wave_id: int, content: str, *, at: datetime) -> Question:
    """What a wave asks now; its row is locked until the transaction ends.

    The newest rotation that needs an approval and has not got it is asked about; where all have, the newest.

    Args:
        content: digest of what the wave's messages are made of.
        at: the campaign's clock, UTC.

    Raises:
        NotAskedError, WaveOverError, CancelledError: it asks nobody, or no more.
    """
    row = connection.execute(
        select(
            wave.c.key,
            wave.c.status,
            wave.c.status_reason,
            wave.c.finished_at,
            wave.c.spec,
            campaign.c.key.label("campaign_key"),
            campaign.c.status.label("campaign_status"),
        )
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(wave.c.id == wave_id)
        .with_for_update(of=wave)
    ).one()
    if WaveStatus.CANCELLED in (row.status, row.campaign_status):
        raise CancelledError(f"wave {row.key}")
    if row.finished_at is not None:
        raise WaveOverError(f"wave {row.key} is finished: there is nothing left to approve")
    if row.status != WaveStatus.HELD or row.status_reason not in (HoldReason.APPROVAL, HoldReason.REJECTED):
        raise NotAskedError(f"wave {row.key} asks for no approval: it is {_standing(row)}")
    spec = WaveSpec.model_validate(row.spec)
    decided = connection.execute(select(approval).where(approval.c.wave_id == wave_id).order_by(approval.c.id)).all()
    rejected = row.status_reason == HoldReason.REJECTED
    asked = [
        _about(each, decided, wave_id=wave_id, row=row, spec=spec, content=content, is_rejected=rejected)
        for each in _rotations(connection, wave_id)
    ]
    if not asked or not any(each.expires_at is not None and each.expires_at > at for each in asked):
        raise WaveOverError(f"wave {row.key} is over: its messages are stale, and would be skipped as expired")
    if not any(each.needed for each in asked):  # it asked, and only a person answers that
        asked[0] = replace(asked[0], needed=1)
    unsettled = [each for each in asked if each.expires_at is not None and not each.is_settled]
    return unsettled[0] if unsettled else asked[0]


def _standing(row: Any) -> str:
    return f"{row.status} ({row.status_reason})" if row.status_reason else str(row.status)


@dataclass(frozen=True)
class _Rotation:
    number: int
    planned: int
    by_channel: Mapping[str, int]
    audience: str
    expires_at: datetime | None


def _rotations(connection: Connection, wave_id: int) -> list[_Rotation]:
    """The rotations of a wave, the newest first: whom each is, or was, to reach."""
    kind = (delivery.c.rotation, delivery.c.channel, delivery.c.language, delivery.c.variant)
    is_open = delivery.c.state.in_(_OPEN)
    rows = connection.execute(
        select(*kind, func.count().label("many"), func.max(case((is_open, delivery.c.expires_at))).label("until"))
        .where(delivery.c.wave_id == wave_id, was_planned())
        .group_by(*kind)
    ).all()
    found = []
    for number in sorted({row.rotation for row in rows}, reverse=True):
        mine = [row for row in rows if row.rotation == number]
        by_channel: Counter[str] = Counter()
        for row in mine:
            by_channel[row.channel or ""] += row.many
        counts = sorted(f"{row.channel} {row.language} {row.variant} {row.many}" for row in mine)
        audience = hashlib.sha256("\n".join([str(number), *counts]).encode()).hexdigest()[:HALF]
        until = max((row.until for row in mine if row.until is not None), default=None)
        found.append(_Rotation(number, sum(by_channel.values()), dict(sorted(by_channel.items())), audience, until))
    return found


def was_planned() -> ColumnElement[bool]:
    """Whoever was to get a message, also those over the cap of an approval."""
    return or_(delivery.c.state != DeliveryState.SKIPPED.value, delivery.c.reason == Reason.NOT_APPROVED.value)


def _about(
    of: _Rotation,
    decided: Sequence[Row[Any]],
    *,
    wave_id: int,
    row: Any,
    spec: WaveSpec,
    content: str,
    is_rejected: bool,
) -> Question:
    mine = [each for each in decided if each.rotation == of.number]
    same = [each for each in mine if each.content_hash[:HALF] == content[:HALF] and each.planned >= of.planned]
    approvers = approvers_of(same)
    current = content[:HALF] + of.audience
    # Sending changes the counts: the approval of a rotation that has begun is one of the same content.
    most = max(approvers.values(), key=len, default={})
    needed = max(approvers_needed(spec, of.planned), int(bool(mine)))
    by = approvers.get(current, {})
    return Question(
        wave_id=wave_id,
        campaign_key=row.campaign_key,
        key=row.key,
        rotation=of.number,
        planned=of.planned,
        by_channel=of.by_channel,
        content_hash=current,
        needed=needed,
        approved_by=tuple((most if len(most) >= needed else by).values()),
        expires_at=of.expires_at,
        is_rejected=is_rejected and bool(same) and same[-1].decision == Decision.REJECTED,
    )


def approvers_of(decisions: Iterable[Row[Any]]) -> dict[str, dict[str, str]]:
    """Who approved what: by content hash, their names as they wrote them.

    Args:
        decisions: rows of ``approval``, the oldest first.
    """
    approvers: dict[str, dict[str, str]] = {}
    for each in decisions:
        if each.decision == Decision.APPROVED:
            approvers.setdefault(each.content_hash, {})[normalised(each.who)] = each.who
        else:  # what was rejected counts for nothing, whoever approved it before
            approvers.pop(each.content_hash, None)
    return approvers


def normalised(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
