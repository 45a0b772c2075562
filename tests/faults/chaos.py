"""Chaos: workers that die all the time send through providers that fail all the time; then everything is counted.

Run it with ``python -m tests.faults.chaos`` (``make chaos``). Time is real here: leases, the settle window and late
acceptances are a few seconds instead of minutes, in the same order. The same harness runs a naive loop, which sends and
then records, to show that it can see a duplicate.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

from sqlalchemy import Engine, func, select

from pushpull.db import open_database, reading, writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.campaigns import resume_channel
from pushpull.ledger.reconcile import Patience, reap, reconcile
from pushpull.ledger.tables import delivery
from pushpull.ledger.vocabulary import DeliveryState
from pushpull.migrations import upgrade
from tests import postgres
from tests.faults import doomed, naive
from tests.faults.recruits import recruits
from tests.ledger.builders import ALWAYS, a_campaign, a_wave, planned
from tests.standin.faults import Fault
from tests.standin.process import Remote, standin_process

#: Both can be asked what became of a message.
CHANNELS = (Channel.EMAIL, Channel.SMS)
PROVIDERS = {Channel.EMAIL: "sendgrid", Channel.SMS: "twilio"}

#: Everything but the throttles that ask for minutes: tests elsewhere show what those mean.
FAULTS = tuple(
    fault
    for fault in Fault
    if fault not in {Fault.THROTTLED_SILENT, Fault.THROTTLED_GARBAGE, Fault.THROTTLED_NEGATIVE, Fault.THROTTLED_WEEK}
)

#: Seconds. A call ends before its lease; what is late is there before an absence counts.
DEADLINE, LATE, LEASE, SETTLE = 1.0, 0.7, 3.0, 6.0

_OPEN = [
    DeliveryState.PLANNED.value,
    DeliveryState.CLAIMED.value,
    DeliveryState.HANDING_OVER.value,
    DeliveryState.UNCERTAIN.value,
]

# Forked from a clean server that has read the code once: a fresh process in a hundredth of a second.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["__main__", "tests.faults.doomed", "tests.faults.naive", "channels.email", "channels.sms"]
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How bad it is.

    Args:
        messages: half of them e-mails, half text messages.
        share: of requests that something goes wrong with.
        kills: after so many workers are let live.
        is_naive: send and then record, instead of the ledger's protocol.
        patience: seconds after which it should have come to an end.
    """

    messages: int = 2000
    workers: int = 3
    share: float = 0.3
    kills: int = 500
    seed: int = 7
    is_naive: bool = False
    patience: float = 900.0


@dataclass
class Tally:
    """What came of it, as the stand-in counts."""

    messages: int = 0
    kills: int = 0
    requests: int = 0
    faults: int = 0
    duplicates: int = 0
    lost: int = 0
    parked: int = 0
    states: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def row(self, name: str) -> str:
        """As a line of a table."""
        share = 100 * self.faults / max(1, self.requests)
        return (
            f"{name:<22} {self.messages:>8} {self.kills:>6} {self.requests:>9} {share:>6.1f}% "
            f"{self.duplicates:>11} {self.lost:>6} {self.parked:>7} {self.seconds:>6.0f} s"
        )


HEADING = (
    f"{'':<22} {'messages':>8} {'kills':>6} {'requests':>9} {'faults':>7} "
    f"{'duplicates':>11} {'lost':>6} {'parked':>7} {'time':>8}"
)


