"""Tables of the ledger.

``delivery`` is the hot one: a natural integer key, no index on a column that changes, room on the page for updates in
place (measured: each extra index costs 15 to 50 % of planning).
"""

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
    Uuid,
)

from pushpull.db import BigKey, Json, UtcDateTime, metadata

campaign = Table(
    "campaign",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("key", String(100), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("family", String(64), nullable=False),
    Column("message_class", String(16), nullable=False),
    Column("priority", Integer, nullable=False, default=0),
    Column("status", String(16), nullable=False, default="open"),  # WaveStatus: open | paused | cancelled | held
    Column("status_reason", Text),
    Column("starts_at", UtcDateTime),
    Column("ends_at", UtcDateTime),
    Column("definition", Json, nullable=False),  # the campaign file as it was when last loaded
    Column("content_hash", String(64), nullable=False),
    Column("stop_baseline", Json),  # the figures a person had seen when they resumed it after a stop signal
    Column("updated_at", UtcDateTime, nullable=False),
)

campaign_item = Table(
    "campaign_item",
    metadata,
    Column("campaign_id", ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True),
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("position", Integer, nullable=False, default=0),
)

wave = Table(
    "wave",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("campaign_id", ForeignKey("campaign.id"), nullable=False),
    Column("key", String(160), nullable=False),  # stage.wave@occurrence, e.g. "launch.announcement@2026-01-12"
    Column("series", String(140), nullable=False),  # the key without its occurrence
    Column("on_day", Date, nullable=False),  # the local date it is sent on, in each learner's own zone
    Column("stage", String(32), nullable=False),
    Column("message_key", String(100), nullable=False),
    Column("touch", String(8), nullable=False),
    Column("message_class", String(16), nullable=False),
    Column("family", String(64), nullable=False),
    Column("priority", Integer, nullable=False, default=0),
    Column("scheduled_for", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("status", String(16), nullable=False, default="open"),
    Column("status_reason", Text),
    Column("released_at", UtcDateTime),  # a person let a held wave go
    Column("planned_as_of", UtcDateTime),
    Column("planned_at", UtcDateTime),
    Column("finished_at", UtcDateTime),  # a hint for dispatch; the truth is the query
    Column("reached_recorded_at", UtcDateTime),  # its acceptances are in the lifecycles
    Column("spec", Json, nullable=False),  # what planning was told
    Column("content_hash", String(64), nullable=False, default=""),
    UniqueConstraint("campaign_id", "key"),
    Index("ix_wave_finished_at_status", "finished_at", "status"),
)

rotation = Table(
    "rotation",
    metadata,
    Column("wave_id", ForeignKey("wave.id"), primary_key=True),
    Column("rotation", SmallInteger, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("cohort", Json, nullable=False),
    Column("requested_by", Text, nullable=False, default=""),
    Column("as_of", UtcDateTime, nullable=False),
    Column("request_key", String(100), unique=True),  # makes asking twice for the same re-run one re-run
)

delivery = Table(
    "delivery",
    metadata,
    Column("wave_id", BigInteger, primary_key=True, autoincrement=False),
    Column("rotation", SmallInteger, primary_key=True, autoincrement=False),
    Column("learner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(32)),
    Column("arm", String(16), nullable=False),
    Column("channel", String(16)),
    Column("variant", String(32)),
    Column("language", String(35)),
    Column("item_id", BigInteger),  # the item the message is about, where it is about one
    Column("due_at", UtcDateTime),
    Column("expires_at", UtcDateTime),  # stale from here on
    Column("attempt", SmallInteger, nullable=False, default=0, server_default="0"),
    Column("epoch", Integer, nullable=False, default=0, server_default="0"),
    Column("lease_until", UtcDateTime),
    Column("claimed_by", String(64)),
    Column("handover_id", Uuid),
    Column("provider_id", String(255)),
    Column("settled_at", UtcDateTime),
    # No foreign key to the wave: planning holds the wave's row anyway, and PostgreSQL would check it once per delivery,
    # which was 40 % of planning.
    postgresql_with={"fillfactor": "60"},
    sqlite_with_rowid=False,
)

handover = Table(
    "handover",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("wave_id", BigInteger, nullable=False),
    Column("rotation", SmallInteger, nullable=False),
    Column("campaign_id", BigInteger, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("first_learner_id", BigInteger, nullable=False),
    Column("last_learner_id", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Column("intended_at", UtcDateTime, nullable=False),  # the database's clock
    Column("as_of", UtcDateTime, nullable=False),  # the campaign's clock: equal but for replays and rehearsals
    Column("deadline_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Column("request_id", String(255)),  # the provider's id of the request
    Column("send_at", UtcDateTime),  # planned mail: when the provider sends it; null: at once
    Column("content_hash", String(64)),
    Column("diverted_to", BigInteger),  # a rehearsal: everything went to this learner's addresses instead
    Column("accepted", Integer, nullable=False, default=0, server_default="0"),
    Column("rejected", Integer, nullable=False, default=0, server_default="0"),
    Column("not_sent", Integer, nullable=False, default=0, server_default="0"),
    Column("uncertain", Integer, nullable=False, default=0, server_default="0"),
    Index("ix_handover_wave_id_rotation", "wave_id", "rotation"),
    Index("ix_handover_campaign_id", "campaign_id"),
)

attempt = Table(
    "attempt",
    metadata,
    # One row for every outcome that was not a plain acceptance, with what proves it: attempt n+1 needs the proof of n.
    Column("handover_id", Uuid, primary_key=True),
    Column("learner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", SmallInteger, primary_key=True, autoincrement=False, default=0),
    Column("wave_id", BigInteger, nullable=False),
    Column("rotation", SmallInteger, nullable=False),
    Column("outcome", String(16), nullable=False),  # not_sent | rejected | uncertain | accepted | parked
    Column("reason", String(64), nullable=False),
    Column("proof", Text),
    Column("recorded_at", UtcDateTime, nullable=False),
    Index("ix_attempt_wave_id_rotation_learner_id", "wave_id", "rotation", "learner_id"),
)

delivery_event = Table(
    "delivery_event",
    metadata,
    Column("source", String(32), primary_key=True),
    Column("source_id", String(255), primary_key=True),
    Column("wave_id", BigInteger, nullable=False),
    Column("rotation", SmallInteger, nullable=False),
    Column("learner_id", BigInteger, nullable=False),
    Column("campaign_id", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("detail", Text),
    Index("ix_delivery_event_wave_id_learner_id", "wave_id", "learner_id"),
    Index("ix_delivery_event_campaign_id_kind", "campaign_id", "kind"),
)

contact = Table(
    "contact",
    metadata,
    # The attention budget's book: one row per message a learner may have received, over all campaigns and channels.
    Column("learner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("local_day", Integer, primary_key=True, autoincrement=False),  # ordinal of the learner's local date
    Column("handover_id", Uuid, primary_key=True),
    Column("lane", String(10), nullable=False),
    sqlite_with_rowid=False,
)

pick = Table(
    "pick",
    metadata,
    # What was recommended to whom, and why, as the message says it.
    Column("wave_id", BigInteger, primary_key=True, autoincrement=False),
    Column("rotation", SmallInteger, primary_key=True, autoincrement=False),
    Column("learner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("position", SmallInteger, primary_key=True, autoincrement=False),
    Column("item_id", ForeignKey("item.id"), nullable=False),
    Column("reason_kind", String(32), nullable=False),  # goal | need | trend | together | …
    Column("reason_value", Text),
    Column("score", Float, nullable=False),
)

approval = Table(
    "approval",
    metadata,
    # What persons decided about a rotation that asked, and about exactly what.
    Column("id", BigKey, primary_key=True),
    Column("wave_id", BigInteger, nullable=False),
    Column("rotation", SmallInteger, nullable=False),
    Column("decision", String(16), nullable=False),  # Decision: approved | rejected
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("content_hash", String(64), nullable=False),  # of all that would be sent, as it was when they decided
    Column("planned", Integer, nullable=False),  # learners it was to reach then
    Column("cap", Integer),  # no more than so many of them
    Column("decided_at", UtcDateTime, nullable=False),
    Index("ix_approval_wave_id_rotation", "wave_id", "rotation"),
)

intensity = Table(
    "intensity",
    metadata,
    # How hard a campaign pushes, week by week: less as more learners come unasked.
    Column("campaign_id", ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True),
    Column("week", Date, primary_key=True),  # the Monday from which it holds
    Column("rung", SmallInteger, nullable=False),  # Rung: 0 is the plan as written
    Column("visits", Integer, nullable=False),  # in the weeks it was decided from
    Column("unprompted", Integer, nullable=False),  # of these, visits that no message caused
    Column("why", Text, nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
)

switch = Table(
    "switch",
    metadata,
    # What ops can set for everything at once; a missing row is the switch's default.
    Column("name", String(32), primary_key=True),  # SwitchName
    Column("value", Json, nullable=False),
    Column("who", Text, nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
)

notice = Table(
    "notice",
    metadata,
    # What ops were told last about a thing, so that they are told once.
    Column("key", String(128), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("told_at", UtcDateTime, nullable=False),
)

channel_pause = Table(
    "channel_pause",
    metadata,
    Column("channel", String(16), primary_key=True),
    Column("until", UtcDateTime),  # null: until a person resumes it
    Column("reason", Text, nullable=False),
    Column("paused_at", UtcDateTime, nullable=False),
)

provider_pace = Table(
    "provider_pace",
    metadata,
    # How fast everybody together may hand over to a provider, by the database's clock.
    Column("channel", String(16), primary_key=True),
    Column("next_slot_at", UtcDateTime, nullable=False),  # the first instant nobody has taken yet
    Column("throttled_until", UtcDateTime),  # the provider asked everybody to wait
    Column("mandatory_until", UtcDateTime),  # obligations are being sent: nudges let them go first
)

provider_object = Table(
    "provider_object",
    metadata,
    # What was made at a provider for us, by our own name: the unsubscribe group of a family, a webhook.
    Column("provider", String(32), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("value", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)

callback = Table(
    "callback",
    metadata,
    # Everything a provider told us, as it was told, before anything is made of it.
    Column("id", BigKey, primary_key=True),
    Column("provider", String(32), nullable=False),
    Column("event_key", String(255), nullable=False),  # the provider's own id of the event, or a hash of it
    Column("received_at", UtcDateTime, nullable=False),
    Column("body", Text, nullable=False),  # one event as JSON
    Column("state", String(16), nullable=False),  # CallbackState: new | folded | orphan | ignored | poison | expired
    Column("note", String(255)),
    Column("folded_at", UtcDateTime),
    UniqueConstraint("provider", "event_key"),
    Index("ix_callback_state_id", "state", "id"),
)

conversation = Table(
    "conversation",
    metadata,
    # How a bot reaches a person, learned from the activities the person's client sent.
    Column("channel", String(16), primary_key=True),
    Column("address", String(255), primary_key=True),  # the learner's address on the channel: the Entra object id
    Column("service_url", Text, nullable=False),
    Column("user_id", String(255), nullable=False),  # towards the bot: "29:…"
    Column("conversation_id", Text, nullable=False, default=""),
    Column("tenant_id", String(64), nullable=False, default=""),
    Column("is_installed", Boolean, nullable=False, default=True),
    Column("recorded_at", UtcDateTime, nullable=False),
)

card_update = Table(
    "card_update",
    metadata,
    # Cards that were changed to "done, thanks" after their learner completed what they ask for.
    Column("wave_id", BigInteger, primary_key=True, autoincrement=False),
    Column("rotation", SmallInteger, primary_key=True, autoincrement=False),
    Column("learner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("outcome", String(16), nullable=False),  # updated | gone
    Column("updated_at", UtcDateTime, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("why", Text),
)

fetch = Table(
    "fetch",
    metadata,
    # Every opening of one of our links. Nothing else is changed by a GET, and a click is no more than this.
    Column("id", BigKey, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(16), nullable=False),  # FetchKind: which kind of link
    Column("reader", String(8), nullable=False),  # Reader: human | scanner | unknown
    Column("why", String(32), nullable=False),  # the rule that says so
    Column("token_id", String(32)),  # the link's own id
    Column("learner_id", BigInteger),  # null under an agreement with the works council, and when the person is erased
    Column("campaign_id", BigInteger),
    Column("wave_id", BigInteger),
    Column("rotation", SmallInteger),
    Column("item_id", BigInteger),
    Column("network", String(32), nullable=False),  # keyed hash of the address block it came from
    Index("ix_fetch_learner_id_at", "learner_id", "at"),
    Index("ix_fetch_network_at", "network", "at"),
    Index("ix_fetch_wave_id", "wave_id"),
)

letter = Table(
    "letter",
    metadata,
    # An e-mail that a person asked for themselves on a page: sent once per row, or not known to be.
    Column("id", BigKey, primary_key=True),
    Column("kind", String(16), nullable=False),  # LetterKind
    Column("learner_id", BigInteger, nullable=False),
    Column("campaign_id", BigInteger),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),  # LetterState
    Column("settled_at", UtcDateTime),
    Column("note", String(64)),
    Index("ix_letter_learner_id_asked_at", "learner_id", "asked_at"),
    Index("ix_letter_state", "state"),
)

erasure = Table(
    "erasure",
    metadata,
    # That a person was erased, and nothing of who it was; keyed hashes keep them from being written to again.
    Column("id", BigKey, primary_key=True),
    Column("learner_id", BigInteger, nullable=False, unique=True),
    Column("erased_at", UtcDateTime, nullable=False),
    Column("who", String(16), nullable=False),  # learner | ops
)

erased_address = Table(
    "erased_address",
    metadata,
    # HMAC(pepper, channel + normalised address): nothing is sent there again by mistake.
    Column("digest", String(64), primary_key=True),
    Column("recorded_at", UtcDateTime, nullable=False),
)
