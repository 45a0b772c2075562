"""Playing the presentation: each day's records come in at noon, the flows run every morning, dispatch when it is due.

Time goes from event to event: dispatch runs at every instant at which the ledger has something due, a stage on every
day on which it has waves. Both are exact: a dispatch with nothing due and a stage without waves send nothing.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import Engine, func, select
from sqlalchemy.engine import make_url

from content.campaign import stage_waves
from deployments.replay import dataset, evidence
from deployments.replay.campaign import ANNOUNCEMENT, KEY, REMINDERS, write_content
from deployments.replay.dataset import PARAMETERS, TIMEZONE, Dataset
from deployments.replay.days import Day
from deployments.replay.killing import kill_in_mid_wave
from deployments.replay.report import Check, FileAccount, Kill, ReplayReport, Rerun, Series
from flows.dispatch import dispatch
from flows.launch import launch
from flows.onboarding import onboarding
from flows.recommendations import recommendations
from flows.reengagement import reengagement
from flows.sync import sync
from pushpull.db import reading
from pushpull.importers.reading import Rows
from pushpull.importers.runs import ImportReport
from pushpull.importers.tabular import Window, import_catalogue, import_people, import_records, split_by_day
from pushpull.learners.tables import learner
from pushpull.ledger.due import next_due
from pushpull.ledger.planning import PlanResult
from pushpull.ledger.results import wave_results
from pushpull.ledger.tables import delivery, handover, wave
from pushpull.ledger.vocabulary import DeliveryState
from pushpull.settings import Settings
from tasks.installation import Installation, assemble, installed

#: Small, so that the largest wave takes several handovers and can be killed between them.
_BATCH_SIZE = 50
#: Handovers of the killed worker.
_HANDOVERS_BEFORE_DEATH = 3
_STAGES = (launch, onboarding, recommendations, reengagement)

#: Called after every day with its number and how many there are.
OnDay = Callable[[int, int], None]


class NotEmptyError(ValueError):
    """The database holds learners already: a replay in it would mix two stories."""

    def __init__(self, database: str) -> None:
        super().__init__(f"{database} already holds learners; give the replay an empty database")


@dataclass
class _Clock:
    """The simulated time: the Date of the sandbox's e-mails."""

    now: datetime


def run_replay(
    *,
    data_dir: Path,
    work_dir: Path,
    database_url: str | None = None,
    days: int | None = None,
    on_day: OnDay = lambda _day, _days: None,
) -> ReplayReport:
    """Play the presentation and hold the outcome against the raw data.

    Args:
        data_dir: the folder with the OULAD files.
        work_dir: gets ``replay.db``, ``outbox/`` and ``content/``; what an earlier replay left there is replaced.
        database_url: an empty database instead of SQLite in ``work_dir``.
        days: only so many days from the start of the presentation; None plays it whole.
        on_day: for a progress bar.

    Raises:
        NoDataError: a file is missing.
        NotEmptyError: the database is in use.
    """
    started = time.monotonic()
    data = dataset.read(data_dir)
    settings = _settings(data, work_dir, database_url)
    clock = _Clock(dataset.noon(0))
    here = assemble(settings, clock=lambda: clock.now)
    try:
        with reading(here.engine) as connection:
            if connection.scalar(select(func.count()).select_from(learner)):
                raise NotEmptyError(make_url(settings.database_url).render_as_string())
        play = _Play(data, here, clock, days=min(days or data.length, data.length))
        with installed(here):
            asyncio.run(play.all_of_it(on_day))
        return play.report(seconds=lambda: time.monotonic() - started)
    finally:
        here.engine.dispose()


def _settings(data: Dataset, work_dir: Path, database_url: str | None) -> Settings:
    work_dir = work_dir.resolve()
    work_dir.mkdir(parents=True, exist_ok=True)
    for name in ("outbox", "content"):
        shutil.rmtree(work_dir / name, ignore_errors=True)
    for path in work_dir.glob("replay.db*"):
        path.unlink()
    repository_content = Settings.model_fields["content_dir"].default
    return Settings(
        database_url=database_url or f"sqlite:///{work_dir / 'replay.db'}",
        content_dir=write_content(work_dir / "content", data, repository_content),
        outbox_dir=work_dir / "outbox",
        channels="sandbox",  # whatever this machine is set to: nothing of a replay may leave it
        batch_size=_BATCH_SIZE,
        settle_minutes=0.001,  # the sandbox remembers at once what it took
        timezone=TIMEZONE,
        global_holdout=0.0,
    )


