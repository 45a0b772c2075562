"""The numbers of the executive page, each with where it comes from: what is counted, by which function, over which
waves, and the command that prints it again.

A number without a trace is not on the page: :class:`Traced` is the only way to print one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from sqlalchemy import Connection, select

from pushpull.insights.funnel import Step, funnel
from pushpull.insights.report.changes import Change, changes
from pushpull.insights.report.effect import Helped, helped
from pushpull.insights.report.figures import Figures, figures
from pushpull.insights.report.gate import Gate, signed, words_of
from pushpull.insights.report.house import House
from pushpull.insights.report.printed import PrintedFunnel, printed_funnel
from pushpull.insights.uplift import uplift
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.tables import wave


@dataclass(frozen=True, slots=True)
class Traced:
    """A printed number.

    Args:
        key: its name, the same in every report, e.g. ``funnel.completed``.
        text: as it is printed.
        counts: what it counts, in words.
        source: the function it comes from.
        command: what prints it again.
    """

    key: str
    text: str
    counts: str
    source: str
    command: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What messages cost, and what one additional completer did.

    Args:
        total: None: no price is known, or not of every channel in use.
        additional: people who completed because of the messages; None: cannot be told.
        each, least, most: of one of them, with the interval; None like ``additional``.
        unpriced: channels in use without a price.
    """

    total: Decimal | None
    additional: int | None
    each: Decimal | None
    least: Decimal | None
    most: Decimal | None
    unpriced: Sequence[Channel]


@dataclass(frozen=True)
class Evidence:
    """All that the page says.

    Args:
        waves: numbers in the ledger of the waves it is about.
    """

    found: Figures
    as_of: datetime
    printed: PrintedFunnel
    helped: Helped
    cost: Cost
    currency: str
    changes: Sequence[Change]
    waves: Sequence[int]
    numbers: Mapping[str, Traced]


def evidence(connection: Connection, campaign_key: str, *, as_of: datetime, house: House) -> Evidence:
    """Count.

    Args:
        as_of: what happened later (aware) is not counted.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    gate = Gate(house.rules, campaign_key)
    found = figures(connection, campaign_id, as_of=as_of)
    printed = printed_funnel(funnel(connection, campaign_key, as_of=as_of), gate)
    effect = helped(uplift(connection, campaign_key, as_of=as_of), gate)
    price = cost(found, effect, gate, house)
    waves = connection.scalars(
        select(wave.c.id).where(wave.c.campaign_id == campaign_id, wave.c.planned_as_of <= as_of).order_by(wave.c.id)
    ).all()
    numbers = _numbers(campaign_key, as_of, printed, effect, price, house.currency)
    return Evidence(
        found, as_of, printed, effect, price, house.currency, changes(connection, campaign_id, as_of=as_of), waves,
        {each.key: each for each in numbers},
    )  # fmt: skip


def cost(found: Figures, effect: Helped, gate: Gate, house: House) -> Cost:
    """What accepted messages cost, by counts that may be printed; a text message counts as one segment."""
    total, unpriced = Decimal(0), []
    sent: dict[str, int] = {}
    for series in found.series:
        for channel, count in series.channels.items():
            sent[channel] = sent.get(channel, 0) + count
    for channel, count in sorted(sent.items()):
        price = house.prices.get(Channel(channel)) or Decimal(0)
        if not price:
            unpriced.append(Channel(channel))
        total += price * (gate.people(count, f"messages|{channel}") or 0)
    known = total if sent and not unpriced else None
    said = effect.effect
    if said is None or said.low <= 0 or effect.treated is None:
        return Cost(known, None, None, None, None, unpriced)
    additional = round(effect.treated * said.points / 500) * 5
    if known is None or not additional:
        return Cost(known, additional or None, None, None, None, unpriced)

    def per_head(points: int) -> Decimal:
        assert effect.treated
        return (100 * known / (effect.treated * points)).quantize(Decimal("0.01"), ROUND_HALF_UP)

    return Cost(known, additional, per_head(said.points), per_head(said.high), per_head(said.low), unpriced)


def _numbers(
    campaign: str, as_of: datetime, printed: PrintedFunnel, effect: Helped, price: Cost, currency: str
) -> list[Traced]:
    at = f"{as_of.astimezone(UTC):%Y-%m-%dT%H:%M}Z"
    report = f"pushpull report {campaign} --executive --as-of {at}"
    insights = f"pushpull insights uplift {campaign} --as-of {at}"
    found = [
        Traced("audience", words_of(printed.audience), "people in at least one wave", "funnel.audience", report),
        Traced("messages", words_of(printed.messages), "messages that providers accepted", "funnel.messages", report),
    ]
    for step, counts in (
        (Step.REACHED, "people on the treated side at whom a message arrived"),
        (Step.STARTED, "of these, who followed a link, opened an item and learned something"),
        (Step.COMPLETED, "of these, who came back and completed every item"),
    ):
        key = f"funnel.{step.value}"
        found.append(Traced(key, words_of(printed[step].count), counts, f"funnel[{step.value}].count", report))
    sides = {"treated": effect.treated, "holdout": effect.holdout}
    for side, people in sides.items():
        counts = f"people on the {side} side, as assigned, without those who had completed before the start"
        found.append(Traced(f"side.{side}", words_of(people), counts, f"uplift.primary.{side}.people", insights))
    said = effect.effect
    if said is not None and effect.said is not None:
        what = f"treated minus held out, in percentage points of people who completed ({effect.said.name.lower()})"
        source = "uplift.primary"
        found += [
            Traced("effect", signed(said.points), what, source, insights),
            Traced("effect.low", signed(said.low), "lower end of its 95 % interval", source, insights),
            Traced("effect.high", signed(said.high), "upper end of its 95 % interval", source, insights),
        ]
    if effect.detectable is not None:
        counts = "true rise, in points, that sides of this size show in four of five cases, at the 5 % level"
        found.append(Traced("detectable", str(effect.detectable), counts, "uplift.primary.detectable", insights))
    if price.total is not None:
        counts = "accepted messages by channel, times the price of one (settings cost_*)"
        found.append(Traced("cost", money(price.total, currency), counts, "handovers, settings", report))
    if price.additional is not None:
        counts = "the effect times the people on the treated side"
        found.append(Traced("additional", words_of(price.additional), counts, "effect, side.treated", report))
    for key, amount, counts in (
        ("cost.each", price.each, "cost over additional completers"),
        ("cost.least", price.least, "the same at the upper end of the effect's interval"),
        ("cost.most", price.most, "the same at the lower end of the effect's interval"),
    ):
        if amount is not None:
            found.append(Traced(key, money(amount, currency), counts, "cost, effect, side.treated", report))
    return found


def money(amount: Decimal, currency: str) -> str:
    """An amount as it is printed: whole where it is large."""
    step = Decimal("1") if amount >= 100 else Decimal("0.01")
    return f"{amount.quantize(step, ROUND_HALF_UP):,}".replace(",", "\u202f") + f"\u00a0{currency}"
