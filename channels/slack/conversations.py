"""The direct conversations that were opened, so that each person's is opened once per process."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock


class Conversations:
    """The last ``most`` conversations, by the person's Slack id. Any number of threads may use it."""

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._by_user: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def of(self, user: str) -> str | None:
        """A person's conversation; None: it is to be opened."""
        with self._lock:
            if user in self._by_user:
                self._by_user.move_to_end(user)
            return self._by_user.get(user)

    def keep(self, user: str, conversation: str) -> None:
        """Remember what was opened."""
        with self._lock:
            self._by_user[user] = conversation
            self._by_user.move_to_end(user)
            if len(self._by_user) > self._most:
                self._by_user.popitem(last=False)

    def drop(self, user: str) -> None:
        """Forget a conversation that is no longer there."""
        with self._lock:
            self._by_user.pop(user, None)
