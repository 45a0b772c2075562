"""What a sponsor is told of a campaign: how many, whether messages made a difference, what it cost (mission D7).

Nothing exact leaves this module. The comparison is the funnel's own, of blurred counts; its interval is as much wider
as the blur makes it less sure. Costs are of messages counted by blurred people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from typing import Final

from sqlalchemy import Connection, and_, case, distinct, func, or_, select

from pushpull.insights.briefing.cost import Cost, costs
from pushpull.insights.briefing.counts import Planned
from pushpull.insights.funnel import Comparison, Verdict
from pushpull.insights.groups.blocks import COMPANY
from pushpull.insights.groups.blur import VARIANCE, blurred, rounded
from pushpull.insights.groups.figures import Rules, Week
from pushpull.insights.groups.teams import CampaignFigures, figures_of
from pushpull.insights.proportions import Z_95, Interval, Proportion, difference_interval
from pushpull.learners.tables import lifecycle_event
from pushpull.learners.vocabulary import Channel, LifecycleKind
from pushpull.ledger.tables import campaign, delivery, handover, wave
from pushpull.ledger.vocabulary import ACCEPTED_STATES, Arm

#: Smaller sides are not compared on this page: the blur would be a good part of what one sees.
FEWEST_IN_ARM: Final = 50
_NOBODY: Final = Proportion(0, 0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One campaign.

    Args:
        figures: of everybody it wrote to, or held out, who is with the company.
        compared: completion of those who got messages and of those held out, blurred; None: too few on a side.
        costs: by channel, of messages that were accepted, about; the channel with most first.
    """

    figures: CampaignFigures
    compared: Comparison | None
    costs: Sequence[Cost]

    @property
    def total(self) -> Decimal | None:
        """What it comes to, where the price of every channel in use is known."""
        amounts = [each.amount for each in self.costs]
        known = [amount for amount in amounts if amount is not None]
        return sum(known, Decimal(0)) if known and len(known) == len(amounts) else None

    @property
    def is_clear(self) -> bool:
        """Whether chance alone does not explain the difference."""
        return self.compared is not None and self.compared.verdict is not Verdict.CANNOT_TELL

    @property
    def has_text_messages(self) -> bool:
        """Whether text messages were sent, which may cost more than one segment each."""
        return any(each.channel is Channel.SMS for each in self.costs)


@dataclass(frozen=True, slots=True)
class Sent:
    """Messages that providers took on one channel, and how many people they went to. Exact: it stays in here."""

    channel: Channel
    messages: int
    people: int


def evidence(
    connection: Connection, week: Week, *, rules: Rules, prices: Mapping[Channel, Decimal]
) -> Sequence[Evidence]:
    """What there is to tell of every campaign, until the end of a week; five statements, however many there are.

    Args:
        prices: of one unit on each channel; 0: not known.

    Returns:
        the campaign that began last first; none of so few people that nothing may be said of it.
    """
    found = figures_of(connection, COMPANY, week, rules=rules)
    sides, sent = _sides(connection, week), _sent(connection, week)
    return [
        Evidence(
            each,
            _compared(*sides.get(each.campaign_id, (_NOBODY, _NOBODY)), campaign=each.campaign_key, rules=rules),
            _costs(sent.get(each.campaign_id, ()), campaign=each.campaign_key, rules=rules, prices=prices),
        )
        for each in found
        if each.shown.people is not None
    ]


def _compared(treated: Proportion, holdout: Proportion, *, campaign: str, rules: Rules) -> Comparison | None:
    if min(treated.total, holdout.total) < max(FEWEST_IN_ARM, rules.fewest):
        return None

    def about(arm: str, of: Proportion) -> Proportion:
        cell = f"{campaign}|{arm}|{of.total}"
        people = max(1, blurred(of.total, cell=f"{cell}|people", key=rules.key))
        return Proportion(min(people, blurred(of.count, cell=f"{cell}|completed", key=rules.key)), people)

    first, second = about("treated", treated), about("holdout", holdout)
    assert first.share is not None
    assert second.share is not None
    difference, plain = first.share - second.share, difference_interval(first, second)
    assert plain is not None
    # The noise of a count and of the people it is a share of, by the usual linear approximation of a ratio.
    noise = Z_95**2 * VARIANCE * sum((1 + (side.share or 0.0) ** 2) / side.total**2 for side in (first, second))
    below, above = sqrt((difference - plain.low) ** 2 + noise), sqrt((plain.high - difference) ** 2 + noise)
    interval = Interval(max(-1.0, difference - below), min(1.0, difference + above))
    return Comparison(first, second, difference, interval)


