"""Places where people leave, as insights. What is to be changed there is content, which no campaign's file holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pushpull.insights.loop.finding import Found
from pushpull.insights.loop.looking import Look
from pushpull.insights.loop.vocabulary import InsightKind

#: The worst ones; a person can do something about so many.
_MOST: Final = 5


def leavings(look: Look) -> Iterator[Found]:
    """The sections from which more people leave than their kind and place explain."""
    from pushpull.insights.dropoff import drop_off

    for spot in drop_off(look.connection, look.campaign_key, as_of=look.as_of).spots[:_MOST]:
        section = spot.section
        if section.reached is None or section.leavers is None:
            continue
        yield Found(
            InsightKind.DROP_OFF,
            f"{section.item_key}: {section.key}",
            f"{section.leavers:.0f} of the {section.reached} learners who reached “{section.title}” left there, "
            f"{spot.excess:.0f} more than at an ordinary section. {spot.proposal}",
            {
                "reached": section.reached,
                "leavers": section.leavers,
                "excess": spot.excess,
                "excess_low": spot.excess_interval.low,
                "excess_high": spot.excess_interval.high,
                "q_value": spot.q_value,
                "remedy": spot.remedy.value,
            },
        )
