"""Tables about people. Field names follow SCIM 2.0 (RFC 7643, section 4.1 and the enterprise extension)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from pushpull.db import BigKey, UtcDateTime, metadata

learner = Table(
    "learner",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("external_id", String(255), nullable=False, unique=True),
    Column("given_name", Text),
    Column("family_name", Text),
    Column("display_name", Text),
    Column("email", String(320), index=True),
    Column("phone", String(32)),
    Column("teams_id", String(255)),
    Column("slack_id", String(64)),
    Column("preferred_language", String(35)),  # BCP 47
    Column("timezone", String(64)),  # IANA name; null is unknown
    Column("title", Text),
    Column("department", Text),
    Column("manager_external_id", String(255)),
    Column("active", Boolean, nullable=False, default=True, server_default="1"),
    Column("hired_on", Date),
    # A uniform draw in [0, 2**31 - 1), made from the external id: holdouts and variants are computed from it, so they
    # stick to the person over imports, databases and campaigns.
    Column("draw", BigInteger, nullable=False),
    Column("preferred_hour", SmallInteger),  # local hour 0..23 at which this person responds; null is unknown
    Column("preferred_channel", String(16)),  # over which this person responds; null is unknown
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

learner_identity = Table(
    "learner_identity",
    metadata,
    # xAPI inverse functional identifiers: mbox, mbox_sha1sum, openid, or "account" with "homePage|name".
    Column("kind", String(16), primary_key=True),
    Column("value", String(767), primary_key=True),
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), nullable=False, index=True),
)

learner_tag = Table(
    "learner_tag",
    metadata,
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", String(100), primary_key=True),
)

profile_fact = Table(
    "profile_fact",
    metadata,
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(32), primary_key=True),  # FactKind
    Column("value", String(400), primary_key=True),
    Column("source", String(16), nullable=False),  # declared | hr | learned
    Column("confidence", Float, nullable=False, default=1.0),
    Column("recorded_at", UtcDateTime, nullable=False),
)

consent = Table(
    "consent",
    metadata,
    # The latest word of the learner per channel and family; "*" stands for all of them.
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),
    Column("channel", String(16), primary_key=True),
    Column("family", String(64), primary_key=True),
    Column("granted", Boolean, nullable=False),
    Column("source", String(64), nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
)

suppression = Table(
    "suppression",
    metadata,
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),
    Column("channel", String(16), primary_key=True),
    Column("family", String(64), primary_key=True),
    Column("reason", String(32), primary_key=True),
    Column("source", String(64), nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("lifted_at", UtcDateTime),
)

activity = Table(
    "activity",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), nullable=False),
    Column("source", String(64), nullable=False),  # which system said so
    Column("source_id", String(255), nullable=False),  # its own id of the record
    Column("verb", String(32), nullable=False),  # the last path segment of the xAPI verb: launched, progressed …
    Column("item_id", ForeignKey("item.id")),
    Column("object_iri", Text),
    Column("section_key", String(255)),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("stored_at", UtcDateTime, nullable=False),
    Column("minutes", Float),  # null is unknown, not zero
    Column("score", Float),  # 0..1
    Column("success", Boolean),
    Column("voided_at", UtcDateTime),
    UniqueConstraint("source", "source_id"),
    Index("ix_activity_learner_id_occurred_at", "learner_id", "occurred_at"),
    # Voided records are few, and every fold asks for them: without it each fold reads all activity there ever was.
    Index(
        "ix_activity_voided",
        "item_id",
        sqlite_where=text("voided_at IS NOT NULL"),
        postgresql_where=text("voided_at IS NOT NULL"),
    ),
)

progress = Table(
    "progress",
    metadata,
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),
    Column("item_id", ForeignKey("item.id"), primary_key=True, index=True),
    Column("status", String(16), nullable=False),
    Column("assigned_at", UtcDateTime),
    Column("due_at", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("withdrawn_at", UtcDateTime),
    Column("last_activity_at", UtcDateTime),
    Column("ratio", Float),  # 0..1 done; null is unknown
    Column("score", Float),  # 0..1
    Column("place_key", String(255)),  # the section where the learner stopped
    Column("place_title", Text),
    Column("place_url", Text),
)

lifecycle_event = Table(
    "lifecycle_event",
    metadata,
    Column("campaign_id", ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True),
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(24), primary_key=True),
    Column("source_id", String(255), primary_key=True),  # what makes it one event: "activity:42", "delivery:7-0"
    Column("occurred_at", UtcDateTime, nullable=False),
)

lifecycle = Table(
    "lifecycle",
    metadata,
    # The fold of the events above, kept so that segments can join it. Rebuilt at any time from them.
    Column("campaign_id", ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True),
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("reached_at", UtcDateTime),  # first message accepted
    Column("activated_at", UtcDateTime),  # first use
    Column("last_active_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("active_days", Integer, nullable=False, default=0),
    Column("failed_tries", Integer, nullable=False, default=0),
    Column("rhythm_days", Float),  # the learner's own usual gap between active days; null is unknown
    Column("dormant_after", UtcDateTime),  # the instant at which silence becomes dormancy; null when it cannot
    Column("folded_to", UtcDateTime),  # events up to then are in the row; null: fold again
)

fold_cursor = Table(
    "fold_cursor",
    metadata,
    # How far activity was folded, by what it was folded into: "progress", "lifecycle:7".
    Column("name", String(64), primary_key=True),
    Column("activity_id", BigInteger, nullable=False),
    Column("as_of", UtcDateTime, nullable=False),
)

learner_choice = Table(
    "learner_choice",
    metadata,
    # What learners decided about themselves on their page; no row: nothing was decided. Language, hour, format, goals
    # and the "why" in their own words are declared facts of the profile.
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),
    Column("paused_until", UtcDateTime),  # no nudges before; obligations still come
    Column("wants_habit", Boolean, nullable=False, default=False, server_default="0"),  # the daily two-minute nudge
    Column("rest_days", SmallInteger, nullable=False, default=96, server_default="96"),  # bit n: weekday n, Monday is 0
    Column("wants_holds", Boolean, nullable=False, default=False, server_default="0"),  # entries in their calendar
    Column("wants_recognition", Boolean, nullable=False, default=False, server_default="0"),  # named in public
    Column("updated_at", UtcDateTime, nullable=False),
)

queue_place = Table(
    "queue_place",
    metadata,
    # The order a learner gave to their own queue; what is not here follows in the order of the ranking.
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
)

cue_plan = Table(
    "cue_plan",
    metadata,
    # An if-then plan: "before I open my mail, I learn for two minutes".
    Column("id", BigKey, primary_key=True),
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("cue", String(32), nullable=False),  # Cue
    Column("cue_text", Text),  # in the learner's words, where the cue is their own
    Column("item_id", ForeignKey("item.id")),  # what to open; null: whatever is next
    Column("at_minute", SmallInteger),  # minute of the local day at which the cue is about to come; null: no reminder
    Column("weekdays", SmallInteger, nullable=False),  # bit n: weekday n, Monday is 0
    Column("reminds", Boolean, nullable=False, default=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
)

calendar_hold = Table(
    "calendar_hold",
    metadata,
    # A time for learning in somebody's calendar, at their own wish.
    Column("id", BigKey, primary_key=True),
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("plan_id", ForeignKey("cue_plan.id", ondelete="SET NULL")),
    Column("item_id", ForeignKey("item.id")),
    Column("transaction_id", String(64), nullable=False, unique=True),  # the same one never makes a second entry
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),  # HoldState
    Column("event_id", Text),  # the calendar's own id
    Column("asked_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Index("ix_calendar_hold_state", "state"),
)

review = Table(
    "review",
    metadata,
    # What a learner thinks of an item they used: one per item, changed in place.
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),
    Column("item_id", ForeignKey("item.id"), primary_key=True, index=True),
    Column("rating", SmallInteger, nullable=False),  # 1..5
    Column("body", Text),  # a few words; null: stars alone
    Column("language", String(35)),
    Column("state", String(16), nullable=False),  # ReviewState: of the words; stars always count unless hidden
    Column("reason", Text),  # why it waits or is hidden
    Column("decided_by", Text),
    Column("decided_at", UtcDateTime),
    Column("made_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_review_state", "state"),
)

review_ask = Table(
    "review_ask",
    metadata,
    # That a learner was asked for their opinion of an item: at most once, whatever they did then.
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("asked_at", UtcDateTime, nullable=False),
)

share = Table(
    "share",
    metadata,
    # A learner's own link to an item, to be passed on.
    Column("id", BigKey, primary_key=True),
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), nullable=False),
    Column("item_id", ForeignKey("item.id"), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    UniqueConstraint("learner_id", "item_id"),
)

referral = Table(
    "referral",
    metadata,
    # Who came by a share: the first share of an item that a learner followed, never their own.
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),  # who came
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("share_id", ForeignKey("share.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("came_at", UtcDateTime, nullable=False),
)

recognition = Table(
    "recognition",
    metadata,
    # Thanks in public for effort, never for rank; only of those who agreed.
    Column("id", BigKey, primary_key=True),
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), nullable=False),
    Column("campaign_id", ForeignKey("campaign.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(32), nullable=False),  # RecognitionKind
    Column("amount", Integer),  # what the effort is counted in: days, colleagues
    Column("earned_at", UtcDateTime, nullable=False),
    Column("posted_at", UtcDateTime),  # in the channel; the wall shows it before
    Column("post_state", String(16), nullable=False),  # PostState
    Column("post_id", Text),
    Column("hidden_by", Text),  # ops took it down
    UniqueConstraint("learner_id", "campaign_id", "kind"),
)

champion = Table(
    "champion",
    metadata,
    # Who was asked to vouch for a campaign, and what they answered.
    Column("campaign_id", ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True),
    Column("learner_id", ForeignKey("learner.id", ondelete="CASCADE"), primary_key=True),
    Column("score", Float, nullable=False),
    Column("state", String(16), nullable=False),  # ChampionState
    Column("invited_at", UtcDateTime, nullable=False),
    Column("answered_at", UtcDateTime),
    Column("ends_at", UtcDateTime),  # champions rotate
)
