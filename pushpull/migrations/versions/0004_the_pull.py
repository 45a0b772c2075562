"""The pull: what learners decide, fetches of links, peers, champions, letters, and systems that send us what they know."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pushpull.db import BigKey, Json, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erased_address",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_erased_address")),
    )
    op.create_table(
        "erasure",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("erased_at", UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
        sa.UniqueConstraint("learner_id", name=op.f("uq_erasure_learner_id")),
    )
    op.create_table(
        "fetch",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reader", sa.String(8), nullable=False),
        sa.Column("why", sa.String(32), nullable=False),
        sa.Column("token_id", sa.String(32), nullable=True),
        sa.Column("learner_id", sa.BigInteger(), nullable=True),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("wave_id", sa.BigInteger(), nullable=True),
        sa.Column("rotation", sa.SmallInteger(), nullable=True),
        sa.Column("item_id", sa.BigInteger(), nullable=True),
        sa.Column("network", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fetch")),
    )
    op.create_index("ix_fetch_learner_id_at", "fetch", ["learner_id", "at"])
    op.create_index("ix_fetch_network_at", "fetch", ["network", "at"])
    op.create_index("ix_fetch_wave_id", "fetch", ["wave_id"])
    op.create_table(
        "ingest_source",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("secret_digest", sa.String(64), nullable=False),
        sa.Column("preset", sa.String(64), nullable=True),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_ingest_source")),
    )
    op.create_table(
        "letter",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.Column("note", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter")),
    )
    op.create_index("ix_letter_learner_id_asked_at", "letter", ["learner_id", "asked_at"])
    op.create_index("ix_letter_state", "letter", ["state"])
    op.create_table(
        "xapi_statement",
        sa.Column("statement_id", sa.String(36), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("stored_at", UtcDateTime(), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.PrimaryKeyConstraint("statement_id", name=op.f("pk_xapi_statement")),
    )
    op.create_index("ix_xapi_statement_stored_at", "xapi_statement", ["stored_at"])
    op.create_table(
        "champion",
        sa.Column("campaign_id", BigKey, nullable=False),
        sa.Column("learner_id", BigKey, nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("invited_at", UtcDateTime(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("ends_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_champion_campaign_id_campaign"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learner.id"], name=op.f("fk_champion_learner_id_learner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "learner_id", name=op.f("pk_champion")),
    )
    op.create_table(
        "cue_plan",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("learner_id", BigKey, nullable=False),
        sa.Column("cue", sa.String(32), nullable=False),
        sa.Column("cue_text", sa.Text(), nullable=True),
        sa.Column("item_id", BigKey, nullable=True),
        sa.Column("at_minute", sa.SmallInteger(), nullable=True),
        sa.Column("weekdays", sa.SmallInteger(), nullable=False),
        sa.Column("reminds", sa.Boolean(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_cue_plan_item_id_item")),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learner.id"], name=op.f("fk_cue_plan_learner_id_learner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cue_plan")),
    )
    op.create_index(op.f("ix_cue_plan_learner_id"), "cue_plan", ["learner_id"])
    op.create_table(
        "item_thread",
        sa.Column("item_id", BigKey, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("set_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_item_thread_item_id_item"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_item_thread")),
    )
    op.create_table(
        "learner_choice",
        sa.Column("learner_id", BigKey, nullable=False),
        sa.Column("paused_until", UtcDateTime(), nullable=True),
        sa.Column("wants_habit", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("rest_days", sa.SmallInteger(), server_default="96", nullable=False),
        sa.Column("wants_holds", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("wants_recognition", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learner.id"], name=op.f("fk_learner_choice_learner_id_learner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("learner_id", name=op.f("pk_learner_choice")),
    )
    op.create_table(
        "queue_place",
        sa.Column("learner_id", BigKey, nullable=False),
        sa.Column("item_id", BigKey, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("set_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_queue_place_item_id_item")),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learner.id"], name=op.f("fk_queue_place_learner_id_learner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("learner_id", "item_id", name=op.f("pk_queue_place")),
    )
    op.create_table(
        "recognition",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("learner_id", BigKey, nullable=False),
        sa.Column("campaign_id", BigKey, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=True),
        sa.Column("earned_at", UtcDateTime(), nullable=False),
        sa.Column("posted_at", UtcDateTime(), nullable=True),
        sa.Column("post_state", sa.String(16), nullable=False),
        sa.Column("post_id", sa.Text(), nullable=True),
        sa.Column("hidden_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_recognition_campaign_id_campaign"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learner.id"], name=op.f("fk_recognition_learner_id_learner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recognition")),
        sa.UniqueConstraint(
            "learner_id", "campaign_id", "kind", name=op.f("uq_recognition_learner_id_campaign_id_kind")
        ),
    )
    op.create_table(
        "review",
        sa.Column("learner_id", BigKey, nullable=False),
        sa.Column("item_id", BigKey, nullable=False),
        sa.Column("rating", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("language", sa.String(35), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_review_item_id_item")),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learner.id"], name=op.f("fk_review_learner_id_learner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("learner_id", "item_id", name=op.f("pk_review")),
    )
    op.create_index(op.f("ix_review_item_id"), "review", ["item_id"])
    op.create_index("ix_review_state", "review", ["state"])
    op.create_table(
        "review_ask",
        sa.Column("learner_id", BigKey, nullable=False),
        sa.Column("item_id", BigKey, nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_review_ask_item_id_item")),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learner.id"], name=op.f("fk_review_ask_learner_id_learner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("learner_id", "item_id", name=op.f("pk_review_ask")),
    )
    op.create_table(
        "share",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("learner_id", BigKey, nullable=False),
        sa.Column("item_id", BigKey, nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_share_item_id_item")),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learner.id"], name=op.f("fk_share_learner_id_learner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share")),
        sa.UniqueConstraint("learner_id", "item_id", name=op.f("uq_share_learner_id_item_id")),
    )
    op.create_table(
        "xapi_document",
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("resource", sa.String(16), nullable=False),
        sa.Column("place", sa.String(64), nullable=False),
        sa.Column("document_id", sa.String(255), nullable=False),
        sa.Column("content_type", sa.String(255), nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("learner_id", BigKey, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learner.id"], name=op.f("fk_xapi_document_learner_id_learner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source", "resource", "place", "document_id", name=op.f("pk_xapi_document")),
    )
    op.create_index(op.f("ix_xapi_document_learner_id"), "xapi_document", ["learner_id"])
    op.create_table(
        "calendar_hold",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("learner_id", BigKey, nullable=False),
        sa.Column("plan_id", BigKey, nullable=True),
        sa.Column("item_id", BigKey, nullable=True),
        sa.Column("transaction_id", sa.String(64), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_calendar_hold_item_id_item")),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learner.id"], name=op.f("fk_calendar_hold_learner_id_learner"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["cue_plan.id"], name=op.f("fk_calendar_hold_plan_id_cue_plan"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_hold")),
        sa.UniqueConstraint("transaction_id", name=op.f("uq_calendar_hold_transaction_id")),
    )
    op.create_index(op.f("ix_calendar_hold_learner_id"), "calendar_hold", ["learner_id"])
    op.create_index("ix_calendar_hold_state", "calendar_hold", ["state"])
    op.create_table(
        "referral",
        sa.Column("learner_id", BigKey, nullable=False),
        sa.Column("item_id", BigKey, nullable=False),
        sa.Column("share_id", BigKey, nullable=False),
        sa.Column("came_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_referral_item_id_item")),
        sa.ForeignKeyConstraint(
            ["learner_id"], ["learner.id"], name=op.f("fk_referral_learner_id_learner"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["share_id"], ["share.id"], name=op.f("fk_referral_share_id_share"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("learner_id", "item_id", name=op.f("pk_referral")),
    )
    op.create_index(op.f("ix_referral_share_id"), "referral", ["share_id"])
