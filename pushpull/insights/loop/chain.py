"""The loop read as a chain, in both directions: insight ↔ proposal ↔ change of the file ↔ measurement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from pushpull.insights.loop.insights import Insight, as_insight, insights_of, select_insights
from pushpull.insights.loop.proposals import Proposal, get, proposals
from pushpull.insights.loop.vocabulary import Said
from pushpull.insights.tables import insight, measurement, proposal


@dataclass(frozen=True)
class Measurement:
    """A kept measurement."""

    proposal_id: int
    measured_at: datetime
    metric: str
    said: Said
    figures: Mapping[str, object]


@dataclass(frozen=True)
class Tried:
    """A proposal with what it came to."""

    proposal: Proposal
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class Chain:
    """An insight with all that followed from it."""

    insight: Insight
    tried: tuple[Tried, ...]


def chains_of(connection: Connection, campaign_key: str) -> tuple[Chain, ...]:
    """Everything a campaign's loop has found and done, what was seen latest first.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    found = insights_of(connection, campaign_key)
    made = proposals(connection, campaign_key=campaign_key)
    measured = _measurements(connection, [each.id for each in made])
    tried: dict[int, list[Tried]] = defaultdict(list)
    for each in made:
        tried[each.insight_id].append(Tried(each, tuple(measured[each.id])))
    return tuple(Chain(each, tuple(tried[each.id])) for each in found)


def chain_to(connection: Connection, proposal_id: int) -> Chain:
    """The chain a proposal is in, with that proposal alone.

    Raises:
        UnknownProposalError: there is none.
    """
    which = get(connection, proposal_id)
    found = as_insight(connection.execute(select_insights().where(insight.c.id == which.insight_id)).one())
    return Chain(found, (Tried(which, tuple(_measurements(connection, [which.id])[which.id])),))


def origin_of(connection: Connection, file_hash: str) -> Chain | None:
    """Back from a file: the chain of the change that made it what it is; None where it was no such change.

    Args:
        file_hash: SHA-256 of the campaign's file.
    """
    found = connection.execute(
        select(proposal.c.id).where(proposal.c.applied_hash == file_hash).order_by(proposal.c.id.desc()).limit(1)
    ).scalar_one_or_none()
    return None if found is None else chain_to(connection, int(found))


def _measurements(connection: Connection, proposal_ids: list[int]) -> defaultdict[int, list[Measurement]]:
    found: defaultdict[int, list[Measurement]] = defaultdict(list)
    if not proposal_ids:
        return found
    for row in connection.execute(
        select(measurement)
        .where(measurement.c.proposal_id.in_(proposal_ids))
        .order_by(measurement.c.proposal_id, measurement.c.measured_at)
    ):
        found[row.proposal_id].append(
            Measurement(row.proposal_id, row.measured_at, row.metric, Said(row.said), row.figures)
        )
    return found
