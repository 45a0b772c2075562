"""How many requests one mailbox is asked at once.

Source: Microsoft Graph's throttling limits, Outlook: 4 at once per app and mailbox; more are answered 429 with
``MailboxConcurrency``, and other mailboxes are not affected.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from channels.wire import NothingSent

AT_ONCE = 4


class Mailboxes:
    """Who is being asked. Any number of threads may use it.

    Args:
        monotonic: seconds on a clock that never jumps.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._busy: Counter[str] = Counter()
        self._changed = Condition()
        self._monotonic = monotonic

    @contextmanager
    def one(self, user: str, deadline: float) -> Iterator[None]:
        """A place at a mailbox for the length of the block; waited for where all are taken.

        Args:
            deadline: monotonic seconds.

        Raises:
            channels.wire.NothingSent: no place became free in time.
        """
        key = user.lower()
        with self._changed:
            has_place = self._changed.wait_for(
                lambda: self._busy[key] < AT_ONCE, timeout=max(0.0, deadline - self._monotonic())
            )
            if not has_place:
                raise NothingSent("mailbox_busy")
            self._busy[key] += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy[key] -= 1
                if not self._busy[key]:
                    del self._busy[key]
                self._changed.notify_all()
