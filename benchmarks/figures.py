"""A measured figure, and the target it is held against."""

from __future__ import annotations

import resource
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Target:
    """What a figure should be.

    Args:
        at_least, at_most: one of them.
        applies: whether the run was large enough to be held against it.
    """

    at_least: float | None = None
    at_most: float | None = None
    applies: bool = True

    def is_met_by(self, value: float) -> bool:
        """Whether the value is good enough."""
        if self.at_least is not None and value < self.at_least:
            return False
        return self.at_most is None or value <= self.at_most

    def __str__(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:,g}"
        return f"≤ {self.at_most:,g}" if self.at_most is not None else ""


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Args:
        value: the median.
        size: of what it was measured on: learners, records or messages.
        runs: all values, in the order of the runs.
        peak_memory: of the process that did the work, in bytes; the database server is not in it.
        note: what one must know to read it.
    """

    name: str
    size: int
    value: float
    unit: str
    runs: Sequence[float] = ()
    peak_memory: int | None = None
    target: Target | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """``met``, ``missed``, or nothing where there is no target."""
        if self.target is None or not self.target.applies:
            return ""
        return "met" if self.target.is_met_by(self.value) else "missed"

    def as_json(self) -> dict[str, Any]:
        """Plain data, with the target in words."""
        return {
            **asdict(self),
            "target": str(self.target) if self.target else None,
            "verdict": self.verdict or None,
        }


@dataclass
class Measured:
    """What a measuring process reports to its parent.

    Args:
        seconds: of each run.
        counts: what was counted, by name, e.g. messages sent.
        more: further durations in seconds, by name.
        peak_memory, memory_before: of the process, in bytes: at the end, and when it was ready to start.
    """

    seconds: list[float] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    more: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    memory_before: int = 0


def rates(size: int, seconds: Sequence[float]) -> tuple[float, list[float]]:
    """The median rate per second, and all of them."""
    each = [size / duration for duration in seconds]
    return statistics.median(each), each


def peak_memory() -> int:
    """The most memory this process ever held, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
