"""The briefing of one wave put together: every part on its own, so that one that fails takes no other with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from sqlalchemy import Connection, Engine

from pushpull.db import reading
from pushpull.insights.briefing.cost import Cost, costs
from pushpull.insights.briefing.counts import (
    Baseline,
    Counts,
    Subject,
    at_their_cap,
    count_rows,
    due_by_channel,
    observed_baseline,
    subject_of,
    writing_to_them,
)
from pushpull.insights.briefing.queue import BusiestHour, Course, busiest_hour, course
from pushpull.insights.experiments.plan import ExperimentPlan, experiments_of
from pushpull.insights.uplift.power import Power, explained_before, power
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.budget import OrganisationCaps
from pushpull.ledger.pacing import MARGIN

#: Messages per second reckoned with where a channel has no limit: an eighth of what one process hands to the sandbox
#: (3,980 a second, `make bench`, "sandbox delivery"), as real providers take their time to answer.
UNLIMITED_PER_SECOND = 500.0
#: The share assumed to complete without messages where none was seen: the one with which least can be shown.
WORST_BASELINE = 0.5

Part = TypeVar("Part")


@dataclass(frozen=True)
class Circumstances:
    """What a briefing must be told of the installation.

    Args:
        rates: messages per second by channel; None, or no entry: no limit.
        prices: of one message, of text messages one segment; 0: not known.
        currency: of the prices.
        segments: of a text message, by language and variant.
        caps: the organisation's.
    """

    rates: Mapping[Channel, float | None]
    prices: Mapping[Channel, Decimal]
    currency: str
    segments: Mapping[tuple[str, str], int]
    caps: OrganisationCaps


@dataclass(frozen=True)
class Briefing:
    """What a person should know before a wave is sent. A part that could not be found out is None.

    Args:
        as_of: the campaign's clock, UTC.
        courses: how each channel gets through its messages.
        unlimited: the channels without a limit of their provider's.
        costs: by channel.
        baseline: the share that completes without messages, as last seen; None: never seen.
        explained: the share of the differences in completion that activity before the start explained in the campaign
            of the baseline; None: never seen.
        writing: how many of these people other waves of some days write to, by campaign.
        capped: how many will have used up their attention budget.
        tried: the experiment on its variants; None: there is none.
        failed: the parts that could not be found out, with the type of what went wrong.
    """

    about: Subject
    as_of: datetime
    counts: Counts
    courses: Mapping[Channel, Course] | None
    unlimited: frozenset[Channel]
    costs: tuple[Cost, ...] | None
    currency: str
    baseline: Baseline | None
    explained: float | None
    writing: Mapping[str, int] | None
    capped: int | None
    tried: ExperimentPlan | None
    failed: Mapping[str, str]

    @property
    def busiest(self) -> BusiestHour | None:
        """The busiest hour of the campaign's zone over all channels; None when nothing leaves."""
        return busiest_hour((self.courses or {}).values(), zone=self.about.spec.timezone)

    @property
    def first_at(self) -> datetime | None:
        """When the first message leaves, UTC."""
        return min((each.first_at for each in (self.courses or {}).values() if each.first_at), default=None)

    @property
    def last_at(self) -> datetime | None:
        """When the last message leaves, UTC."""
        return max((each.last_at for each in (self.courses or {}).values() if each.last_at), default=None)

    @property
    def stale(self) -> int:
        """Messages that go stale before their turn."""
        return sum(each.stale for each in (self.courses or {}).values())

    @property
    def overnight(self) -> int:
        """Messages whose turn does not come before their send window closes."""
        return sum(each.overnight for each in (self.courses or {}).values())

    @property
    def total_cost(self) -> Decimal | None:
        """What it costs, as far as prices are known; None when none is."""
        known = [each.amount for each in self.costs or () if each.amount is not None]
        return sum(known, Decimal(0)) if known else None

    @property
    def assumed_share(self) -> float:
        """The share taken to complete without messages."""
        return self.baseline.share if self.baseline else WORST_BASELINE

    @property
    def power(self) -> Power:
        """What this audience can show, before anybody is written to."""
        counts = self.counts
        return power(counts.treated, counts.held_out, baseline=self.assumed_share, explained=self.explained or 0.0)

    @property
    def effect(self) -> float | None:
        """The smallest rise in completion, as a fraction of 1, that this audience can show; None: it shows none."""
        return self.power.detectable


def brief(
    engine: Engine,
    wave_id: int,
    given: Circumstances,
    *,
    as_of: datetime,
    counted: tuple[Subject, Counts] | None = None,
) -> Briefing:
    """Put together the briefing of a wave's latest rotation.

    Args:
        as_of: the campaign's clock, UTC.
        counted: what it is about and its rows, where they have been counted already.

    Raises:
        NotPlannedError: the wave was never planned.
    """
    about, counts = counted or count_wave(engine, wave_id)
    failed: dict[str, str] = {}

    def part(name: str, find: Callable[[Connection], Part]) -> Part | None:
        try:
            with reading(engine) as connection:  # of its own: a failed statement ends a transaction on PostgreSQL
                return find(connection)
        except Exception as error:  # noqa: BLE001  # told in the briefing, which must never keep a wave from its plan
            failed[name] = type(error).__name__
            return None

    baseline = part("baseline", lambda connection: observed_baseline(connection, about, as_of=as_of))
    seen_in = baseline.campaign_key if baseline else ""
    explained = part("before", lambda at: explained_before(at, seen_in, as_of=as_of)) if seen_in else None
    return Briefing(
        about=about,
        as_of=as_of,
        counts=counts,
        courses=part("when", lambda connection: _courses(connection, about, given, as_of=as_of)),
        unlimited=frozenset(channel for channel in Channel if not given.rates.get(channel)),
        costs=part("cost", lambda _: costs(counts.planned, given.prices, segments=given.segments)),
        currency=given.currency,
        baseline=baseline,
        explained=explained,
        writing=part("others", lambda connection: writing_to_them(connection, about)),
        capped=part("budget", lambda connection: at_their_cap(connection, about, given.caps.binding(about.spec))),
        tried=part("tried", lambda connection: _tried(connection, about)),
        failed=failed,
    )


def count_wave(engine: Engine, wave_id: int) -> tuple[Subject, Counts]:
    """A wave's latest rotation, and its rows counted.

    Raises:
        NotPlannedError: the wave was never planned.
    """
    with reading(engine) as connection:
        about = subject_of(connection, wave_id)
        return about, count_rows(connection, about)


def _tried(connection: Connection, about: Subject) -> ExperimentPlan | None:
    key = about.spec.lot.partition("@")[0]
    return next((each for each in experiments_of(connection, about.campaign_id) if each.key == key), None)


def _courses(
    connection: Connection, about: Subject, given: Circumstances, *, as_of: datetime
) -> Mapping[Channel, Course]:
    found: dict[Channel, Course] = {}
    for channel, due in due_by_channel(connection, about, as_of=as_of).items():
        limit = given.rates.get(channel)
        rate = limit * (1 - MARGIN) if limit else UNLIMITED_PER_SECOND
        found[channel] = course(due, per_second=rate, window=about.spec.window)
    return dict(sorted(found.items()))