class _Play:
    def __init__(self, data: Dataset, here: Installation, clock: _Clock, *, days: int) -> None:
        self._data, self._here, self._clock, self._days = data, here, clock, days
        self._files = {name: FileAccount(name, dataset.data_rows(data.folder / name)) for name in dataset.FILES}
        self._daily: Mapping[str, dict[date | None, Rows]] = {
            name: split_by_day(data.folder / name, preset="oulad", params=PARAMETERS)
            for name in (dataset.REGISTRATIONS, dataset.SUBMISSIONS, dataset.CLICKS)
        }
        self._audiences: dict[int, int] = {}
        self._kill: Kill | None = None
        self._reruns: list[Rerun] = []
        self._dispatches = 0
        self._ended_at = clock.now

    # --- the story ---------------------------------------------------------------------------------------------------

    async def all_of_it(self, on_day: OnDay) -> None:
        """Bring in what was there before, play the days, and run three of them again."""
        self._import_what_was_there()
        first_day = Day(0)
        reminded = False
        for number in range(self._days):
            day = first_day if number == 0 else Day(number)
            await self._play(day)
            is_last = number == self._days - 1
            if number == 0:
                await self._again(day, "the launch day, right after its wave was killed and finished")
            elif not reminded and (is_last or self._has_reminded()):
                reminded = True
                await self._again(day, f"day {number}, on which the first reminders went out")
            on_day(number + 1, self._days)
            self._ended_at = day.end
        await self._again(first_day, "the launch day once more at the end, its wave long finished")
        self._import_everything_again()

    async def _play(self, day: Day) -> None:
        await self._run_stages(day)
        await self._dispatch_until(day, day.morning, day.noon)
        self._import_records_of(day)
        await self._sync(day.noon)
        await self._dispatch_until(day, day.noon, day.end)

    async def _again(self, day: Day, what: str) -> None:
        """Run the flows of a day a second time, and its imports."""
        outbox = self._here.settings.outbox_dir
        messages, rows = evidence.count_letters(outbox), self._rows()
        await self._run_stages(day)
        for instant in day.dispatched_at:
            if instant > day.noon:
                break
            await self._dispatch(instant)
        new_records = sum(report.accepted for report in self._imports_of(day).values())
        await self._sync(day.noon)
        for instant in day.dispatched_at:
            await self._dispatch(instant)
        changed = rows.items() ^ self._rows().items()
        new = evidence.count_letters(outbox) - messages
        self._reruns.append(Rerun(what, messages, new, len(changed), new_records))

    async def _run_stages(self, day: Day) -> None:
        self._clock.now = day.morning
        campaign = self._here.campaign(KEY)
        for stage in _STAGES:
            if stage is not launch and not stage_waves(campaign, stage.name, day.date):
                continue  # nothing to plan on this day; launch also dates goals
            plans: list[PlanResult] = await stage.fn(KEY, as_of=day.morning.isoformat())
            for plan in plans:
                if plan.wave_id is not None:
                    self._audiences.setdefault(plan.wave_id, plan.audience)

    async def _dispatch_until(self, day: Day, after: datetime, until: datetime) -> None:
        while True:
            with reading(self._here.engine) as connection:
                instant = next_due(connection, after=after, before=until)
            if instant is None:
                return
            if self._kill is None:
                await self._die_in_mid_wave(instant)
            await self._dispatch(instant)
            day.dispatched_at.append(instant)
            after = instant

    async def _dispatch(self, instant: datetime) -> None:
        self._clock.now = instant
        self._dispatches += 1
        await dispatch.fn(as_of=instant.isoformat())

    async def _sync(self, instant: datetime) -> None:
        self._clock.now = instant
        await sync.fn(as_of=instant.isoformat())

    # --- the death of a worker ---------------------------------------------------------------------------------------

    async def _die_in_mid_wave(self, instant: datetime) -> None:
        """Let another process dispatch, kill it, wait until its lease is over, and let sync look what it left."""
        outbox = self._here.settings.outbox_dir
        died = kill_in_mid_wave(self._here.settings, instant, after=_HANDOVERS_BEFORE_DEATH)
        name, states = self._largest_wave()
        waited = time.monotonic()
        time.sleep(died.lease_seconds + 0.1)  # leases run on the database's clock, in real time
        handed_over = evidence.count_letters(outbox)
        unrecorded = states.get(DeliveryState.HANDING_OVER.value, 0)
        await self._sync(instant)
        _, after = self._largest_wave()
        accepted = DeliveryState.ACCEPTED.value
        self._kill = Kill(
            wave=name,
            exit_code=died.exit_code,
            planned=sum(states.values()) - states.get(DeliveryState.SKIPPED.value, 0),
            handed_over=handed_over,
            unrecorded=unrecorded,
            settled=after.get(accepted, 0) - states.get(accepted, 0),
            waited_seconds=time.monotonic() - waited,
        )

    def _largest_wave(self) -> tuple[str, dict[str, int]]:
        with reading(self._here.engine) as connection:
            rows = connection.execute(
                select(wave.c.key, delivery.c.state, func.count())
                .select_from(delivery.join(wave, wave.c.id == delivery.c.wave_id))
                .where(wave.c.series == ANNOUNCEMENT)
                .group_by(wave.c.key, delivery.c.state)
            ).all()
        return rows[0][0], {state: count for _, state, count in rows}

    # --- what comes in -----------------------------------------------------------------------------------------------

    def _import_what_was_there(self) -> None:
        """People, catalogue, and what had happened when the presentation began."""
        self._import_the_rest(now=Day(0).start)
        start = Day(0)
        for name, by_day in self._daily.items():
            earlier = [by_day.pop(day) for day in list(by_day) if day is None or day < start.date]
            rows = sorted((row for each in earlier for row in each.rows), key=lambda row: row[0])
            if earlier:
                once = {number: (number, cells) for number, cells in rows}
                whole = replace(earlier[0], rows=list(once.values()), total=len(once))
                self._count(name, self._records(whole, start.morning, until=start.start))

    def _import_the_rest(self, *, now: datetime) -> dict[str, ImportReport]:
        folder, engine = self._data.folder, self._here.engine
        people = import_people(engine, folder / dataset.PEOPLE, preset="oulad", params=PARAMETERS, now=now)
        reports = {dataset.PEOPLE: people}
        for name in (dataset.COURSES, dataset.ASSESSMENTS, dataset.SITES):
            reports[name] = import_catalogue(engine, folder / name, preset="oulad", params=PARAMETERS, now=now)
        for name, report in reports.items():
            if self._files[name].imports == 0:
                self._count(name, report)
        return reports

    def _import_records_of(self, day: Day) -> None:
        for name, report in self._imports_of(day).items():
            self._count(name, report)

    def _imports_of(self, day: Day) -> dict[str, ImportReport]:
        return {
            name: self._records(by_day[day.date], day.noon, until=day.midnight)
            for name, by_day in self._daily.items()
            if day.date in by_day
        }

    def _import_everything_again(self) -> None:
        """Each file whole, up to the end of the play: nothing of it may be new."""
        now = self._ended_at
        for name, report in self._import_the_rest(now=now).items():
            self._files[name].again = report
        until = Day(self._days - 1).midnight
        for name in self._daily:
            self._files[name].again = self._records(self._data.folder / name, now, until=until)

    def _records(self, source: Path | Rows, now: datetime, *, until: datetime) -> ImportReport:
        window = Window(until=until)
        return import_records(self._here.engine, source, preset="oulad", params=PARAMETERS, now=now, window=window)

    def _count(self, name: str, report: ImportReport) -> None:
        self._files[name].add(report)

    # --- what came of it ---------------------------------------------------------------------------------------------

    def _rows(self) -> dict[tuple[int, int, int], tuple[object, ...]]:
        """Every delivery with its state, to see whether a re-run changes one."""
        chosen = (delivery.c.wave_id, delivery.c.rotation, delivery.c.learner_id)
        said = (delivery.c.state, delivery.c.reason, delivery.c.handover_id, delivery.c.attempt)
        with reading(self._here.engine) as connection:
            return {tuple(row[:3]): tuple(row[3:]) for row in connection.execute(select(*chosen, *said))}

    def _has_reminded(self) -> bool:
        with reading(self._here.engine) as connection:
            found = connection.scalar(
                select(func.count())
                .select_from(handover.join(wave, wave.c.id == handover.c.wave_id))
                .where(wave.c.series.in_(REMINDERS))
            )
        return bool(found)

    def report(self, *, seconds: Callable[[], float]) -> ReplayReport:
        """Hold everything against everything."""
        assert self._kill is not None, "nothing was ever due, so nobody could be killed"
        engine = self._here.engine
        found = evidence.letters(self._here.settings.outbox_dir)
        with reading(engine) as connection:
            series_of = dict(connection.execute(select(wave.c.id, wave.c.series)).all())
            checks = [
                *evidence.against_the_raw_data(self._data, found, series_of),
                *evidence.against_the_ledger(
                    connection, self._data, found, audiences=self._audiences, ended_at=self._ended_at
                ),
                *self._own_checks(),
            ]
            learners = connection.scalar(select(func.count()).select_from(learner)) or 0
        return ReplayReport(
            database=engine.dialect.name,
            learners=learners,
            days=self._days,
            dispatches=self._dispatches,
            messages=len(found),
            files=tuple(self._files.values()),
            series=_by_series(engine, series_of),
            kill=self._kill,
            reruns=tuple(self._reruns),
            checks=checks,
            seconds=seconds(),
            peak_memory=_peak_memory(),
        )

    def _own_checks(self) -> list[Check]:
        kill, files, reruns = self._kill, self._files.values(), self._reruns
        assert kill is not None
        again = [each.again for each in files if each.again is not None]
        return [
            Check("three re-runs send nothing", sum(each.new_messages for each in reruns), "messages in the outbox"),
            Check("… and change nothing", sum(each.changed_rows for each in reruns), "every delivery row"),
            Check("… and import nothing", sum(each.new_records for each in reruns), "rows taken in"),
            Check("three days were run again", abs(3 - len(reruns)), "1 would mean that a re-run is missing"),
            Check("the worker died of kill -9", kill.exit_code + 9, "its exit code"),
            Check(
                "… in the middle of its wave",
                int(not 0 < kill.handed_over < kill.planned or not kill.unrecorded),
                "messages in the outbox at its death, some of them unknown to the ledger",
            ),
            Check("… and evidence settled all it left", abs(kill.unrecorded - kill.settled), "uncertain deliveries"),
            Check("rows in = accepted + rejected + duplicate", sum(each.unaccounted for each in files), "per file"),
            Check("a second import takes nothing in", sum(each.accepted for each in again), "all files, whole"),
        ]


def _by_series(engine: Engine, series_of: Mapping[int, str]) -> Sequence[Series]:
    found: dict[str, Series] = {}
    with reading(engine) as connection:
        for result in wave_results(connection, campaign_key=KEY):
            name = series_of[result.wave_id]
            series = found.setdefault(name, Series(name))
            series.waves += 1
            series.audience += result.audience
            series.accepted += result.accepted
            series.open += result.open
            series.skipped += result.skipped
            for state in (DeliveryState.REJECTED, DeliveryState.PARKED):
                if result.states[state]:
                    series.others[state.value] += result.states[state]
    return tuple(found.values())


def _peak_memory() -> int:
    """Bytes at the most, of this process and of the largest one it started."""
    unit = 1 if sys.platform == "darwin" else 1024
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return unit * max(resource.getrusage(each).ru_maxrss for each in who)
