"""Whether what was approved is what would be sent, and whether a new rotation must ask."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from pushpull.learners.lists import in_ids
from pushpull.ledger.approvals.question import HALF, approvers_needed, approvers_of, was_planned
from pushpull.ledger.campaigns import hold_wave
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import approval, campaign, delivery, handover, wave
from pushpull.ledger.vocabulary import HoldReason

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
    """What persons approved of a rotation.

    Args:
        spec: of its wave, as it is stored.
        approvers: how many persons approved something, by its content hash.
        planned: learners it was to reach then, by the same.
    """

    campaign_key: str
    spec: Mapping[str, object]
    approvers: Mapping[str, int]
    planned: Mapping[str, int]

    def most(self, content: str, *, planned: int) -> int | None:
        """How many learners this content may reach; None where too few approved it, be it earlier or last.

        Args:
            planned: learners the rotation is to reach now, which says how many must approve it.
        """
        needed = max(1, approvers_needed(WaveSpec.model_validate(self.spec), planned))
        enough = [each for each, many in self.approvers.items() if many >= needed and each[:HALF] == content[:HALF]]
        return max((self.planned[each] for each in enough), default=None)


def agreed(connection: Connection, wave_ids: Collection[int]) -> dict[tuple[int, int], Agreed]:
    """What was approved, by wave and rotation; rotations nobody had to decide about are not there."""
    rows = connection.execute(
        select(approval, wave.c.spec, campaign.c.key.label("campaign_key"))
        .join(wave, wave.c.id == approval.c.wave_id)
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(in_ids(approval.c.wave_id, wave_ids))
        .order_by(approval.c.id)
    ).all()
    decided: dict[tuple[int, int], list[Row[Any]]] = {}
    for row in rows:
        decided.setdefault((row.wave_id, row.rotation), []).append(row)
    return {
        name: Agreed(
            mine[0].campaign_key,
            mine[0].spec,
            approvers={content_hash: len(names) for content_hash, names in approvers_of(mine).items()},
            planned={each.content_hash: each.planned for each in sorted(mine, key=lambda row: int(row.planned))},
        )
        for name, mine in decided.items()
    }


def reaches(connection: Connection, wave_id: int, rotation: int) -> int:
    """How many learners a rotation is, or was, to reach."""
    mine = and_(delivery.c.wave_id == wave_id, delivery.c.rotation == rotation)
    counted = select(func.count()).select_from(delivery).where(mine, was_planned())
    return int(connection.execute(counted).scalar_one())


def has_begun(connection: Connection, wave_id: int, rotation: int) -> bool:
    """Whether anything of a rotation was handed over: what it reaches changes by being sent from then on."""
    begun = select(handover.c.id).where(handover.c.wave_id == wave_id, handover.c.rotation == rotation).exists()
    return bool(connection.execute(select(begun)).scalar_one())


def hold_again(connection: Connection, wave_id: int, *, why: str, at: datetime) -> None:
    """Let an approved wave ask again before it goes on.

    Args:
        why: what is not as it was approved.
    """
    hold_wave(connection, wave_id, HoldReason.APPROVAL, why=HELD_AGAIN + why, at=at)
