"""What a provider's answer, or its silence, means for a message: what all providers have in common."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from channels.wire import Answer, Failure, NothingSent
from pushpull.ledger.outcomes import THROTTLED, NotSent, Uncertain

_SHORTEST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=1), timedelta(hours=1)


def object_in(answer: Answer) -> dict[str, Any]:
    """The answer's JSON object; empty where it is none."""
    try:
        value = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def unanswered(failure: Failure) -> NotSent | Uncertain:
    """The outcome of a message whose request has no answer."""
    return NotSent(failure.code) if isinstance(failure, NothingSent) else Uncertain(failure.code)


def common_outcome(answer: Answer, *, now: datetime) -> NotSent | Uncertain | None:
    """The outcome every provider's answer has in common; None where the provider's own table decides (2xx, 4xx).

    Source: the ledger's protocol: 429 was not processed; 408, 5xx, 1xx and 3xx may have been.
    """
    if answer.status == 429:
        return NotSent(THROTTLED, retry_at=retry_at(answer, now=now))
    if answer.status == 408 or answer.status >= 500 or answer.status < 200 or 300 <= answer.status < 400:
        return Uncertain(f"http_{answer.status}")
    return None


def retry_at(answer: Answer, *, now: datetime) -> datetime:
    """When a throttled request may be tried again: at least a second and at most an hour from now.

    Sources: RFC 9110, section 10.2.3 (``Retry-After``: seconds or a date); SendGrid's ``X-RateLimit-Reset``: Unix time.

    Returns:
        A minute from now where the provider does not say, or not in a form that can be read.
    """
    said = _said(answer, now)
    wait = timedelta(minutes=1) if said is None else said - now
    return now + max(_SHORTEST_PAUSE, min(_LONGEST_PAUSE, wait))


def _said(answer: Answer, now: datetime) -> datetime | None:
    after = answer.headers.get("retry-after", "").strip()
    reset = answer.headers.get("x-ratelimit-reset", "").strip()
    try:
        if after:
            if after.replace(".", "", 1).isdecimal() and after.isascii():
                return now + timedelta(seconds=min(float(after), 1e6))
            named = parsedate_to_datetime(after)
            return named if named.tzinfo else named.replace(tzinfo=UTC)
        if reset.isdecimal() and reset.isascii():
            return datetime.fromtimestamp(min(int(reset), 32503680000), UTC)
    except (ValueError, OverflowError, TypeError):
        return None
    return None
