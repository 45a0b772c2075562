"""The briefing of a planned wave: what a person should know before it is sent."""

from __future__ import annotations

from datetime import datetime

from tasks.step import step


@step("brief")
def publish_briefing(wave_id: int, as_of: datetime) -> str:
    """Publish a wave's briefing as artifacts of the run.

    Args:
        wave_id: of a planned wave.
        as_of: the campaign's clock, UTC.

    Returns:
        The briefing as Markdown, for the form that asks for approval.
    """
    return ""
