"""What may be done about a section that people leave from: a remedy, and the facts it rests on, in words.

A proposal, not a verdict: whoever owns the item looks first. The remedies go from the cheapest to the dearest: a link
that leads nowhere, a place where people fail, a section nobody needs, one that is too long.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pushpull.insights.dropoff.exposure import Periods
from pushpull.insights.dropoff.findings import Remedy
from pushpull.insights.dropoff.hazard import Compared
from pushpull.insights.dropoff.visits import Floats, Ints, Visits
from pushpull.insights.small_numbers import FEWEST

#: The part of the leavers who did nothing but open it, from which the link is looked at first.
_ONLY_OPENED = 0.6
#: The part of the people who failed there, from which help is proposed.
_FAILED = 0.25
#: Times as often as elsewhere that people come back, which says that something is not understood.
_COMES_BACK = 2.0
#: Times as long as elsewhere in the item.
_LONG = 2.0
#: Minutes above which a long section is taken apart, and below which it is made a short.
_SPLIT_FROM = 10.0


def propose(visits: Visits, periods: Periods, found: Compared, *, minutes: Mapping[str, float]) -> tuple[Remedy, str]:
    """What may be done about a section, and why.

    Args:
        minutes: how long items take, by key, where it is known.
    """
    return (
        _link(visits, periods, found.section)
        or _failures(visits, periods, found.section)
        or _length(visits, periods, found.section)
        or _returns(visits, periods, found.section)
        or _skipped(visits, periods, found.section)
        or _length_of_item(visits, found.section, minutes)
        or (Remedy.SHORTEN, "nothing else stands out about it: make it a short, and ask two who stopped there why")
    )


def _link(visits: Visits, periods: Periods, section: int) -> tuple[Remedy, str] | None:
    left = periods.row[(periods.section == section) & (periods.event > 0)]
    only_opened = float(visits.only_opened[left].mean())
    if only_opened < _ONLY_OPENED or float(visits.only_opened[periods.row].mean()) >= _ONLY_OPENED:
        return None  # where nothing but openings is recorded, an opening says nothing
    return Remedy.FIX_LINK, (
        f"{_percent(only_opened)} of those who left did nothing but open it: look whether its link works and it opens "
        "on every device"
    )


def _failures(visits: Visits, periods: Periods, section: int) -> tuple[Remedy, str] | None:
    rows = periods.row[periods.section == section]
    failed = float(visits.failed[rows].mean())
    if failed < _FAILED or int(visits.failed[rows].sum()) < FEWEST:
        return None
    return Remedy.ADD_HELPER, (
        f"{_percent(failed)} of those who were there failed: add an example or a hint before it, or a colleague to ask"
    )


def _length(visits: Visits, periods: Periods, section: int) -> tuple[Remedy, str] | None:
    here, elsewhere = _dwell(visits, periods, section)
    if here is None or elsewhere is None or here < _LONG * elsewhere:
        return None
    long = f"people spend {here:.0f} minutes in it and {elsewhere:.0f} elsewhere"
    if here >= _SPLIT_FROM:
        return Remedy.SPLIT, f"{long}: split it where it changes the subject"
    return Remedy.SHORTEN, f"{long}: make it a short"


def _returns(visits: Visits, periods: Periods, section: int) -> tuple[Remedy, str] | None:
    here = float(visits.times[periods.row[periods.section == section]].mean())
    usual = float(visits.times[periods.row].mean())
    if here < _COMES_BACK * usual:
        return None
    return Remedy.ADD_HELPER, (
        f"people come to it {here:.1f} times, elsewhere {usual:.1f}: explain it another way, or name a colleague to ask"
    )


def _skipped(visits: Visits, periods: Periods, section: int) -> tuple[Remedy, str] | None:
    if not _is_skipped_well(visits, periods, section):
        return None
    return Remedy.CUT, "those who went past it complete the item at least as often: cut it, or make it voluntary"


def _length_of_item(visits: Visits, section: int, minutes: Mapping[str, float]) -> tuple[Remedy, str] | None:
    item_key = visits.sections[section].item_key
    sections = sum(each.item_key == item_key for each in visits.sections)
    length = minutes.get(item_key, 0.0) / sections
    if length < _SPLIT_FROM:
        return None
    return Remedy.SPLIT, f"it takes about {length:.0f} minutes: split it where it changes the subject"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _dwell(visits: Visits, periods: Periods, section: int) -> tuple[float | None, float | None]:
    """Median minutes of a learner in the section, and in the others of its item; None where too few are known."""
    item_key = visits.sections[section].item_key
    of_item = np.array([each.item_key == item_key for each in visits.sections], dtype=bool)
    minutes = visits.minutes[periods.row]
    is_here = periods.section == section
    return _median(minutes[is_here]), _median(minutes[of_item[periods.section] & ~is_here])


def _median(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) >= FEWEST else None


def _is_skipped_well(visits: Visits, periods: Periods, section: int) -> bool:
    """Whether those who went further without it complete the item at least as often as those who took it."""
    place = periods.place[section]
    item_key = visits.sections[section].item_key
    is_later = np.array([each.item_key == item_key for each in visits.sections]) & (periods.place > place)
    paths = visits.path[periods.row]
    beyond: Ints = np.unique(paths[is_later[periods.section]])
    took: Ints = np.unique(paths[periods.section == section])
    past = np.setdiff1d(beyond, took)
    took_and_went_on = np.intersect1d(beyond, took)
    if len(past) < 4 * FEWEST or not len(took_and_went_on):
        return False
    done = visits.completed[past]
    return int(done.sum()) >= FEWEST and bool(done.mean() >= visits.completed[took_and_went_on].mean())
