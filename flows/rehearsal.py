"""A campaign in simulated time: the real flows, day by day, with simulated learners answering.

Nothing waits: time is a value that the flows are given. What is due inside a day is sent at its own instant. A demo
plays one rehearsal and shows it, a forecast plays many (:mod:`flows.forecasting`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flows.champions import champions
from flows.dispatch import dispatch
from flows.habit import habit
from flows.insights import insights
from flows.launch import launch
from flows.onboarding import onboarding
from flows.recommendations import recommendations
from flows.reengagement import reengagement
from flows.sync import sync
from pushpull.db import reading, writing
from pushpull.insights.simulate import SimulatedLearners
from pushpull.ledger import timing
from pushpull.ledger.due import next_due
from tasks.installation import Installation

STAGES = (launch, onboarding, recommendations, reengagement, habit, champions)
#: When the stages look for the waves of their day, local in the campaign's zone; as in prefect.yaml.
_MORNING = time(5, 5)
#: Monday: the intensity of a week is decided as it begins. Deployed, insights look every morning.
_LOOKS_ON = 0
#: Learners answer at least this often between two dispatches.
_ANSWERS_EVERY = timedelta(hours=6)


class Clock:
    """The simulated time, for whoever asks."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Rehearsal:
    """One campaign being rehearsed.

    Args:
        here: an installation with its own database and outbox.
        campaign_key: the campaign.
        learners: who answers.
        clock: moved along.
        as_runs: flows whose next run is a Prefect flow run, recorded with its tasks and artifacts; after it, and all
            others, are called as the plain functions they are.
        sends: sends what is due at an instant (UTC); None: the dispatch flow does.
    """

    here: Installation
    campaign_key: str
    learners: SimulatedLearners
    clock: Clock
    as_runs: set[Any] = field(default_factory=set)
    sends: Callable[[datetime], object] | None = None
    answers: Counter[str] = field(default_factory=Counter)
    _answered_until: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._answered_until = self.clock.now

    async def day(self, day: date) -> None:
        """Play one local day of the campaign: sync, plan every stage, then send what is due and let learners answer."""
        zone = self.here.campaign(self.campaign_key).timezone
        begins = timing.local_instant(zone, day, _MORNING)
        ends = timing.local_instant(zone, day + timedelta(days=1), _MORNING)
        self._answer(until=begins)
        await self._run(sync)
        with writing(self.here.engine) as connection:
            self.answers += self.learners.choose(connection, at=begins)
        if day.weekday() == _LOOKS_ON and day > self.here.campaign(self.campaign_key).start:
            await self._run(insights, thorough=False)  # models take their time, and change nothing that is sent
        for stage in STAGES:
            await self._run(stage, campaign=self.campaign_key)
        # Cues may come before the campaign's own day begins: as deployed, these are planned on the day before.
        await self._run(habit, campaign=self.campaign_key, days_ahead=1)
        await self._dispatch()  # where it is later than the hour of a wave already, its messages are due at once
        while (due := self._next_due(before=ends)) is not None:
            if due - self._answered_until >= _ANSWERS_EVERY:
                self._answer(until=due)
                await self._run(sync)
            self.clock.now = due
            await self._dispatch()
        self._answer(until=ends - timedelta(microseconds=1))

    async def _dispatch(self) -> None:
        if self.sends is None:
            await self._run(dispatch)
        else:
            self.sends(self.clock.now)

    async def _run(self, flow: Any, **parameters: object) -> None:
        run: Callable[..., Any] = flow if flow in self.as_runs else flow.fn
        self.as_runs.discard(flow)
        await run(as_of=self.clock.now.isoformat(), **parameters)

    def _next_due(self, *, before: datetime) -> datetime | None:
        with reading(self.here.engine) as connection:
            return next_due(connection, after=self.clock.now, before=before)

    def _answer(self, *, until: datetime) -> None:
        if until > self._answered_until:
            with writing(self.here.engine) as connection:
                self.answers += self.learners.act(connection, since=self._answered_until, until=until)
            self._answered_until = self.clock.now = until


def days_of(start: date, end: date) -> list[date]:
    """All days from ``start`` to ``end``, both included."""
    return [start + timedelta(days=number) for number in range((end - start).days + 1)]


def midnight(day: date) -> datetime:
    """The UTC instant at which a day begins in UTC."""
    return datetime.combine(day, time(), tzinfo=UTC)