def _costs(sent: Sequence[Sent], *, campaign: str, rules: Rules, prices: Mapping[Channel, Decimal]) -> Sequence[Cost]:
    about = []
    for each in sent:
        people = blurred(each.people, cell=f"{campaign}|messages|{each.channel.value}", key=rules.key)
        if min(people, each.people) >= rules.fewest:
            about.append(Planned(each.channel, "", "", rounded(people * each.messages // each.people)))
    return costs(about, prices, segments={})


def _sides(connection: Connection, week: Week) -> Mapping[int, tuple[Proportion, Proportion]]:
    """Per campaign, the completed of those with messages and of those held out, as :mod:`pushpull.insights.funnel`
    compares them: everybody as assigned, whatever became of them, but for those who had completed before the start."""
    held_out = delivery.c.arm.in_([Arm.HOLDOUT.value, Arm.GLOBAL_HOLDOUT.value])
    person = (
        select(
            wave.c.campaign_id,
            delivery.c.learner_id,
            func.max(case((held_out, 1), else_=0)).label("is_held_out"),
        )
        .select_from(delivery.join(wave, wave.c.id == delivery.c.wave_id))
        .where(wave.c.planned_as_of < week.ends)
        .group_by(wave.c.campaign_id, delivery.c.learner_id)
        .cte("person")
    )
    event = lifecycle_event.c
    done = (
        select(event.campaign_id, event.learner_id, func.min(event.occurred_at).label("at"))
        .where(event.kind == LifecycleKind.COMPLETED.value, event.occurred_at < week.ends)
        .group_by(event.campaign_id, event.learner_id)
        .cte("done")
    )
    rows = connection.execute(
        select(
            person.c.campaign_id,
            person.c.is_held_out,
            func.count().label("people"),
            func.count(done.c.at).label("completed"),
        )
        .select_from(
            person.join(campaign, campaign.c.id == person.c.campaign_id).outerjoin(
                done, and_(done.c.campaign_id == person.c.campaign_id, done.c.learner_id == person.c.learner_id)
            )
        )
        .where(or_(done.c.at.is_(None), campaign.c.starts_at.is_(None), done.c.at >= campaign.c.starts_at))
        .group_by(person.c.campaign_id, person.c.is_held_out)
    )
    found: dict[int, dict[int, Proportion]] = {}
    for row in rows:
        found.setdefault(row.campaign_id, {})[row.is_held_out] = Proportion(row.completed, row.people)
    return {each: (sides.get(0, _NOBODY), sides.get(1, _NOBODY)) for each, sides in found.items()}


def _sent(connection: Connection, week: Week) -> Mapping[int, Sequence[Sent]]:
    rows = connection.execute(
        select(
            wave.c.campaign_id,
            delivery.c.channel,
            func.count().label("messages"),
            func.count(distinct(delivery.c.learner_id)).label("people"),
        )
        .select_from(
            delivery.join(wave, wave.c.id == delivery.c.wave_id).outerjoin(
                handover, handover.c.id == delivery.c.handover_id
            )
        )
        .where(
            delivery.c.state.in_([state.value for state in ACCEPTED_STATES]),
            delivery.c.channel.is_not(None),
            func.coalesce(handover.c.as_of, delivery.c.due_at) < week.ends,
        )
        .group_by(wave.c.campaign_id, delivery.c.channel)
    )
    found: dict[int, list[Sent]] = {}
    for row in rows:
        found.setdefault(row.campaign_id, []).append(Sent(Channel(row.channel), row.messages, row.people))
    return found
