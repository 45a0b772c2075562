"""Letters that people asked for on a page, sent by whoever runs the sync where the web app has not sent them."""

from __future__ import annotations

from datetime import datetime

from tasks.mailing import carry_letters
from tasks.step import step


@step("send letters")
def send_letters(now: datetime) -> dict[str, int]:
    """Send what was asked for and is not on its way; see :func:`tasks.mailing.carry_letters`.

    Args:
        now: UTC.

    Returns:
        How many letters came to which state.
    """
    return carry_letters(now)
