"""Tables about what there is to learn."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from pushpull.db import BigKey, Json, UtcDateTime, metadata

item = Table(
    "item",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("key", String(255), nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("summary", Text),
    Column("url", Text),
    Column("iri", String(767), index=True),  # the xAPI activity id, where it has one
    Column("language", String(35)),  # BCP 47; null is unknown
    Column("minutes", Float),  # null is unknown, not zero
    Column("level", String(32)),
    Column("format", String(32)),  # video | article | course | quiz | …
    Column("owner_external_id", String(255)),
    Column("rating", Float),  # 1..5, shrunk; null is unknown
    Column("active", Boolean, nullable=False, default=True, server_default="1"),
    Column("available_from", UtcDateTime),
    Column("available_until", UtcDateTime),
    Column("due_at", UtcDateTime),  # a dated goal that is the same for everybody; null has none
    Column("part_of", String(255), index=True),  # key of the item this one is a part of: a course and its assessments
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

item_tag = Table(
    "item_tag",
    metadata,
    Column("item_id", ForeignKey("item.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", String(100), primary_key=True),
)

item_requirement = Table(
    "item_requirement",
    metadata,
    # What must be completed before an item is offered.
    Column("item_id", ForeignKey("item.id", ondelete="CASCADE"), primary_key=True),
    Column("requires_key", String(255), primary_key=True),  # key of the other item; one that is unknown binds nobody
)

section = Table(
    "section",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("item_id", ForeignKey("item.id", ondelete="CASCADE"), nullable=False),
    Column("key", String(255), nullable=False),
    Column("title", Text),
    Column("kind", String(32)),
    Column("position", Integer),
    Column("url", Text),
    UniqueConstraint("item_id", "key"),
)

item_thread = Table(
    "item_thread",
    metadata,
    # Where people talk about an item: a thread in Teams or Slack.
    Column("item_id", ForeignKey("item.id", ondelete="CASCADE"), primary_key=True),
    Column("url", Text, nullable=False),  # https
    Column("who", Text, nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
)

catalogue_finding = Table(
    "catalogue_finding",
    metadata,
    # What an audit found about an item, and what people made of it: the rewrite queue.
    Column("item_id", ForeignKey("item.id", ondelete="CASCADE"), primary_key=True),
    Column("rule", String(40), primary_key=True),
    Column("severity", String(16), nullable=False),
    Column("evidence", Json, nullable=False),
    Column("state", String(16), nullable=False),  # FindingState: open | gone | dismissed
    Column("found_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),  # the latest audit that found it
    Column("who", Text),  # dismissed it
    Column("decided_at", UtcDateTime),
    Index("ix_catalogue_finding_state", "state"),
)
