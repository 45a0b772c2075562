"""What a person decides about a channel: that it stops, and that it goes on. Each decision is in the audit log."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from pushpull.ledger import campaigns
from pushpull.ledger.pacing import lift_throttle


def pause(
    connection: Connection, channel: str, *, who: str, why: str, at: datetime, until: datetime | None = None
) -> None:
    """Stop handing over to a channel, for everybody.

    Args:
        until: until then (UTC); None: until a person lets it go on.
    """
    campaigns.pause_channel(connection, channel, reason=why, at=at, until=until)
    campaigns.record(connection, at=at, who=who, what="channel paused", subject=channel, why=why)


def resume(connection: Connection, channel: str, *, who: str, why: str | None, at: datetime) -> None:
    """Let a stopped channel go on at once, also where its provider asked to wait."""
    campaigns.resume_channel(connection, channel)
    lift_throttle(connection, channel)
    campaigns.record(connection, at=at, who=who, what="channel resumed", subject=channel, why=why)
