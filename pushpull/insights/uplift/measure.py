"""The uplift of a campaign, or of everything together, put together and said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from pushpull.insights.proportions import Interval, Proportion, difference_interval
from pushpull.insights.small_numbers import FEWEST
from pushpull.insights.uplift.estimates import Estimate, difference, residuals
from pushpull.insights.uplift.people import COVARIATES, Outcome, People, Question, people
from pushpull.insights.uplift.price import Price, price_of
from pushpull.insights.uplift.sequences import clock_of, errors_allowed
from pushpull.learners.vocabulary import Channel
from pushpull.ledger import timing
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.tables import campaign
from pushpull.ledger.terms import campaign_items
from pushpull.ledger.vocabulary import Arm

if TYPE_CHECKING:
    from pushpull.insights.uplift.estimates import Numbers

#: A share is adjusted, and looked at early, where so many in each group did it and so many did not: with fewer, sums
#: are not near a normal distribution.
FEWEST_EITHER_WAY = 5


class Said(StrEnum):
    """What a comparison says."""

    MORE = "more"
    FEWER = "fewer"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Side:
    """One side: so many people, and their mean; of shares, the share. The mean is None for fewer than five people."""

    people: int
    mean: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """One outcome compared. Shares and differences of shares are fractions of 1; other outcomes are in their own unit.

    Args:
        difference: treated minus held out; None when a side is too small to be shown.
        interval: of it, 95 %, at a day fixed beforehand; of shares by Newcombe's method.
        adjusted_difference, adjusted_interval: with what was before the start taken out; None where it cannot be.
        narrowing: the part of the plain interval's width that the adjustment saves, both by the same method; negative
            when it costs something.
        sequential_interval: holds at every look together, 95 %; None while there is too little.
        detectable: the true difference that would have shown in four cases of five.
        said: by ``sequential_interval`` before the day of decision, by the adjusted (else the plain) interval on it.
        why: in words, where nothing can be told.
    """

    outcome: Outcome
    treated: Side
    holdout: Side
    difference: float | None
    interval: Interval | None
    adjusted_difference: float | None
    adjusted_interval: Interval | None
    narrowing: float | None
    sequential_interval: Interval | None
    detectable: float | None
    said: Said
    why: str = ""

    @property
    def best(self) -> tuple[float, Interval] | None:
        """The difference and interval that a verdict on the day of decision is taken from."""
        if self.adjusted_difference is not None and self.adjusted_interval is not None:
            return self.adjusted_difference, self.adjusted_interval
        if self.difference is not None and self.interval is not None:
            return self.difference, self.interval
        return None


@dataclass(frozen=True)
class Uplift:
    """What messages changed, by intention to treat.

    Args:
        campaign_key: empty: all campaigns together, against the global holdout.
        as_of: what happened later is not counted.
        starts_at: what happened earlier adjusts.
        decides_at: the end of the campaign: from then on nothing more is counted; None: it has none.
        outcomes: the first is the one the verdict is about; the others are beside it, and not corrected for being many.
        left_out: had completed it all before the start.
        covariates: what is adjusted for.
        price: of one additional completer; None where no price is known or nothing can be told.
    """

    campaign_key: str
    as_of: datetime
    starts_at: datetime
    decides_at: datetime | None
    outcomes: tuple[Measured, ...]
    left_out: int
    price: Price | None = None
    covariates: tuple[str, ...] = COVARIATES

    @property
    def is_final(self) -> bool:
        """Whether the day of decision was reached."""
        return self.decides_at is not None and self.as_of >= self.decides_at

    @property
    def primary(self) -> Measured:
        """The outcome the verdict is about."""
        return self.outcomes[0]

    @property
    def said(self) -> Said:
        """The verdict."""
        return self.primary.said

    def __getitem__(self, outcome: Outcome) -> Measured:
        return next(each for each in self.outcomes if each.outcome is outcome)


def uplift(
    connection: Connection,
    campaign_key: str,
    *,
    as_of: datetime,
    prices: Mapping[Channel, Decimal] | None = None,
) -> Uplift:
    """What a campaign changed: everybody it assigned, as they were assigned, against those held out of it.

    Args:
        as_of: what happened later (aware) is not counted; nor is what happened after the campaign's end.
        prices: of one message by channel; 0 or none: not known.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    question = question_of(connection, campaign_key, as_of=as_of)
    (campaign_id,) = question.campaign_ids
    ends_at = connection.execute(select(campaign.c.ends_at).where(campaign.c.id == campaign_id)).scalar_one()
    found = people(connection, question)
    outcomes = compare(found, is_final=ends_at is not None and as_of >= ends_at)
    price = price_of(connection, campaign_id, outcomes[0].best, found, prices or {}, until=question.until)
    return Uplift(campaign_key, as_of, question.starts_at, ends_at, outcomes, found.left_out, price)


