"""What was changed of a campaign because of what was found, and what came of it: the loop's last links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from pushpull.insights.tables import insight, measurement, proposal


@dataclass(frozen=True, slots=True)
class Change:
    """One applied proposal.

    Args:
        number: the proposal's.
        because: what was found.
        done: what was changed, in the words of whoever proposed it.
        metric: what it was measured by; empty while it was not.
        said: better, worse or cannot tell; empty while it was not measured.
    """

    number: int
    applied: date
    because: str
    done: str
    metric: str
    said: str


def changes(connection: Connection, campaign_id: int, *, as_of: datetime) -> Sequence[Change]:
    """Applied proposals with their latest measurement, the first one first."""
    latest = (
        select(measurement.c.proposal_id, func.max(measurement.c.measured_at).label("at"))
        .where(measurement.c.measured_at <= as_of)
        .group_by(measurement.c.proposal_id)
        .subquery("latest")
    )
    rows = connection.execute(
        select(
            proposal.c.id,
            proposal.c.applied_at,
            proposal.c.change,
            insight.c.headline,
            measurement.c.metric,
            measurement.c.said,
        )
        .select_from(
            proposal.join(insight, insight.c.id == proposal.c.insight_id)
            .outerjoin(latest, latest.c.proposal_id == proposal.c.id)
            .outerjoin(
                measurement,
                (measurement.c.proposal_id == latest.c.proposal_id) & (measurement.c.measured_at == latest.c.at),
            )
        )
        .where(insight.c.campaign_id == campaign_id, proposal.c.applied_at <= as_of)
        .order_by(proposal.c.applied_at, proposal.c.id)
    )
    return [
        Change(
            number=row.id,
            applied=row.applied_at.date(),
            because=row.headline,
            done=str(row.change.get("why", "")),
            metric=row.metric or "",
            said=row.said or "",
        )
        for row in rows
    ]
