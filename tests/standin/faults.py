"""What can go wrong between us and a provider, by name, and the script that says when it does.

How a fault is played on the wire is the engine's business (:mod:`tests.standin.engine`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from tests.standin.provider import Request


class Fault(StrEnum):
    """One thing that goes wrong with a request."""

    # Refused before it was processed: 429 with every kind of hint when to come back.
    THROTTLED_SECONDS = "throttled_seconds"
    THROTTLED_DATE = "throttled_date"
    THROTTLED_RESET = "throttled_reset"  # X-RateLimit-Reset: Unix time
    THROTTLED_SILENT = "throttled_silent"
    THROTTLED_GARBAGE = "throttled_garbage"
    THROTTLED_NEGATIVE = "throttled_negative"
    THROTTLED_WEEK = "throttled_week"
    UNAUTHORIZED = "unauthorized"  # 401: once for an expired token, for good for a revoked one
    # Answered as if something broke.
    BROKEN_UNPROCESSED = "broken_unprocessed"  # 5xx
    BROKEN_PROCESSED = "broken_processed"
    REDIRECT = "redirect"
    BROKEN_LATE = "broken_late"  # 5xx now, processed some seconds later
    # No answer.
    HANG_UNPROCESSED = "hang_unprocessed"
    HANG_PROCESSED = "hang_processed"
    HANG_LATE = "hang_late"  # processed some seconds later, and still no answer
    RESET_BEFORE_BODY = "reset_before_body"
    RESET_UNPROCESSED = "reset_unprocessed"  # the body was read
    RESET_PROCESSED = "reset_processed"
    CLOSED_UNPROCESSED = "closed_unprocessed"  # in good order, without an answer
    CLOSED_PROCESSED = "closed_processed"
    GARBAGE_STATUS = "garbage_status"
    DRIP_HEADERS = "drip_headers"
    # An answer with its status, and something wrong with the rest.
    DRIP_BODY = "drip_body"
    TRUNCATED_BODY = "truncated_body"
    GARBAGE_BODY = "garbage_body"
    HUGE_BODY = "huge_body"
    # An answer in good order, and the connection closed behind it without a word.
    STALE_CONNECTION = "stale_connection"

    @property
    def is_processed(self) -> bool:
        """Whether the provider does what the request asks for, now or later."""
        return self not in _UNPROCESSED

    @property
    def is_throttle(self) -> bool:
        """Whether it is a 429."""
        return self.value.startswith("throttled")


_UNPROCESSED = frozenset(
    {
        *(fault for fault in Fault if fault.value.startswith("throttled")),
        Fault.UNAUTHORIZED,
        Fault.BROKEN_UNPROCESSED,
        Fault.REDIRECT,
        Fault.HANG_UNPROCESSED,
        Fault.RESET_BEFORE_BODY,
        Fault.RESET_UNPROCESSED,
        Fault.CLOSED_UNPROCESSED,
    }
)


@dataclass(frozen=True)
class Rule:
    """When something goes wrong.

    Args:
        faults: one of them, at random where there are several.
        times: how many requests it hits; None: all that come.
        provider: name of the provider; empty: any.
        method: of the request; empty: any.
        path: a regular expression found in the path below the provider's prefix.
        share: of the matching requests that are hit.
        seed: of the chances.
        seconds: how long a hang or a drip lasts at most, how late a late acceptance is, what Retry-After says.
        status: of the 5xx, or of the redirect.
        size: bytes of a huge body.
    """

    faults: Sequence[Fault]
    times: int | None = 1
    provider: str = ""
    method: str = ""
    path: str = ""
    share: float = 1.0
    seed: int = 0
    seconds: float = 30.0
    status: int = 503
    size: int = 6_000_000


class Script:
    """The rules in force. The first that matches a request decides it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rules: list[_Running] = []

    def add(self, rule: Rule) -> None:
        """Put a rule behind those in force."""
        with self._lock:
            self._rules.append(_Running(rule))

    def clear(self) -> None:
        """From now on everything goes well."""
        with self._lock:
            self._rules.clear()

    def next(self, provider: str, request: Request) -> tuple[Fault, Rule] | None:
        """What goes wrong with this request."""
        with self._lock:
            for running in self._rules:
                fault = running.hit(provider, request)
                if fault is not None:
                    return fault, running.rule
        return None


class _Running:
    """A rule and how often it still strikes."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._left = rule.times
        self._path = re.compile(rule.path)
        self._chances = random.Random(rule.seed)

    def hit(self, provider: str, request: Request) -> Fault | None:
        rule = self.rule
        if self._left == 0 or (rule.provider and rule.provider != provider):
            return None
        if (rule.method and rule.method != request.method) or not self._path.search(request.path):
            return None
        if rule.share < 1.0 and self._chances.random() >= rule.share:
            return None
        if self._left is not None:
            self._left -= 1
        return rule.faults[0] if len(rule.faults) == 1 else self._chances.choice(rule.faults)


def faults_named(names: Iterable[str]) -> tuple[Fault, ...]:
    """The faults with these names.

    Raises:
        ValueError: there is none of such a name.
    """
    return tuple(Fault(name) for name in names)
