"""Folding news in the background, so that whoever brings them need not wait.

One thread, one fold at a time, a rest between two, and never a piece of news without a fold after it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from threading import Condition, Thread
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError

from web.site import now

_LOG = logging.getLogger(__name__)

#: The rest after a fold, in seconds: at least this, and four times as long as the fold took, but no longer than that.
REST = 5.0
_LONGEST_REST = 30.0
_SHARE = 4.0


class Folding:
    """Folds soon after news.

    Args:
        fold: brings everything up to date as of an instant.
        rest: the shortest time between two folds, in seconds.
    """

    def __init__(self, fold: Callable[[datetime], object], *, rest: float = REST) -> None:
        self._fold = fold
        self._rest = rest
        self._changed = Condition()
        self._has_news = False
        self._is_closed = False
        self._thread: Thread | None = None

    def news(self) -> None:
        """Something came in: a fold begins after this, at once or after the rest."""
        with self._changed:
            self._has_news = True
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._work, name="folding", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Fold no more, and wait for the fold that is under way."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while self._waits_for_news():
            began = monotonic()
            try:
                self._fold(now())
            except SQLAlchemyError as error:
                _LOG.warning("news not folded, again soon", extra={"error": type(error).__name__})
                with self._changed:
                    self._has_news = True
            rest = max(self._rest, min(_LONGEST_REST, _SHARE * (monotonic() - began)))
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed, rest)

    def _waits_for_news(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._has_news or self._is_closed)
            self._has_news = False
            return not self._is_closed
