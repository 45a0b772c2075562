"""Tables of what was found out: verdicts, insights and what was made of them, forecasts. Nobody is named in them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from pushpull.db import BigKey, Json, UtcDateTime, metadata

verdict = Table(
    "verdict",
    metadata,
    # What a comparison said each time somebody looked: the campaign's uplift, or one of its experiments.
    Column("campaign_id", ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True),
    Column("subject", String(160), primary_key=True),  # "uplift", or "experiment:KEY"
    Column("looked_at", UtcDateTime, primary_key=True),
    Column("said", String(24), nullable=False),  # e.g. more | fewer | cannot tell
    Column("is_final", Integer, nullable=False, default=0, server_default="0"),  # 1: the decision day was reached
    Column("figures", Json, nullable=False),
)

insight = Table(
    "insight",
    metadata,
    # Something that was found in what happened, with its evidence: the first link of the loop.
    Column("id", BigKey, primary_key=True),
    Column("campaign_id", ForeignKey("campaign.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(32), nullable=False),  # InsightKind
    Column("subject", String(255), nullable=False),  # what it is about: a section, a wave, an item
    Column("headline", Text, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("found_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),  # the latest look that found it
    UniqueConstraint("campaign_id", "kind", "subject"),
)

proposal = Table(
    "proposal",
    metadata,
    # A change of the campaign's file that an insight suggests, what a person decided, and what came of it.
    Column("id", BigKey, primary_key=True),
    Column("insight_id", ForeignKey("insight.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("change", Json, nullable=False),  # what is set to what, in terms of the file
    Column("diff", Text, nullable=False),  # unified
    Column("base_hash", String(64), nullable=False),  # of the file it was made from
    Column("state", String(16), nullable=False),  # ProposalState
    Column("made_at", UtcDateTime, nullable=False),
    Column("who", Text),
    Column("why", Text),
    Column("decided_at", UtcDateTime),
    Column("applied_at", UtcDateTime),
    Column("applied_hash", String(64)),  # of the file it became
    Index("ix_proposal_state", "state"),
)

measurement = Table(
    "measurement",
    metadata,
    # What an applied proposal came to: the same metric before and after.
    Column("proposal_id", ForeignKey("proposal.id", ondelete="CASCADE"), primary_key=True),
    Column("measured_at", UtcDateTime, primary_key=True),
    Column("metric", String(64), nullable=False),
    Column("said", String(24), nullable=False),
    Column("figures", Json, nullable=False),
)

forecast = Table(
    "forecast",
    metadata,
    # What was expected of a campaign before it began, and how it compares with what happened.
    Column("id", BigKey, primary_key=True),
    Column("campaign_id", ForeignKey("campaign.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("made_at", UtcDateTime, nullable=False),
    Column("content_hash", String(64), nullable=False),  # of the campaign's file it is about
    Column("runs", Integer, nullable=False),  # simulated seeds
    Column("parameters", Json, nullable=False),  # of the simulated learners, each with where it comes from
    Column("figures", Json, nullable=False),
    Column("compared_at", UtcDateTime),
    Column("comparison", Json),
)
