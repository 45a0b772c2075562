"""Whether what was approved is what would be sent, and whether a new rotation must ask."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, select

from pushpull.learners.lists import in_ids
from pushpull.ledger.approvals.question import HALF, approvers_needed, was_planned
from pushpull.ledger.campaigns import hold_wave
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import approval, campaign, delivery, handover, wave
from pushpull.ledger.vocabulary import Decision, HoldReason

#: How the reason of a hold begins when the content of an approved wave is another now.
HELD_AGAIN = "it is not what was approved: "


def ask_if_large(
    connection: Connection, wave_id: int, rotation: int, *, planned: int, spec: WaveSpec, at: datetime
) -> bool:
    """Hold a wave for approval when a new rotation of it is large; all its rotations wait then.

    Args:
        planned: learners the rotation is to reach.

    Returns:
        Whether a person is asked.
    """
    if not approvers_needed(spec, planned):
        return False
    why = f"rotation {rotation} reaches {planned} learners"
    hold_wave(connection, wave_id, HoldReason.APPROVAL, why=why, at=at)
    return True


@dataclass(frozen=True)
class Agreed:
    """What was approved last of a rotation.

    Args:
        spec: of its wave, as it is stored.
        content_hash: of what was approved.
        planned: learners it was to reach then.
    """

    campaign_key: str
    spec: Mapping[str, object]
    content_hash: str
    planned: int

    def is_about(self, content: str) -> bool:
        """Whether it is the approval of this content."""
        return self.content_hash[:HALF] == content[:HALF]


def agreed(connection: Connection, wave_ids: Collection[int]) -> dict[tuple[int, int], Agreed]:
    """What was approved last, by wave and rotation; rotations nobody had to approve are not there."""
    rows = connection.execute(
        select(approval, wave.c.spec, campaign.c.key.label("campaign_key"))
        .join(wave, wave.c.id == approval.c.wave_id)
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(in_ids(approval.c.wave_id, wave_ids), approval.c.decision == Decision.APPROVED.value)
        .order_by(approval.c.id)
    )
    return {
        (row.wave_id, row.rotation): Agreed(row.campaign_key, row.spec, row.content_hash, row.planned) for row in rows
    }


def has_grown(connection: Connection, wave_id: int, rotation: int, *, planned: int) -> bool:
    """Whether a rotation that has not begun is to reach more learners than were approved.

    Args:
        planned: how many were.
    """
    begun = select(handover.c.id).where(handover.c.wave_id == wave_id, handover.c.rotation == rotation).exists()
    if connection.execute(select(begun)).scalar_one():
        return False
    mine = and_(delivery.c.wave_id == wave_id, delivery.c.rotation == rotation)
    now = connection.execute(select(func.count()).select_from(delivery).where(mine, was_planned())).scalar_one()
    return bool(now > planned)


def hold_again(connection: Connection, wave_id: int, *, why: str, at: datetime) -> None:
    """Let an approved wave ask again before it goes on.

    Args:
        why: what is not as it was approved.
    """
    hold_wave(connection, wave_id, HoldReason.APPROVAL, why=HELD_AGAIN + why, at=at)
