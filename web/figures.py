"""Figures of groups as pages and files write them: shares in coarse steps, effects in points, nothing that the figures
themselves do not say (:mod:`pushpull.insights.groups`)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import ceil
from typing import Final
from zoneinfo import ZoneInfo

from pushpull.insights.funnel import Comparison
from pushpull.insights.groups.figures import Measure, Shown, Week
from pushpull.insights.groups.sponsors import Evidence
from web.words import Words

#: Shares are shown in steps of so many percent: the counts they are of are rounded too.
_STEP: Final = 5
#: What a spreadsheet would take for the beginning of a formula (OWASP ASVS 5.0, 1.2.10).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

_COLUMNS: Final = (
    "campaign", "name", "week_from", "week_to", "people", *(measure.value for measure in Measure),
    "completed_with_messages_percent", "completed_without_percent", "difference_points", "difference_low",
    "difference_high", "messages", "cost", "currency",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """One measure of a campaign.

    Args:
        count: about how many people; None: not shown.
        percent: about how many of all, in steps of 5 %; None: not shown.
    """

    label: str
    count: int | None
    percent: int | None


@dataclass(frozen=True, slots=True)
class Effect:
    """A comparison in whole percent and points, and where to draw it on an axis from 0 to 200 with zero at 100."""

    treated: int
    holdout: int
    difference: int
    low: int
    high: int
    reach: int
    verdict: str

    @classmethod
    def of(cls, compared: Comparison) -> Effect:
        """The effect of a comparison that is shown."""
        assert compared.treated.share is not None
        assert compared.holdout.share is not None
        assert compared.difference is not None
        assert compared.interval is not None
        low, high = compared.interval.low, compared.interval.high
        return cls(
            _percent(compared.treated.share),
            _percent(compared.holdout.share),
            _percent(compared.difference),
            _percent(low),
            _percent(high),
            max(10, 5 * ceil(20 * max(abs(low), abs(high)))),
            compared.verdict.value.replace(" ", "_"),
        )

    def at(self, points: int) -> int:
        """Where on the axis so many points are."""
        return 100 + round(92 * points / self.reach)


def bars(shown: Shown, words: Words) -> Sequence[Bar]:
    """The measures of a campaign, in the order in which people take them."""
    return [
        Bar(words(f"measure_{measure.value}"), shown.counts[measure], share(shown.counts[measure], shown.people))
        for measure in Measure
        if measure in shown.counts
    ]


def share(count: int | None, people: int | None) -> int | None:
    """About how many percent; None where one of both is not shown."""
    return None if count is None or not people else min(100, round(100 / _STEP * count / people) * _STEP)


def signed(points: int) -> str:
    """A difference with its sign: a true minus, and a plus."""
    return f"+{points}" if points > 0 else f"−{-points}" if points < 0 else "0"


def money(amount: Decimal, words: Words) -> str:
    """An amount with two decimals, as the language writes them."""
    return str(amount.quantize(Decimal("0.01"), ROUND_HALF_UP)).replace(".", words("mark"))


def figures_file(found: Iterable[Evidence], *, first: str, last: str, currency: str) -> bytes:
    """What the sponsor's page shows, as comma-separated values (RFC 4180) in UTF-8 with the mark that spreadsheets
    look for; an empty cell is a figure that is not shown.

    Args:
        first, last: days of the week, ISO 8601.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for each in found:
        shown = each.figures.shown
        effect = Effect.of(each.compared) if each.compared else None
        writer.writerow(
            (
                _harmless(each.figures.campaign_key),
                _harmless(each.figures.name),
                first,
                last,
                shown.people,
                *(shown.counts.get(measure) for measure in Measure),
                *(
                    (effect.treated, effect.holdout, effect.difference, effect.low, effect.high)
                    if effect
                    else 5 * ("",)
                ),
                sum(cost.messages for cost in each.costs) or "",
                "" if each.total is None else each.total.quantize(Decimal("0.01"), ROUND_HALF_UP),
                currency,
            )
        )
    return text.getvalue().encode("utf-8-sig")


def dates(week: Week, zone: str) -> tuple[date, date]:
    """The first and the last day of a week, in the organisation's zone."""
    own = ZoneInfo(zone)
    return week.begins.astimezone(own).date(), week.ends.astimezone(own).date() - timedelta(days=1)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _percent(fraction: float) -> int:
    return round(100 * fraction)
