"""Verdicts kept with the figures they were taken from, and taken again from the ledger to see that they are the same.

What is kept speaks of groups, never of people.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection, Row, select

from pushpull.db import insert_into
from pushpull.insights.experiments.look import Look, looks
from pushpull.insights.tables import verdict
from pushpull.insights.uplift.measure import Uplift, uplift
from pushpull.ledger.campaigns import campaign_id_of

#: The verdict on the campaign as a whole; one on an experiment is ``experiment:KEY``.
UPLIFT = "uplift"
_CLOSE = 1e-9


@dataclass(frozen=True)
class Kept:
    """A verdict as it was kept.

    Args:
        is_final: the day of decision was reached.
        figures: what it was taken from, as plain data.
    """

    campaign_key: str
    subject: str
    looked_at: datetime
    said: str
    is_final: bool
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Reproduced:
    """A kept verdict and the one the ledger gives for the same moment now.

    Args:
        differs: the figures that are not the same, by dotted name, as kept and as found: records that arrived late, or
            people who were erased since.
    """

    kept: Kept
    said: str
    differs: Mapping[str, tuple[Any, Any]]

    @property
    def is_same(self) -> bool:
        """Whether verdict and figures are the same."""
        return self.said == self.kept.said and not self.differs


def taken(connection: Connection, campaign_key: str, *, as_of: datetime) -> tuple[Kept, ...]:
    """The verdicts on a campaign as of a moment: its uplift, and each experiment.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    found = uplift(connection, campaign_key, as_of=as_of)
    on_experiments = looks(connection, campaign_key, as_of=as_of)
    return (_of_uplift(found), *(_of_experiment(each) for each in on_experiments))


def keep(connection: Connection, campaign_key: str, *, as_of: datetime) -> tuple[Kept, ...]:
    """Take the verdicts on a campaign and keep them; one of the same moment is not kept again.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    found = taken(connection, campaign_key, as_of=as_of)
    rows = [
        {
            "campaign_id": campaign_id,
            "subject": each.subject,
            "looked_at": as_of,
            "said": each.said,
            "is_final": int(each.is_final),
            "figures": each.figures,
        }
        for each in found
    ]
    connection.execute(insert_into(connection, verdict).values(rows).on_conflict_do_nothing())
    return found


def kept(connection: Connection, campaign_key: str) -> tuple[Kept, ...]:
    """All kept verdicts on a campaign, the oldest first.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    rows = connection.execute(
        select(verdict).where(verdict.c.campaign_id == campaign_id).order_by(verdict.c.looked_at, verdict.c.subject)
    )
    return tuple(_kept(campaign_key, row) for row in rows)


def reproduce(connection: Connection, campaign_key: str) -> tuple[Reproduced, ...]:
    """Take every kept verdict on a campaign again from the ledger, as of the moment of each.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    again: dict[tuple[datetime, str], Kept] = {}
    found = []
    for each in kept(connection, campaign_key):
        if (each.looked_at, each.subject) not in again:
            for fresh in taken(connection, campaign_key, as_of=each.looked_at):
                again[each.looked_at, fresh.subject] = fresh
        now = again.get((each.looked_at, each.subject))
        if now is None:  # the file has no such experiment any more
            found.append(Reproduced(each, "", {"experiment": (each.subject, None)}))
            continue
        found.append(Reproduced(each, now.said, dict(_differences(each.figures, now.figures))))
    return tuple(found)


def _kept(campaign_key: str, row: Row[Any]) -> Kept:
    return Kept(campaign_key, row.subject, row.looked_at, row.said, bool(row.is_final), row.figures)


def _of_uplift(found: Uplift) -> Kept:
    figures = {
        "starts_at": found.starts_at,
        "decides_at": found.decides_at,
        "left_out": found.left_out,
        "covariates": found.covariates,
        "outcomes": found.outcomes,
    }
    return Kept(found.campaign_key, UPLIFT, found.as_of, found.said.value, found.is_final, plain(figures))


def _of_experiment(found: Look) -> Kept:
    figures = {
        "plan": found.plan,
        "decides_at": found.decides_at,
        "figures": found.figures,
        "compared": found.compared,
        "winner": found.winner,
        "why": found.why,
    }
    subject = f"experiment:{found.plan.key}"
    return Kept(found.campaign_key, subject, found.as_of, found.said.value, found.is_final, plain(figures))


def plain(value: Any) -> Any:
    """A value of this package as JSON keeps it."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _differences(before: Any, now: Any, name: str = "") -> list[tuple[str, tuple[Any, Any]]]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = sorted({*before, *now})
        return [
            found for key in keys for found in _differences(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
        ]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = enumerate(zip(before, now, strict=True))
        return [found for at, (first, second) in pairs for found in _differences(first, second, f"{name}[{at}]")]
    is_number = isinstance(before, int | float) and isinstance(now, int | float)
    same = math.isclose(before, now, rel_tol=_CLOSE, abs_tol=_CLOSE) if is_number else before == now
    return [] if same else [(name, (before, now))]
