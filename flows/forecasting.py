"""A campaign played many times before it begins: the same flows, in simulated time, by processes of their own.

Each run plays a copy of the ledger (`pushpull.insights.forecast.copying`) in which nobody has a name or an address, by
an installation that sends nothing (`tasks.silent`). The real ledger is only read.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from content.campaign import Campaign, campaign_spec
from flows.rehearsal import Clock, Rehearsal, days_of, midnight
from pushpull.db import open_database, reading, writing
from pushpull.insights.forecast.copying import SAMPLE, Copied, copy_ledger
from pushpull.insights.forecast.figures import RunFigures, count_run
from pushpull.insights.forecast.learning import learn
from pushpull.insights.forecast.parameters import Parameters, parameters_of
from pushpull.insights.forecast.together import FEWEST_RUNS, Forecast, Setting, together
from pushpull.insights.simulate import SimulatedLearners
from pushpull.learners.vocabulary import Channel
from pushpull.ledger import timing
from pushpull.ledger.campaigns import register
from pushpull.migrations import upgrade
from tasks.installation import Installation, installed
from tasks.silent import AS_SET, SilentInstallation, open_silently, replace_database, sending

#: Processes at the most: each holds a copy of the ledger.
_MOST_PROCESSES = 8
_SEEDS = 2**31


class CampaignOverError(ValueError):
    """There is nothing left to forecast."""

    def __init__(self, campaign: Campaign) -> None:
        super().__init__(f"campaign {campaign.key} was over on {campaign.ends_on}: nothing of it is left to forecast")


@dataclass(frozen=True)
class Play:
    """One run, as a process is told it.

    Args:
        template: the copied ledger, which every run begins with.
        as_set: what decides whom a campaign writes to, as the settings have it.
        begins_at: the simulated time at which it begins, UTC.
        seed: of the people, and of the parameters that are drawn for this run.
        parameters: as :meth:`Parameters.as_json` says.
        draws: whether the parameters are drawn; else they are as expected.
        days: only so many; 0: all that are left.
    """

    template: Path
    as_set: dict[str, Any]
    campaign_key: str
    begins_at: datetime
    seed: int
    parameters: dict[str, Any]
    draws: bool = True
    days: int = 0


@dataclass(frozen=True)
class Asked:
    """What is to be forecast.

    Args:
        runs: how many; 20 give an interval that holds in nine of ten cases.
        seed: the same one gives the same forecast of the same ledger.
        as_of: the instant (UTC) from which on it is played, or the day before the campaign's first, if that is later.
        days: only so many days; 0: to the campaign's end.
        sample: most people; of more, a sample stands for all.
        processes: at the same time; 0: one per core.
    """

    campaign_key: str
    as_of: datetime
    runs: int = 20
    seed: int = 1
    days: int = 0
    sample: int = SAMPLE
    processes: int = 0

    def __post_init__(self) -> None:
        if self.runs < FEWEST_RUNS:
            raise ValueError(f"a forecast needs {FEWEST_RUNS} runs at least, not {self.runs}")


def make_forecast(
    here: Installation,
    asked: Asked,
    *,
    parameters: Parameters | None = None,
    on_run: Callable[[int, int], object] = lambda _done, _runs: None,
) -> Forecast:
    """Forecast a campaign.

    Args:
        here: the installation whose campaign it is; its database is read, and the campaign registered in it.
        parameters: of the people; None: as the own past and what is assumed say.
        on_run: told how many runs of how many are over.

    Raises:
        CampaignOverError: it is over already.
        content.source.ContentError: its file cannot be used.
    """
    campaign = here.campaign(asked.campaign_key)
    begins_at = first_moment(campaign, asked.as_of)
    with writing(here.engine) as connection:
        register(connection, campaign_spec(campaign), now=asked.as_of)
    with reading(here.engine) as connection:
        known = learn(connection, as_of=asked.as_of) if parameters is None else parameters
    with copied(here, campaign, as_of=asked.as_of, sample=asked.sample) as (template, copy):
        plays = [
            Play(
                template=template,
                as_set=here.settings.model_dump(include=set(AS_SET)),
                campaign_key=asked.campaign_key,
                begins_at=begins_at,
                seed=seed,
                parameters=known.as_json(),
                days=asked.days,
            )
            for seed in seeds(asked.seed, asked.runs)
        ]
        figures = play_all(plays, processes=asked.processes, on_run=on_run)
    return together(asked.campaign_key, figures, _setting(here, campaign, asked, begins_at, copy), known)


def first_moment(campaign: Campaign, as_of: datetime) -> datetime:
    """When the simulated time of a forecast begins, UTC.

    Raises:
        CampaignOverError: the campaign is over by then.
    """
    if timing.local_day(as_of, campaign.timezone) > campaign.ends_on:
        raise CampaignOverError(campaign)
    return max(as_of, midnight(campaign.start) - timedelta(days=1))


def seeds(first: int, runs: int) -> list[int]:
    """The seeds of so many runs."""
    rng = random.Random(f"forecast:{first}")
    return [rng.randrange(_SEEDS) for _ in range(runs)]


@contextmanager
def copied(here: Installation, campaign: Campaign, *, as_of: datetime, sample: int) -> Iterator[tuple[Path, Copied]]:
    """A copy of the ledger in a folder of its own, both gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="pushpull-forecast-") as folder:
        template = Path(folder) / "ledger.db"
        engine = open_database(f"sqlite:///{template}")
        upgrade(engine)
        with reading(here.engine) as source, writing(engine) as target:
            copy = copy_ledger(source, target, as_of=as_of, items=campaign.items, sample=sample)
        with engine.connect() as connection:  # into the one file that is handed on
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
        yield template, copy


