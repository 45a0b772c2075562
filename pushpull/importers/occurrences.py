"""How often a key was seen so far in one file, in bounded memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson


class Occurrences:
    """Numbers keys by their occurrence in a file: 1 for the first, 2 for the second …

    Keys are kept in a dictionary while there are few, then in a temporary database that spills to disk: a file of any
    length is numbered in bounded memory.

    Args:
        in_memory: how many distinct keys to keep in memory.
    """

    def __init__(self, *, in_memory: int = 250_000) -> None:
        self._counts: dict[str, int] = {}
        self._in_memory = in_memory
        self._spill: sqlite3.Connection | None = None

    def close(self) -> None:
        """Give back what was spilled to disk."""
        if self._spill is not None:
            self._spill.close()

    def number(self, keys: Sequence[str]) -> list[int]:
        """The occurrence number of each key, in the order given."""
        counts = self._counts
        if self._spill is not None:
            counts.update(
                self._spill.execute(
                    "SELECT key, n FROM seen WHERE key IN (SELECT value FROM json_each(?))",
                    (orjson.dumps(list(set(keys))),),
                )
            )
        numbers = []
        for key in keys:
            counts[key] = occurrence = counts.get(key, 0) + 1
            numbers.append(occurrence)
        if self._spill is not None or len(counts) > self._in_memory:
            self._store(counts)
        return numbers

    def _store(self, counts: dict[str, int]) -> None:
        if self._spill is None:
            self._spill = sqlite3.connect("")  # a private database that lives in memory until it grows, then on disk
            self._spill.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID")
        self._spill.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", counts.items())
        counts.clear()
