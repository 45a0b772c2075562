"""A look at the experiments of a campaign: guardrails first, then the comparison, then what it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum

from sqlalchemy import Connection, select

from pushpull.insights.experiments.compare import Compared, compared
from pushpull.insights.experiments.plan import ExperimentPlan, experiments_of
from pushpull.insights.experiments.tally import Harm, Shown, harm, shown, waves_of
from pushpull.insights.small_numbers import FEWEST
from pushpull.ledger import timing
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.tables import campaign


class Verdict(StrEnum):
    """What an experiment says."""

    STOPPED = "stopped"  # a guardrail is breached
    BETTER = "better"  # one variant is, and is named
    NO_DIFFERENCE = "no difference"  # none that would matter
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Figures:
    """One variant: messages whose days are over, the people among them, successes, what came back, and its share.

    Args:
        share: of successes, each message weighted by its chance; None for fewer than five people.
        breach: the guardrail it broke, in words; empty: none.
    """

    variant: str
    people: int
    messages: int
    successes: int
    share: float | None
    harm: Harm
    breach: str


@dataclass(frozen=True)
class Look:
    """One experiment as it stood at a moment.

    Args:
        decides_at: the begin of the day of the verdict, UTC; nothing later is counted.
        decides_on: that day on the campaign's own calendar.
        winner: the variant to go on with; empty where it cannot be told.
        why: in words.
    """

    plan: ExperimentPlan
    campaign_key: str
    as_of: datetime
    decides_at: datetime
    decides_on: date
    figures: tuple[Figures, ...]
    compared: tuple[Compared, ...]
    said: Verdict
    winner: str
    why: str

    @property
    def is_final(self) -> bool:
        """Whether the day of the verdict was reached, or there is nothing left to wait for."""
        return self.as_of >= self.decides_at or self.said is Verdict.STOPPED


def looks(connection: Connection, campaign_key: str, *, as_of: datetime) -> tuple[Look, ...]:
    """Look at all experiments of a campaign, in the order of its file.

    Args:
        as_of: what happened later (aware) is not counted.

    Raises:
        UnknownCampaignError: there is no such campaign.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    return tuple(
        _look(connection, campaign_id, campaign_key, each, as_of=as_of)
        for each in experiments_of(connection, campaign_id)
    )


def breached(connection: Connection, campaign_id: int, plan: ExperimentPlan, *, until: datetime) -> dict[str, str]:
    """The variants that broke a guardrail, and which."""
    waves = waves_of(connection, campaign_id, plan, until=until)
    found = harm(connection, plan, list(waves), until=until) if waves else {}
    broken = {variant: each.breach(plan.guardrails) for variant, each in found.items()}
    return {variant: why for variant, why in broken.items() if why}


def _decision(connection: Connection, campaign_id: int, plan: ExperimentPlan) -> tuple[datetime, date]:
    """The begin of the day of the verdict (UTC), and that day in the campaign's zone."""
    row = connection.execute(
        select(campaign.c.starts_at, campaign.c.definition).where(campaign.c.id == campaign_id)
    ).one()
    zone = str(row.definition.get("timezone") or "UTC")
    day = plan.decision_day(timing.local_day(row.starts_at, zone))
    return timing.local_instant(zone, day, time()), day


def _look(
    connection: Connection, campaign_id: int, campaign_key: str, plan: ExperimentPlan, *, as_of: datetime
) -> Look:
    decides_at, decides_on = _decision(connection, campaign_id, plan)
    until = min(as_of, decides_at)
    waves = waves_of(connection, campaign_id, plan, until=until)
    messages = shown(connection, plan, waves, until=until) if waves else ()
    hurt = harm(connection, plan, list(waves), until=until) if waves else {}
    figures = tuple(_figures(variant, messages, hurt.get(variant, Harm()), plan) for variant in plan.variants)
    found = compared(messages, plan.variants, min_effect=plan.min_effect)
    said, winner, why = _verdict(plan, figures, found, is_final=as_of >= decides_at)
    return Look(plan, campaign_key, as_of, decides_at, decides_on, figures, found, said, winner, why)


def _figures(variant: str, messages: tuple[Shown, ...], hurt: Harm, plan: ExperimentPlan) -> Figures:
    own = [each for each in messages if each.variant == variant]
    people = len({each.learner_id for each in own})
    weight = sum(1 / each.chance for each in own)
    share = sum(each.succeeded / each.chance for each in own) / weight if people >= FEWEST else None
    successes = sum(each.succeeded for each in own)
    return Figures(variant, people, len(own), successes, share, hurt, hurt.breach(plan.guardrails))


def _verdict(
    plan: ExperimentPlan, figures: tuple[Figures, ...], found: tuple[Compared, ...], *, is_final: bool
) -> tuple[Verdict, str, str]:
    broken = [each for each in figures if each.breach]
    if broken:
        why = "; ".join(f"{each.variant}: {each.breach}" for each in broken)
        return Verdict.STOPPED, "" if plan.control in {each.variant for each in broken} else plan.control, why
    directions = {each.variant: each.direction(is_final=is_final) for each in found}
    better = [each for each in found if directions[each.variant] > 0]
    if better:
        best = max(better, key=lambda each: each.difference or 0.0)
        return Verdict.BETTER, best.variant, f"{_points(best.difference)} over {plan.control}"
    if directions and all(direction < 0 for direction in directions.values()):
        return Verdict.BETTER, plan.control, "every other variant does worse"
    known = [each.interval for each in found if each.interval is not None]
    is_known = len(known) == len(found)
    if is_final and is_known and all(max(abs(each.low), abs(each.high)) < plan.min_effect for each in known):
        return Verdict.NO_DIFFERENCE, "", f"no variant differs by {_points(plan.min_effect)} or more"
    if not is_known:
        return Verdict.CANNOT_TELL, "", "too little has happened on some side to compare"
    detectable = max(each.detectable or 0.0 for each in found)
    when = "would have shown" if is_final else "will show, as much as there is so far,"
    return Verdict.CANNOT_TELL, "", f"a true difference of {_points(detectable)} or more {when} in 4 cases of 5"


def _points(value: float | None) -> str:
    return f"{100 * (value or 0.0):.1f} points"