class Chaos:
    """One run.

    Args:
        engine: an empty, migrated database.
    """

    def __init__(self, engine: Engine, standin: Remote, plan: Plan) -> None:
        self._engine, self._standin, self._plan = engine, standin, plan
        self._random = random.Random(plan.seed)
        self._waves: dict[Channel, list[int]] = {}
        self._everybody: set[str] = set()
        self._kills = 0
        self._over = Event()

    def run(self) -> Tally:
        """Send everything, whatever happens; then count."""
        self._plan_waves()
        self._standin.fault(
            *FAULTS, times=None, share=self._plan.share, seed=self._plan.seed, seconds=LATE, size=200_000
        )
        began = time.monotonic()
        recovering = Thread(target=self._recover, name="recovering")
        recovering.start()
        try:
            self._work(until=began + self._plan.patience)
        finally:
            self._over.set()
            recovering.join()
        time.sleep(2 * LATE)  # what is late may still come, twice
        return self._tally(time.monotonic() - began)

    def _plan_waves(self) -> None:
        """Waves of at most 500 that are due now, wherever now is noon."""
        now = datetime.now(UTC)
        zone = _zone_where_it_is_noon(now)
        today = (now + timedelta(hours=13 - now.hour)).date()
        half = self._plan.messages // len(CHANNELS)
        place = 0
        with writing(self._engine) as connection:
            a_campaign(connection, starts_on=today, ends_on=today + timedelta(weeks=6))
        for channel in CHANNELS:
            self._waves[channel] = []
        with writing(self._engine) as connection:
            people = recruits(connection, half, first=place, zone=zone)
        for channel in CHANNELS:
            spec = a_wave(f"launch.{channel.value}", on=today, channels=(channel,), window=ALWAYS, timezone=zone)
            wave_id = planned(self._engine, spec, as_of=now)
            self._waves[channel].append(wave_id)
            self._everybody |= {f"{wave_id}-0-{learner_id}" for learner_id in people}

    def _work(self, *, until: float) -> None:
        """Keep workers at work; kill them, at a point of the protocol or at any time, until enough were."""
        lives: list[_Life] = []
        number, looks_at = 0, 0.0
        while time.monotonic() < until:
            for life in [each for each in lives if each.is_over()]:
                lives.remove(life)
                self._kills += life.was_killed
            if time.monotonic() >= looks_at:
                if self._is_done():
                    break
                looks_at = time.monotonic() + 0.2
            while len(lives) < self._plan.workers:
                number += 1
                lives.append(self._born(number))
            for life in lives:
                life.meet_fate()
            time.sleep(0.005)
        for life in lives:
            life.end()

    def _born(self, number: int) -> _Life:
        channel = CHANNELS[number % len(CHANNELS)]
        post = doomed.Post(
            database=self._engine.url.render_as_string(hide_password=False),
            wave_ids=self._waves[channel],
            channel=channel,
            variables=self._standin.variables,
            now=datetime.now(UTC),
            lease=LEASE,
            deadline=DEADLINE,
            request_size=2,
            batch_size=4,
        )
        fate: dict[str, Any] = {}
        dies_after = None
        if self._kills < self._plan.kills:
            if self._random.random() < 0.6:
                fate = {"dies_at": str(self._random.choice(doomed.POINTS)), "at_visit": self._random.randint(1, 2)}
            else:
                dies_after = self._random.uniform(0.05, 0.8)
        target = naive.work if self._plan.is_naive else doomed.work
        share = (number % self._plan.workers, self._plan.workers) if self._plan.is_naive else ()
        return _Life(target, (post, *share), fate, dies_after)

    def _recover(self) -> None:
        """Reap, ask and settle, as a schedule would; and a person resumes what was stopped."""
        patience = Patience(settle=timedelta(seconds=SETTLE), park=timedelta(hours=1))
        asked = {channel: doomed.adapter_of(channel, self._standin.variables) for channel in CHANNELS}
        while not self._over.wait(0.3):
            with writing(self._engine) as connection:
                for channel in CHANNELS:
                    resume_channel(connection, channel.value)
            if not self._plan.is_naive:
                reap(self._engine)
                reconcile(
                    self._engine,
                    lambda channel, questions: [
                        evidence for each in questions for evidence in asked[Channel(channel)].look_up([each])
                    ],
                    now=datetime.now(UTC),
                    patience=patience,
                )

    def _is_done(self) -> bool:
        with reading(self._engine) as connection:
            left = connection.execute(
                select(func.count()).select_from(delivery).where(delivery.c.state.in_(_OPEN))
            ).scalar_one()
        return left == 0

    def _tally(self, seconds: float) -> Tally:
        taken = Counter(
            message["delivery_id"] for name in PROVIDERS.values() for message in self._standin.taken()[name]
        )
        with reading(self._engine) as connection:
            rows = connection.execute(select(delivery.c.wave_id, delivery.c.learner_id, delivery.c.state)).all()
        parked = {f"{row.wave_id}-0-{row.learner_id}" for row in rows if row.state == DeliveryState.PARKED.value}
        struck = self._standin.struck().values()
        return Tally(
            messages=len(self._everybody),
            kills=self._kills,
            requests=sum(each["requests"] for each in struck),
            faults=sum(sum(each.values()) - each["requests"] for each in struck),
            duplicates=sum(count - 1 for count in taken.values()),
            lost=len(self._everybody - set(taken) - parked),
            parked=len(parked),
            states=dict(Counter(row.state for row in rows)),
            seconds=seconds,
        )


class _Life:
    """A worker process and its fate."""

    def __init__(self, target: Any, args: Sequence[Any], fate: dict[str, Any], dies_after: float | None) -> None:
        self._process = _processes.Process(target=target, args=args, kwargs=fate)
        self._process.start()
        self._dies_at = time.monotonic() + dies_after if dies_after is not None else None

    def is_over(self) -> bool:
        return self._process.exitcode is not None

    @property
    def was_killed(self) -> bool:
        return self._process.exitcode == -signal.SIGKILL

    def meet_fate(self) -> None:
        if self._dies_at is not None and time.monotonic() >= self._dies_at:
            self.end()

    def end(self) -> None:
        if self._process.pid is not None and self._process.exitcode is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.join(10)


def _zone_where_it_is_noon(now: datetime) -> str:
    """A zone in which it is about one o'clock: texts may be sent, and the day has hours left."""
    ahead = 13 - now.hour
    return f"Etc/GMT{'-' if ahead > 0 else '+'}{abs(ahead)}" if ahead else "Etc/GMT"


def chaos(server: str, plan: Plan) -> Tally:
    """One run, in a database of its own.

    Args:
        server: of a PostgreSQL (:func:`tests.postgres.server`).
    """
    with postgres.database(server) as url, standin_process(is_checking=False) as standin:
        engine = open_database(url)
        try:
            upgrade(engine)
            return Chaos(engine, standin, plan).run()
        finally:
            engine.dispose()


def main() -> int:
    """Run both loops and print the table; 1 when the ledger's has a duplicate, a loss or too few kills."""
    options = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    options.add_argument("--messages", type=int, default=2000)
    options.add_argument("--kills", type=int, default=500)
    options.add_argument("--workers", type=int, default=3)
    options.add_argument("--seed", type=int, default=7)
    chosen = options.parse_args()
    plan = Plan(messages=chosen.messages, kills=chosen.kills, workers=chosen.workers, seed=chosen.seed)
    small = max(40, plan.messages // 10)
    blind = Plan(messages=small, kills=plan.kills // 10, workers=plan.workers, seed=plan.seed, is_naive=True)
    print(HEADING, flush=True)
    with postgres.server() as server:
        ours = chaos(server, plan)
        print(ours.row("the ledger's protocol"), flush=True)
        print(chaos(server, blind).row("send, then record"), flush=True)
    print(f"became: {', '.join(f'{count} {state}' for state, count in sorted(ours.states.items()))}; seed {plan.seed}")
    return int(bool(ours.duplicates or ours.lost or ours.parked) or ours.kills < plan.kills)


if __name__ == "__main__":
    sys.exit(main())
