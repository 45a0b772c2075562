"""Operations: approvals, switches, what ops were told, and handovers that were diverted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pushpull.db import BigKey, Json, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("handover", sa.Column("diverted_to", sa.BigInteger(), nullable=True))
    op.create_table(
        "approval",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("wave_id", sa.BigInteger(), nullable=False),
        sa.Column("rotation", sa.SmallInteger(), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("planned", sa.Integer(), nullable=False),
        sa.Column("cap", sa.Integer(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
    )
    op.create_index("ix_approval_wave_id_rotation", "approval", ["wave_id", "rotation"])
    op.create_table(
        "switch",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", Json, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("set_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_switch")),
    )
    op.create_table(
        "notice",
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notice")),
    )