def question_of(connection: Connection, campaign_key: str, *, as_of: datetime) -> Question:
    """What is compared for a campaign: its treated with everybody held out, from its start to its end at most.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    row = connection.execute(select(campaign.c.starts_at, campaign.c.ends_at).where(campaign.c.id == campaign_id)).one()
    return Question(
        campaign_ids=(campaign_id,),
        item_ids=campaign_items(connection, campaign_id),
        starts_at=row.starts_at or as_of,
        until=timing.latest(as_of, row.ends_at),
        held_out=frozenset({Arm.HOLDOUT, Arm.GLOBAL_HOLDOUT}),
    )


def uplift_of_all(connection: Connection, *, since: datetime, as_of: datetime) -> Uplift:
    """What all campaigns changed together: whoever any of them assigned, against the global holdout.

    Args:
        since: from when on (aware) it is counted; what was before adjusts.
        as_of: what happened later (aware) is not counted. It is looked at for as long as there are campaigns, so that
            there is no day of decision: the intervals that hold at every look speak.
    """
    ids = tuple(connection.scalars(select(campaign.c.id).where(campaign.c.message_class != "mandatory")))
    held_out = frozenset({Arm.GLOBAL_HOLDOUT})
    question = Question(ids, None, since, as_of, held_out, leaves_out_the_done=False)
    found = people(connection, question)
    return Uplift("", as_of, since, None, compare(found, is_final=False), 0)


def compare(found: People, *, is_final: bool) -> tuple[Measured, ...]:
    """Compare the two sides in every outcome.

    Args:
        is_final: the day of decision is reached: the plain 95 % speaks; before it, the interval of every look.
    """
    return tuple(_measured(found, outcome, values, is_final=is_final) for outcome, values in found.outcomes.items())


def _measured(found: People, outcome: Outcome, values: Numbers, *, is_final: bool) -> Measured:
    is_treated, now = found.is_treated, values[:, -1]
    treated, holdout = now[is_treated], now[~is_treated]
    first, second = (
        Side(len(each), float(each.mean()) if len(each) >= FEWEST else None) for each in (treated, holdout)
    )
    if min(first.people, second.people) < FEWEST:
        why = f"{first.people:,} treated and {second.people:,} held out: of fewer than {FEWEST} nothing is said"
        return Measured(outcome, first, second, None, None, None, None, None, None, None, Said.CANNOT_TELL, why)
    plain = difference(now, is_treated)
    raw = float(treated.mean() - holdout.mean())
    if outcome.is_share:
        counts = [Proportion(int(each.sum()), len(each)) for each in (treated, holdout)]
        interval = difference_interval(counts[0], counts[1])
        is_enough = all(min(each.count, each.total - each.count) >= FEWEST_EITHER_WAY for each in counts)
    else:
        interval = plain.interval() if plain else None
        is_enough = all(int((each != 0).sum()) >= FEWEST_EITHER_WAY for each in (treated, holdout))
        interval = interval if is_enough else None
    adjusted = difference(now, is_treated, found.before) if is_enough else None
    sequential = _sequential(found, values, adjusted)
    sharpest = (adjusted or plain) if is_enough else None
    measured = Measured(
        outcome,
        first,
        second,
        raw,
        interval,
        adjusted.value if adjusted else None,
        adjusted.interval() if adjusted else None,
        1 - _width(adjusted) / _width(plain) if adjusted and plain else None,
        sequential,
        sharpest.detectable if sharpest else None,
        Said.CANNOT_TELL,
    )
    best = measured.best
    speaks = (best[1] if best else None) if is_final else sequential
    said = _said(speaks)
    why = _why(measured, is_enough=is_enough, is_final=is_final) if said is Said.CANNOT_TELL else ""
    return replace(measured, said=said, why=why)


def _width(estimate: Estimate) -> float:
    interval = estimate.interval()
    return interval.high - interval.low


def _sequential(found: People, values: Numbers, adjusted: Estimate | None) -> Interval | None:
    if adjusted is None:
        return None
    clock = clock_of(residuals(values, found.is_treated, found.before))
    if clock <= 0:
        return None
    return adjusted.interval(errors_allowed(adjusted, clock))


def _said(interval: Interval | None) -> Said:
    if interval is None or interval.holds(0.0):
        return Said.CANNOT_TELL
    return Said.MORE if interval.low > 0 else Said.FEWER


def _why(measured: Measured, *, is_enough: bool, is_final: bool) -> str:
    if not is_enough:
        return f"fewer than {FEWEST_EITHER_WAY} on a side did it, or all but so few: too little to compare"
    if measured.detectable is None:
        return "nothing differs between people: there is nothing to compare"
    scale, unit = (100.0, " points") if measured.outcome.is_share else (1.0, "")
    shown = f"a true difference of {scale * measured.detectable:.1f}{unit} or more would have shown in 4 cases of 5"
    return shown if is_final else f"so far; on the day of decision, {shown.replace('would have shown', 'will show')}"
