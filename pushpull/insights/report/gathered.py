"""What other looks at a campaign found, as the charts take it: their values go in, printable ones come out.

Each function returns why there is nothing to draw where there is not. What is looked for lives in the packages of the
looks; nothing is computed here but what a chart needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pushpull.insights.dropoff import DropOff
from pushpull.insights.engagement import EngagementPaths
from pushpull.insights.forecast.comparing import Comparison
from pushpull.insights.funnel import Step
from pushpull.insights.pull import PullWeek
from pushpull.insights.report.chart_catalogue import Spread
from pushpull.insights.report.chart_forecast import Expected
from pushpull.insights.report.chart_paths import Path
from pushpull.insights.report.chart_pull import Week
from pushpull.insights.report.chart_sections import Section
from pushpull.insights.report.gate import Gate, share_of
from pushpull.insights.report.printed import ENGAGEMENT
from pushpull.insights.small_numbers import FEWEST

if TYPE_CHECKING:
    from pushpull.catalogue.audit.findings import Utilisation  # its package needs numpy, which a web app need not have

#: A curve through fewer items than this is a list.
_FEWEST_ITEMS = 5


def sections_of(found: DropOff, gate: Gate) -> list[Section] | str:
    """The drop-off map."""
    if gate.rules.works_council:
        return "How people move through an item is not shown, by agreement."
    if found.reason:
        return found.reason
    spots = {(each.section.item_key, each.section.key): each for each in found.spots}
    listed = []
    for each in found.sections:
        if each.leavers is None or each.reached is None or each.interval is None or each.expected is None:
            continue
        cell = f"section|{each.item_key}|{each.key}"
        reached, left = gate.people(each.reached, f"{cell}|reached"), gate.people(round(each.leavers), f"{cell}|left")
        share = share_of(left, reached)
        if share is None or not each.share:
            continue
        moved = share - each.share
        spot = spots.get((each.item_key, each.key))
        listed.append(
            Section(
                each.title,
                share,
                min(1.0, each.expected / each.reached),
                max(0.0, each.interval.low + moved),
                min(1.0, each.interval.high + moved),
                spot is not None,
                spot.proposal if spot else "",
            )
        )
    if listed:
        return listed
    if any(each.reached is not None for each in found.sections):
        return f"No section was left by {FEWEST} people or more."
    return "Too few people were in any section to say where they leave."


def paths_of(found: EngagementPaths, gate: Gate) -> list[Path] | str:
    """Early signals against later active days."""
    if gate.rules.works_council:
        return "What people did early is not shown, by agreement."
    paths = []
    for each in found.signals:
        people = gate.people(each.given or 0, f"signal|{each.signal.value}")
        if people is None or each.days is None or each.days.ratio is None or each.days.ratio_interval is None:
            continue
        interval = each.days.ratio_interval
        paths.append(Path(each.signal.words, people, each.days.ratio, interval.low, interval.high))
    if not paths:
        return (
            f"Nothing can be told yet: people are followed for {found.follow_up_days} days after their first "
            f"{found.landmark_days}, and too few have been for so long."
        )
    return paths


def forecast_of(found: Comparison | None, gate: Gate) -> list[Expected] | str:
    """The last forecast before the launch against what happened: all messages, and the steps of the funnel."""
    if found is None:
        return "No forecast was made before the launch."
    if not found.is_over:
        return "The campaign is not over: its funnel cannot be compared with the forecast yet."
    rows = []
    for each in (found.sends, *found.steps):
        is_step = each.what in set(Step)
        pass_ = gate.engagement if is_step and Step(each.what) in ENGAGEMENT else gate.people
        cell = "audience" if each.what == "audience" else f"funnel|{each.what}" if is_step else "messages"
        name = each.what.replace("_", " ").capitalize()
        expected = each.expected
        rows.append(Expected(name, expected.median, expected.low, expected.high, pass_(each.happened, cell)))
    return rows


def weeks_of(found: Sequence[PullWeek], gate: Gate) -> list[Week] | str:
    """The pull share by week, of whole weeks."""
    if gate.rules.works_council:
        return "Visits are not shown, by agreement."
    weeks = []
    for each in found:
        if not each.is_whole:
            continue
        visits = gate.people(each.visits or 0, f"pull|{each.begins}|visits")
        unprompted = gate.people(each.unprompted or 0, f"pull|{each.begins}|unprompted")
        share, interval = share_of(unprompted, visits), each.interval
        if share is None or interval is None or each.share is None:
            weeks.append(Week(each.begins, None, 0.0, 1.0, each.rung_in_words, int(each.rung)))
            continue
        moved = share - each.share
        low, high = max(0.0, interval.low + moved), min(1.0, interval.high + moved)
        weeks.append(Week(each.begins, share, low, high, each.rung_in_words, int(each.rung)))
    if sum(1 for each in weeks if each.share is not None) < 2:
        return "There are not yet two whole weeks with enough visits."
    return weeks


def spread_of(found: Utilisation, gate: Gate) -> Spread | str:
    """How use is spread over the catalogue: of items that enough people started, the others count as not started."""
    reach = sorted(
        (gate.people(each.reach or 0, f"item|{each.item_key}|reach") or 0 for each in found.usage),
    )
    total, items = sum(reach), len(reach)
    if items < _FEWEST_ITEMS or not total:
        return "Too little of the catalogue was used to say how its use is spread."
    curve, so_far = [(0.0, 0.0)], 0
    for place, count in enumerate(reach, start=1):
        so_far += count
        curve.append((place / items, so_far / total))
    # The area under the curve by trapezoids; Gini is twice what lies between it and the line of equal use.
    area = sum((right[0] - left[0]) * (right[1] + left[1]) / 2 for left, right in itertools.pairwise(curve))
    top = reach[items - max(1, round(items / 5)) :]
    return Spread(curve, 1 - 2 * area, sum(top) / total)
