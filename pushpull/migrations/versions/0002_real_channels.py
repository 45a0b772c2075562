"""Real channels: pace, provider objects, callbacks, conversations, card updates, planned mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pushpull.db import BigKey, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("handover", sa.Column("send_at", UtcDateTime(), nullable=True))
    op.create_table(
        "provider_pace",
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("next_slot_at", UtcDateTime(), nullable=False),
        sa.Column("throttled_until", UtcDateTime(), nullable=True),
        sa.Column("mandatory_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_provider_pace")),
    )
    op.create_table(
        "provider_object",
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "kind", "key", name=op.f("pk_provider_object")),
    )
    op.create_table(
        "callback",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("event_key", sa.String(255), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("note", sa.String(255), nullable=True),
        sa.Column("folded_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback")),
        sa.UniqueConstraint("provider", "event_key", name=op.f("uq_callback_provider_event_key")),
    )
    op.create_index("ix_callback_state_id", "callback", ["state", "id"])
    op.create_table(
        "conversation",
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("address", sa.String(255), nullable=False),
        sa.Column("service_url", sa.Text(), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("is_installed", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "address", name=op.f("pk_conversation")),
    )
    op.create_table(
        "card_update",
        sa.Column("wave_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rotation", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("learner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("wave_id", "rotation", "learner_id", name=op.f("pk_card_update")),
    )


def downgrade() -> None:
    op.drop_table("card_update")
    op.drop_table("conversation")
    op.drop_index("ix_callback_state_id", table_name="callback")
    op.drop_table("callback")
    op.drop_table("provider_object")
    op.drop_table("provider_pace")
    op.drop_column("handover", "send_at")
