"""Which reader reads which provider's events, for whoever folds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from channels.callbacks import sendgrid, slack, teams, twilio
from pushpull.ledger.news import News


class Reader(Protocol):
    """Reads one event of one provider."""

    def __call__(self, body: str, *, received_at: datetime) -> Sequence[News]:
        """See the providers' ``read``."""


READERS: Mapping[str, Reader] = {
    "sendgrid": sendgrid.read,
    "twilio": twilio.read,
    "teams": teams.read,
    "slack": slack.read,
}

#: How the inbox asks: provider, body, time of receipt.
Normalise = Callable[[str, str, datetime], Sequence[News]]


def normalise(provider: str, body: str, received_at: datetime) -> Sequence[News]:
    """An event in the ledger's own words; nothing where it means nothing to us.

    Raises:
        channels.callbacks.verdict.Unreadable: it cannot be read.
    """
    reader = READERS.get(provider)
    return reader(body, received_at=received_at) if reader else ()
