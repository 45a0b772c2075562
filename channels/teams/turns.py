"""Taking turns: what Teams wants slower than messages go out, one after the other within this process.

The rate of all workers together is the ledger's; these limits are further ones, on one channel of a team or on feeds,
and who goes above them with many workers is told so by Teams.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock


class Turns:
    """Slots at an equal distance, per name.

    Args:
        between: seconds between two turns of one name.
        monotonic, sleep: the clock, and waiting by it.
    """

    def __init__(self, between: float, *, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._between = between
        self._monotonic, self._sleep = monotonic, sleep
        self._next: dict[str, float] = {}
        self._lock = Lock()

    def has_come(self, name: str, *, deadline: float) -> bool:
        """Take the next turn of a name and wait for it; no turn is taken that comes after the deadline.

        Args:
            deadline: monotonic seconds.
        """
        with self._lock:
            now = self._monotonic()
            slot = max(now, self._next.get(name, now))
            if slot >= deadline:
                return False
            for past in [each for each, at in self._next.items() if at <= now]:
                del self._next[past]
            self._next[name] = slot + self._between
        if slot > now:
            self._sleep(slot - now)
        return self._monotonic() < deadline
