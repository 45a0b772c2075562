"""Person-period data: one row for each section that a learner reached, and whether they left there.

Only who reached a section is at risk in it, and each once. Who left without completing, and was silent for long
enough, left at the section they were in last, navigation aside: going back to the menu before closing the window is how
people leave. Where a source has no hours and several sections were the last ones, each is charged its part of the
leaving. Who completed, or may still come back, left nowhere.

Source: J. D. Singer, J. B. Willett, "Applied longitudinal data analysis", 2003, chapters 10 and 11; P. D. Allison,
"Discrete-time methods for the analysis of event histories", 1982.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pushpull.insights.dropoff.visits import Flags, Floats, Ints, Visits


@dataclass(frozen=True)
class Periods:
    """Person-period data as columns, one row per learner and section reached.

    Args:
        row: of the visits.
        section: its number.
        step: sections that the learner had reached before: the time of the hazard.
        wandered: navigation pages that the learner had seen before, a sign of searching.
        event: 1 left there, 0 did not; between them where the leaving is shared.
        place: one value per section: 0 first to 1 last in its item.
    """

    row: Ints
    section: Ints
    step: Ints
    wandered: Ints
    event: Floats
    place: Floats


def person_periods(visits: Visits, is_navigation: Flags) -> Periods:
    """Make person-period data of visits."""
    leads = is_navigation[visits.section]
    order = np.lexsort((visits.first, visits.path))
    path, first, lead = visits.path[order], visits.first[order], leads[order]
    wandered = np.empty(len(order), dtype=np.int64)
    step = np.empty(len(order), dtype=np.int64)
    step[order] = _before(path, first, ~lead)
    wandered[order] = _before(path, first, lead)
    kept = np.flatnonzero(~leads)
    return Periods(
        row=kept,
        section=visits.section[kept],
        step=step[kept],
        wandered=wandered[kept],
        event=_events(visits, kept),
        place=_places(visits, is_navigation, kept, step[kept]),
    )


def _before(path: Ints, at: Floats, counts: Flags) -> Ints:
    """For rows ordered by path and time: how many rows that count come at an earlier instant of the same path."""
    if not len(path):
        return np.zeros(0, dtype=np.int64)
    so_far = np.concatenate([[0], np.cumsum(counts)])
    is_new_path = np.concatenate([[True], path[1:] != path[:-1]])
    is_new_instant = is_new_path | np.concatenate([[True], at[1:] != at[:-1]])
    places = np.arange(len(path))
    instant_start = np.maximum.accumulate(np.where(is_new_instant, places, 0))
    path_start = np.maximum.accumulate(np.where(is_new_path, places, 0))
    return np.asarray(so_far[instant_start] - so_far[path_start], dtype=np.int64)


def _events(visits: Visits, kept: Ints) -> Floats:
    path, last = visits.path[kept], visits.last[kept]
    latest = np.full(len(visits.has_left), -np.inf)
    np.maximum.at(latest, path, last)
    is_last = last == latest[path]
    shared = np.bincount(path[is_last], minlength=len(latest))
    return np.asarray(np.where(is_last & visits.has_left[path], 1 / np.maximum(shared[path], 1), 0.0))


def _places(visits: Visits, is_navigation: Flags, kept: Ints, step: Ints) -> Floats:
    """By the catalogue's order, or by when people usually come to a section where it has none."""
    place = np.zeros(len(visits.sections))
    usual = np.zeros(len(visits.sections))
    order = np.lexsort((step, visits.section[kept]))
    numbers, start, count = np.unique(visits.section[kept][order], return_index=True, return_counts=True)
    if len(numbers):
        usual[numbers] = (step[order][start + (count - 1) // 2] + step[order][start + count // 2]) / 2
    by_item: dict[str, list[int]] = {}
    for number, each in enumerate(visits.sections):
        if not is_navigation[number]:
            by_item.setdefault(each.item_key, []).append(number)
    for members in by_item.values():
        positions = [visits.sections[number].position for number in members]
        has_order = None not in positions and len(set(positions)) == len(positions)
        value = np.argsort(np.argsort(np.array(positions, dtype=float))) if has_order else usual[members]
        place[members] = value / max(float(np.max(value)), 1.0)
    return place