def play_all(
    plays: list[Play], *, processes: int = 0, on_run: Callable[[int, int], object] = lambda _done, _runs: None
) -> list[RunFigures]:
    """Play runs side by side, in the order they were given.

    Args:
        processes: 0: one per core; 1: in this one, unless that is busy with a flow run, whose steps these are not.
    """
    wanted = min(len(plays), processes or min(os.cpu_count() or 1, _MOST_PROCESSES))
    if wanted <= 1 and not _is_in_a_loop():
        figures = []
        for play in plays:
            figures.append(play_run(play))
            on_run(len(figures), len(plays))
        return figures
    # Spawned, not forked: a fork would share connections and threads of Prefect's.
    with ProcessPoolExecutor(wanted, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(play_run, play): place for place, play in enumerate(plays)}
        waiting, done = set(running), 0
        while waiting:
            over, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            done += len(over)
            on_run(done, len(plays))
        return [each.result() for each, _ in sorted(running.items(), key=lambda one: one[1])]


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def play_run(play: Play) -> RunFigures:
    """Play one run of a campaign, to its end."""
    place = _place(play)
    here = place.here
    replace_database(here.engine, play.template, place.database)
    campaign = here.campaign(play.campaign_key)
    parameters = parameters_of(play.parameters)
    drawn = random.Random(f"parameters:{play.seed}") if play.draws else None
    people = SimulatedLearners(play.seed, parameters.behaviour(drawn))
    clock = Clock(play.begins_at)
    rehearsal = Rehearsal(here, play.campaign_key, people, clock, sends=sending(here))
    first = max(campaign.start, timing.local_day(play.begins_at, campaign.timezone))
    days = days_of(first, campaign.ends_on)
    with installed(here):
        asyncio.run(_play(rehearsal, days[: play.days] if play.days else days))
    with reading(here.engine) as connection:
        return count_run(connection, play.campaign_key, seed=play.seed, as_of=clock.now, since=play.begins_at)


async def _play(rehearsal: Rehearsal, days: list[Any]) -> None:
    for day in days:
        await rehearsal.day(day)


@dataclass(frozen=True)
class _Place:
    """Where a process plays all its runs of one forecast: what is compiled and read for one serves the next."""

    folder: tempfile.TemporaryDirectory[str]  # gone when the process ends
    here: SilentInstallation

    @property
    def database(self) -> Path:
        return Path(self.folder.name) / "ledger.db"


_places: dict[Path, _Place] = {}


def _place(play: Play) -> _Place:
    if play.template not in _places:
        for former in _places.values():
            former.here.engine.dispose()
            former.folder.cleanup()
        _places.clear()
        folder = tempfile.TemporaryDirectory(prefix="pushpull-forecast-run-")
        database, outbox = Path(folder.name) / "ledger.db", Path(folder.name) / "outbox"
        database.write_bytes(play.template.read_bytes())
        _places[play.template] = _Place(folder, open_silently(play.as_set, database, outbox))
    return _places[play.template]


def _setting(here: Installation, campaign: Campaign, asked: Asked, begins_at: datetime, copy: Copied) -> Setting:
    own = here.settings
    prices = {
        Channel.EMAIL: own.cost_email,
        Channel.TEAMS: own.cost_teams,
        Channel.SMS: own.cost_sms,
        Channel.SLACK: own.cost_slack,
    }
    last = campaign.ends_on
    if asked.days:
        first = max(campaign.start, timing.local_day(begins_at, campaign.timezone))
        last = min(last, first + timedelta(days=asked.days - 1))
    return Setting(
        begins_at=begins_at,
        ends_at=midnight(last) + timedelta(days=1),
        sample=copy.learners,
        scale=copy.scale,
        rates={
            channel.value: adapter.limits.per_second
            for channel, adapter in here.adapters.items()
            if adapter.limits.per_second
        },
        prices={channel.value: price for channel, price in prices.items() if price},
        currency=own.currency,
        seed=asked.seed,
    )
