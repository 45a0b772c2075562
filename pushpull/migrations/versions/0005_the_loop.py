"""The loop: what was found out about learners, items and campaigns, and what was made of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pushpull.db import BigKey, Json, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("learner", sa.Column("preferred_channel", sa.String(16), nullable=True))
    op.create_table(
        "item_requirement",
        sa.Column("item_id", BigKey, nullable=False),
        sa.Column("requires_key", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["item.id"], name=op.f("fk_item_requirement_item_id_item"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", "requires_key", name=op.f("pk_item_requirement")),
    )
    op.create_table(
        "catalogue_finding",
        sa.Column("item_id", BigKey, nullable=False),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("evidence", Json, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("found_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("who", sa.Text(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["item_id"], ["item.id"], name=op.f("fk_catalogue_finding_item_id_item"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", "rule", name=op.f("pk_catalogue_finding")),
    )
    op.create_index("ix_catalogue_finding_state", "catalogue_finding", ["state"])
    op.create_table(
        "intensity",
        sa.Column("campaign_id", BigKey, nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("rung", sa.SmallInteger(), nullable=False),
        sa.Column("visits", sa.Integer(), nullable=False),
        sa.Column("unprompted", sa.Integer(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_intensity_campaign_id_campaign"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "week", name=op.f("pk_intensity")),
    )
    op.create_table(
        "verdict",
        sa.Column("campaign_id", BigKey, nullable=False),
        sa.Column("subject", sa.String(160), nullable=False),
        sa.Column("looked_at", UtcDateTime(), nullable=False),
        sa.Column("said", sa.String(24), nullable=False),
        sa.Column("is_final", sa.Integer(), server_default="0", nullable=False),
        sa.Column("figures", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_verdict_campaign_id_campaign"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "subject", "looked_at", name=op.f("pk_verdict")),
    )
    op.create_table(
        "insight",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("campaign_id", BigKey, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("evidence", Json, nullable=False),
        sa.Column("found_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_insight_campaign_id_campaign"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_insight")),
        sa.UniqueConstraint("campaign_id", "kind", "subject", name=op.f("uq_insight_campaign_id_kind_subject")),
    )
    op.create_table(
        "proposal",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("insight_id", BigKey, nullable=False),
        sa.Column("change", Json, nullable=False),
        sa.Column("diff", sa.Text(), nullable=False),
        sa.Column("base_hash", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("who", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("applied_at", UtcDateTime(), nullable=True),
        sa.Column("applied_hash", sa.String(64), nullable=True),
        sa.ForeignKeyConstraint(
            ["insight_id"], ["insight.id"], name=op.f("fk_proposal_insight_id_insight"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal")),
    )
    op.create_index(op.f("ix_proposal_insight_id"), "proposal", ["insight_id"])
    op.create_index("ix_proposal_state", "proposal", ["state"])
    op.create_table(
        "measurement",
        sa.Column("proposal_id", BigKey, nullable=False),
        sa.Column("measured_at", UtcDateTime(), nullable=False),
        sa.Column("metric", sa.String(64), nullable=False),
        sa.Column("said", sa.String(24), nullable=False),
        sa.Column("figures", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposal.id"], name=op.f("fk_measurement_proposal_id_proposal"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("proposal_id", "measured_at", name=op.f("pk_measurement")),
    )
    op.create_table(
        "forecast",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("campaign_id", BigKey, nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("parameters", Json, nullable=False),
        sa.Column("figures", Json, nullable=False),
        sa.Column("compared_at", UtcDateTime(), nullable=True),
        sa.Column("comparison", Json, nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_forecast_campaign_id_campaign"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecast")),
    )
    op.create_index(op.f("ix_forecast_campaign_id"), "forecast", ["campaign_id"])
