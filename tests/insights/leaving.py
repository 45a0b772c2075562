"""Learners who walk through items section by section and leave at known rates, made in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from pushpull.insights.dropoff import DropOff
from pushpull.insights.dropoff.search import search
from pushpull.insights.dropoff.visits import Section, Visits

AS_OF = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Course:
    """What is walked through.

    Args:
        sizes: sections of each item.
        learners: each of them begins every item.
        rate: chance of leaving at an ordinary section.
        slope: how the rate changes over an item, as a power of e.
        bad: item and section that is worse than ordinary, by so much.
        home: whether each item has a home page, seen before most sections and after leaving.
    """

    sizes: Sequence[int] = (15,)
    learners: int = 300
    rate: float = 0.04
    slope: float = 0.0
    bad: tuple[int, int] | None = None
    extra: float = 0.12
    home: bool = True


def walked(course: Course, *, seed: int) -> Visits:
    """The visits of everybody. One in ten sections is skipped, and people go back to earlier ones."""
    rng = np.random.default_rng(seed)
    sections: list[Section] = []
    rows: list[tuple[float, ...]] = []
    steps: list[tuple[float, ...]] = []
    item_of: list[int] = []
    has_left: list[bool] = []
    for number, size in enumerate(course.sizes):
        first, key = len(sections), f"item-{number}"
        sections += [Section(key, key.title(), f"s{place}", f"Section {place}", "page", place) for place in range(size)]
        sections.append(Section(key, key.title(), "home", "Home"))
        home = len(sections) - 1
        for _ in range(course.learners):
            path, clock, left = len(item_of), 0, False
            seen: dict[int, list[int]] = {}
            taken = [place for place in range(size) if rng.random() > 0.1]
            for count, place in enumerate(taken):
                visited = [home] if course.home and rng.random() < 0.8 else []
                if count and rng.random() < 0.15:
                    visited.append(first + taken[int(rng.integers(count))])
                rate = course.rate * np.exp(course.slope * place / size)
                left = bool(rng.random() < rate + course.extra * (course.bad == (number, place)))
                visited.append(first + place)
                if left and course.home and rng.random() < 0.7:
                    visited.append(home)
                for each in visited:
                    clock += 1
                    steps.append((path, clock, each))
                    times = seen.setdefault(each, [clock, clock, 0])
                    times[1:] = [clock, times[2] + 1]
                if left:
                    break
            rows += [(path, each, *times) for each, times in seen.items()]
            item_of.append(number)
            has_left.append(left)
    table, step = np.array(rows, dtype=np.float64), np.array(steps, dtype=np.float64)
    return Visits(
        sections=tuple(sections),
        path=table[:, 0].astype(np.int64),
        section=table[:, 1].astype(np.int64),
        first=table[:, 2],
        last=table[:, 3],
        times=table[:, 4].astype(np.int64),
        minutes=np.full(len(table), np.nan),
        only_opened=np.zeros(len(table), dtype=bool),
        failed=np.zeros(len(table), dtype=bool),
        item_of=np.array(item_of),
        has_left=np.array(has_left),
        completed=~np.array(has_left),
        step_path=step[:, 0].astype(np.int64),
        step_at=step[:, 1],
        step_section=step[:, 2].astype(np.int64),
        learners=course.learners,
    )


def found_in(course: Course, *, seed: int) -> DropOff:
    """What the search finds."""
    return search(walked(course, seed=seed), subject="course", as_of=AS_OF)
