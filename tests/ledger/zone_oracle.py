"""An independent reading of the time zone database, for tests: RFC 8536 files parsed by hand, offsets as arrays.

It shares nothing with `zoneinfo` but the files, and answers by stepping over every minute.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from pathlib import Path
from zoneinfo import TZPATH

import numpy as np

from pushpull.ledger.specs import SendWindow


@dataclass(frozen=True)
class Oracle:
    """Offsets of one zone: ``offsets[i]`` seconds hold until the UTC second ``until[i]``."""

    until: np.ndarray
    offsets: np.ndarray

    def local(self, seconds: np.ndarray) -> np.ndarray:
        return seconds + self.offsets[np.searchsorted(self.until, seconds, side="right")]

    def open(self, instants: np.ndarray, window: SendWindow) -> np.ndarray:
        """Which of these instants, as UTC microseconds, are inside the window."""
        local = self.local(instants // 1_000_000) * 1_000_000 + instants % 1_000_000
        weekday = (local // 86_400_000_000 + 3) % 7
        of_day = local % 86_400_000_000
        opens, closes = (
            ((at.hour * 60 + at.minute) * 60 + at.second) * 1_000_000 + at.microsecond
            for at in (window.opens, window.closes)
        )
        return np.isin(weekday, list(window.weekdays)) & (of_day >= opens) & (of_day < closes)

    @property
    def jumps(self) -> list[int]:
        """The UTC seconds at which the offset changes, but for the last that the file lists."""
        return [int(second) for second in self.until]


@lru_cache
def oracle(zone: str) -> Oracle:
    data = _file(zone)
    counts = struct.unpack(">6l", data[20:44])
    isut, isstd, leaps, times, types, characters = counts
    start = (
        44 + times * 5 + types * 6 + characters + leaps * 8 + isstd + isut
    )  # the 64-bit block follows the 32-bit one
    isut, isstd, leaps, times, types, characters = struct.unpack(">6l", data[start + 20 : start + 44])
    at = start + 44
    until = np.frombuffer(data, ">i8", times, at).astype(np.int64)
    index = np.frombuffer(data, np.uint8, times, at + times * 8)
    kinds = [struct.unpack(">lBB", data[p : p + 6]) for p in range(at + times * 9, at + times * 9 + types * 6, 6)]
    before = next((i for i, (_, dst, _) in enumerate(kinds) if not dst), 0)
    offsets = np.array([kinds[before][0], *(kinds[i][0] for i in index)], dtype=np.int64)
    return Oracle(until, offsets)


def _file(zone: str) -> bytes:
    for folder in TZPATH:
        path = Path(folder) / zone
        if path.is_file():
            return path.read_bytes()
    return resources.files("tzdata.zoneinfo").joinpath(*zone.split("/")).read_bytes()


def microseconds(instant: datetime) -> int:
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
