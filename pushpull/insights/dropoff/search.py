"""The search as a whole: from a campaign or an item to the places where people leave, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, select

from pushpull.catalogue.tables import item
from pushpull.catalogue.threads import UnknownItemError
from pushpull.insights.dropoff.exposure import Periods, person_periods
from pushpull.insights.dropoff.findings import DropOff, HotSpot, SectionFigures
from pushpull.insights.dropoff.hazard import Compared, compare
from pushpull.insights.dropoff.navigation import navigation
from pushpull.insights.dropoff.proposals import propose
from pushpull.insights.dropoff.visits import Flags, Visits, read_visits
from pushpull.insights.proportions import Z_95, Interval, Proportion
from pushpull.insights.small_numbers import FEWEST
from pushpull.learners.lifecycle.states import Rules
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.terms import campaign_items


def drop_off(connection: Connection, campaign_key: str, *, as_of: datetime, silence: Rules | None = None) -> DropOff:
    """Where people leave the items of a campaign.

    Args:
        as_of: the instant (aware) until which anything is known.
        silence: after how long somebody has left; None: what lifecycles take for dormant.

    Raises:
        UnknownCampaignError: no campaign of that key was registered.
    """
    ids = campaign_items(connection, campaign_id_of(connection, campaign_key))
    return _search(connection, campaign_key, ids, as_of=as_of, silence=silence)


def item_drop_off(connection: Connection, item_key: str, *, as_of: datetime, silence: Rules | None = None) -> DropOff:
    """Where people leave one item, whatever campaign brought them.

    Args:
        as_of, silence: see :func:`drop_off`.

    Raises:
        UnknownItemError: the catalogue has no item of that key.
    """
    found = connection.execute(select(item.c.id).where(item.c.key == item_key)).scalar_one_or_none()
    if found is None:
        raise UnknownItemError(item_key)
    return _search(connection, item_key, [found], as_of=as_of, silence=silence)


def search(visits: Visits, *, subject: str, as_of: datetime, minutes: Mapping[str, float] | None = None) -> DropOff:
    """Where people leave, from their visits alone.

    Args:
        subject: key of the campaign or the item.
        minutes: how long items take, by key, where it is known.
    """
    is_navigation = navigation(visits)
    periods = person_periods(visits, is_navigation)
    compared = compare(visits, periods, at_the_end=_ends(visits, is_navigation))
    figures = _figures(visits, periods, is_navigation, compared)
    hot = sorted((each for each in compared if each.stands_out), key=lambda each: each.expected - each.leavers)
    return DropOff(
        subject=subject,
        as_of=as_of,
        learners=visits.learners,
        spots=tuple(_spot(visits, periods, each, figures[each.section], minutes or {}) for each in hot),
        sections=tuple(sorted(figures.values(), key=lambda each: (each.item_key, each.place, each.key))),
        navigation=tuple(
            sorted((visits.sections[n].item_key, visits.sections[n].key) for n in np.flatnonzero(is_navigation))
        ),
        reason=None if compared else _why_not(periods),
    )


def _search(
    connection: Connection, subject: str, ids: Sequence[int], *, as_of: datetime, silence: Rules | None
) -> DropOff:
    visits = read_visits(connection, ids, as_of=as_of, silence=silence or Rules())
    rows = connection.execute(select(item.c.key, item.c.minutes).where(item.c.id.in_(ids), item.c.minutes.is_not(None)))
    return search(visits, subject=subject, as_of=as_of, minutes={row.key: row.minutes for row in rows})


def _ends(visits: Visits, is_navigation: Flags) -> Flags:
    """The last sections of items that nobody is ever recorded to have completed: whoever is there is through."""
    ends = np.zeros(len(visits.sections), dtype=bool)
    with_completions = set(visits.item_of[visits.completed].tolist())
    recorded = {
        visits.sections[number].item_key
        for number, path in zip(visits.section.tolist(), visits.path.tolist(), strict=True)
        if int(visits.item_of[path]) in with_completions
    }
    for key in {each.item_key for each in visits.sections} - recorded:
        members = [n for n, each in enumerate(visits.sections) if each.item_key == key and not is_navigation[n]]
        placed = [n for n in members if visits.sections[n].position is not None]
        if placed and len(placed) == len(members):
            ends[max(placed, key=lambda n: visits.sections[n].position or 0)] = True
    return ends


def _figures(
    visits: Visits, periods: Periods, is_navigation: Flags, compared: Sequence[Compared]
) -> dict[int, SectionFigures]:
    size = len(visits.sections)
    reached = np.bincount(periods.section, minlength=size)
    leavers = np.bincount(periods.section, weights=periods.event, minlength=size)
    expected = {each.section: each.expected for each in compared}
    figures = {}
    for number in np.flatnonzero(~is_navigation).tolist():
        each, people, left = visits.sections[number], int(reached[number]), float(leavers[number])
        is_shown = int(left + 1e-9) >= FEWEST
        figures[number] = SectionFigures(
            item_key=each.item_key,
            item_title=each.item_title,
            key=each.key,
            title=each.title,
            kind=each.kind,
            place=float(periods.place[number]),
            reached=people if people >= FEWEST else None,
            leavers=left if is_shown else None,
            expected=expected.get(number),
            interval=_wilson(left, people) if is_shown else None,
        )
    return figures


def _wilson(leavers: float, reached: int) -> Interval:
    """Wilson's interval; a shared leaving is rounded outwards."""
    low = Proportion(int(leavers + 1e-9), reached).interval().low
    return Interval(low, Proportion(min(reached, int(np.ceil(leavers - 1e-9))), reached).interval().high)


def _spot(
    visits: Visits, periods: Periods, found: Compared, figures: SectionFigures, minutes: Mapping[str, float]
) -> HotSpot:
    excess = found.leavers - found.expected
    share = _wilson(found.leavers, found.exposed)
    # The share and what is expected come from different people: their half-widths add up in squares (Zou and Donner,
    # "Construction of confidence limits about effect measures", 2008).
    margin = Z_95 * found.expected_error
    below = float(np.hypot(found.leavers - share.low * found.exposed, margin))
    above = float(np.hypot(share.high * found.exposed - found.leavers, margin))
    remedy, proposal = propose(visits, periods, found, minutes=minutes)
    return HotSpot(
        section=figures,
        excess=excess,
        excess_interval=Interval(excess - below, excess + above),
        p_value=found.p_value,
        q_value=found.q_value,
        remedy=remedy,
        proposal=proposal,
    )


def _why_not(periods: Periods) -> str:
    if not len(periods.section):
        return "nobody was seen in a section yet"
    if int(periods.event.sum() + 1e-9) < FEWEST:
        return "too few people have left for anything to be said about where"
    return "too few sections were reached by enough people to know what is ordinary"
