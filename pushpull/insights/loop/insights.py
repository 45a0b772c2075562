"""Insights as they are kept: one row per campaign, kind and subject; what is found again is seen again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, case, select

from pushpull.db import insert_into
from pushpull.insights.loop.finding import Found, Metric
from pushpull.insights.loop.vocabulary import InsightKind
from pushpull.insights.tables import insight
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.tables import campaign

_LONGEST_SUBJECT: Final = 255
_DIGEST: Final = 12
#: Where the metric of what it suggests is kept in the evidence.
_METRIC: Final = "measured_by"


@dataclass(frozen=True)
class Insight:
    """Something that was found.

    Args:
        found_at: by the first look that found it, UTC.
        seen_at: by the latest one.
        metric: what shows whether a change that follows from it helps.
    """

    id: int
    campaign_key: str
    kind: InsightKind
    subject: str
    headline: str
    evidence: Mapping[str, object]
    found_at: datetime
    seen_at: datetime
    metric: Metric | None


def note(connection: Connection, campaign_id: int, found: Found, *, at: datetime) -> int:
    """Keep a finding, or note that it was seen again, with the numbers of now.

    Args:
        connection: one that writes.
        at: of the look, UTC; a look at an earlier time than the latest changes nothing.

    Returns:
        The insight's id.
    """
    subject = _short(found.subject)
    evidence = dict(found.evidence)
    if found.metric is not None:
        evidence[_METRIC] = str(found.metric)
    upsert = insert_into(connection, insight).values(
        campaign_id=campaign_id,
        kind=found.kind.value,
        subject=subject,
        headline=found.headline,
        evidence=evidence,
        found_at=at,
        seen_at=at,
    )
    new = upsert.excluded
    connection.execute(
        upsert.on_conflict_do_update(
            index_elements=["campaign_id", "kind", "subject"],
            set_={
                "headline": new.headline,
                "evidence": new.evidence,
                "seen_at": case((new.seen_at > insight.c.seen_at, new.seen_at), else_=insight.c.seen_at),
            },
            where=new.seen_at >= insight.c.seen_at,
        )
    )
    return int(
        connection.execute(
            select(insight.c.id).where(
                insight.c.campaign_id == campaign_id, insight.c.kind == found.kind.value, insight.c.subject == subject
            )
        ).scalar_one()
    )


def insights_of(connection: Connection, campaign_key: str) -> tuple[Insight, ...]:
    """All insights of a campaign, the latest seen first.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    rows = connection.execute(
        select_insights()
        .where(insight.c.campaign_id == campaign_id)
        .order_by(insight.c.seen_at.desc(), insight.c.id.desc())
    )
    return tuple(as_insight(row) for row in rows)


def select_insights() -> Select[Any]:
    """The statement that :func:`as_insight` reads."""
    return select(insight, campaign.c.key.label("campaign_key")).join(campaign, campaign.c.id == insight.c.campaign_id)


def as_insight(row: Row[Any]) -> Insight:
    """A row of :func:`select_insights`."""
    metric = row.evidence.get(_METRIC)
    return Insight(
        id=row.id,
        campaign_key=row.campaign_key,
        kind=InsightKind(row.kind),
        subject=row.subject,
        headline=row.headline,
        evidence={name: value for name, value in row.evidence.items() if name != _METRIC},
        found_at=row.found_at,
        seen_at=row.seen_at,
        metric=Metric.of_text(metric) if metric else None,
    )


def _short(subject: str) -> str:
    """A subject that fits, and is still another one than its neighbours'."""
    if len(subject) <= _LONGEST_SUBJECT:
        return subject
    digest = hashlib.sha256(subject.encode()).hexdigest()[:_DIGEST]
    return f"{subject[: _LONGEST_SUBJECT - _DIGEST - 1]} {digest}"
