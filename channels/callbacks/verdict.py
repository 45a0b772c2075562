"""What verifying a callback comes to, and the strict readings all verifiers share."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

#: Oldest callback that is taken, where the provider says when it was signed: SendGrid repeats for 24 hours.
OLDEST = timedelta(hours=25)

#: How far the provider's clock may be ahead of ours.
SKEW = timedelta(minutes=5)


class Unreadable(ValueError):
    """A body, though properly signed, is not what its provider sends."""


class Refusal(StrEnum):
    """Why a callback is not taken; for our logs, never told to whoever sent it."""

    MISSING = "missing"  # a header that must be there is not
    MALFORMED = "malformed"
    STALE = "stale"  # signed too long ago, or in the future
    FORGED = "forged"  # the signature is not the provider's
    STRANGER = "stranger"  # a proper token, but not for us
    NO_KEYS = "no_keys"  # the provider's own keys cannot be had now: it may try again


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a callback is its provider's."""

    refusal: Refusal | None = None

    @property
    def is_accepted(self) -> bool:
        """It is, and recent."""
        return self.refusal is None


ACCEPTED = Verdict()


def refused(refusal: Refusal) -> Verdict:
    """A callback that is not taken."""
    return Verdict(refusal)


def signed_at(timestamp: str) -> int | None:
    """Unix seconds; None unless exactly ten digits, so that no digit can be moved between timestamp and body."""
    return int(timestamp) if len(timestamp) == 10 and timestamp.isascii() and timestamp.isdigit() else None


def is_recent(timestamp: int, *, now: datetime, oldest: timedelta = OLDEST) -> bool:
    """Whether something signed at ``timestamp`` (Unix seconds) may still be taken."""
    age = now.timestamp() - timestamp
    return -SKEW.total_seconds() <= age <= oldest.total_seconds()


def exact_base64(text: str) -> bytes | None:
    """The bytes; None unless ``text`` is the one way to write them, for a signature has one form only."""
    try:
        found = b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if b64encode(found).decode() == text else None
