"""What is found about the campaign's content and its most engaged people, as insights without a change of its file.

Texts and sections are changed where they are written; what goes with engagement is a correlation, and what to make of
it is for a person to think of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import select

from pushpull.catalogue.tables import item
from pushpull.insights.loop.finding import Found
from pushpull.insights.loop.looking import Look
from pushpull.insights.loop.vocabulary import InsightKind
from pushpull.ledger.terms import campaign_items

#: The worst items, and the strongest signals; a person can do something about so many.
_MOST: Final = 5


def catalogue(look: Look) -> Iterator[Found]:
    """Items of the campaign that the latest catalogue audit would have rewritten."""
    from pushpull.catalogue.audit import rewrite_queue

    ids = campaign_items(look.connection, look.campaign_id)
    own = set(look.connection.execute(select(item.c.key).where(item.c.id.in_(ids))).scalars())
    listed = [each for each in rewrite_queue(look.connection, as_of=look.as_of) if each.item_key in own]
    for each in listed[:_MOST]:
        yield Found(
            InsightKind.CATALOGUE,
            each.item_key,
            f"“{each.title}” asks for another text: {each.words[0]}",
            {"rules": list(each.rules), "weight": each.weight, "reach": each.reach},
        )


def engagement(look: Look) -> Iterator[Found]:
    """Early signals with which more later engagement goes than chance explains."""
    from pushpull.insights.engagement import engagement_paths

    found = engagement_paths(look.connection, look.campaign_key, as_of=look.as_of)
    for each in [one for one in found.signals if one.stands_out][:_MOST]:
        if each.days is None or each.given is None or each.missing is None:
            continue
        name = each.signal.value.replace("_", " ")
        yield Found(
            InsightKind.ENGAGEMENT,
            each.signal.value,
            f"Learners with the early signal “{name}” were active on {each.days.given:.1f} later days, the others on "
            f"{each.days.missing:.1f} ({each.given} and {each.missing} people). It is a {found.kind}.",
            {
                "with": each.given,
                "without": each.missing,
                "days_with": each.days.given,
                "days_without": each.days.missing,
                "low": each.days.interval.low,
                "high": each.days.interval.high,
                "q_value": each.q,
            },
        )
