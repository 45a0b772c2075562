"""Delivery: one worker process drains a wave of e-mails, with the whole protocol on.

The worker is `drain` with the real courier (facts, links, rendering in four languages) in a process without Prefect: a
bare worker. A Prefect worker holds Prefect's own modules on top of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, select

from benchmarks.figures import Measured, peak_memory
from benchmarks.population import AS_OF, CONTENT, DAY, a_wave
from channels.base import ChannelAdapter
from channels.sink import Sink
from pushpull.db import reading, writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.drain import DrainResult, drain
from pushpull.ledger.due import due_waves
from pushpull.ledger.planning import plan
from pushpull.ledger.reconcile import reap, reconcile
from pushpull.ledger.results import close_finished, wave_results
from pushpull.ledger.shards import Shard
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import wave
from pushpull.ledger.terms import Terms, campaign_items
from pushpull.settings import Settings
from tasks.courier import CampaignCourier
from tasks.installation import Installation, assemble

#: It is office hours in all six zones of the population.
_NOON = timedelta(hours=11)


def measure(url: str, _size: int, runs: int) -> Measured:
    """Messages into the sandbox: each an .eml with its text and HTML parts, on the disk."""
    with TemporaryDirectory() as folder:
        here = installation(url, Path(folder))
        measured = Measured(memory_before=peak_memory())
        for day in range(runs):
            wave_id = _plan(here, day)
            start = time.perf_counter()
            result = _drain(here, wave_id, day)
            measured.seconds.append(time.perf_counter() - start)
            _assert_finished(here, wave_id, result)
            measured.counts["messages"] = result.accepted
        measured.counts["bytes"] = sum(path.stat().st_size for path in Path(folder).rglob("*.parcel"))
    measured.peak_memory = peak_memory()
    return measured


def measure_memory(url: str, _size: int, _runs: int) -> Measured:
    """One wave to everybody, written in full and counted by a sink instead of kept; then the finished wave again.

    Once: memory needs no median. The replay is measured three times.
    """
    with TemporaryDirectory() as folder:
        here = installation(url, Path(folder))
        received = Path(folder) / "received"
        sinks: Mapping[Channel, ChannelAdapter] = {each: Sink(each, received) for each in Channel}
        here = replace(here, adapters=sinks)
        measured = Measured(memory_before=peak_memory())
        start = time.perf_counter()
        wave_id = _plan(here, 0)
        measured.more["plan"] = time.perf_counter() - start
        start = time.perf_counter()
        result = _drain(here, wave_id, 0)
        measured.more["drain"] = time.perf_counter() - start
        _assert_finished(here, wave_id, result)
        with writing(here.engine) as connection:
            close_finished(connection, now=AS_OF + _NOON)
        measured.peak_memory = peak_memory()
        measured.counts["messages"] = result.accepted
        measured.counts["log"] = received.stat().st_size
        for _ in range(3):
            start = time.perf_counter()
            again = _replay(here, wave_id)
            measured.seconds.append(time.perf_counter() - start)
        measured.counts["sent again"] = again.accepted
        measured.counts["log grew"] = received.stat().st_size - measured.counts["log"]
    return measured


def _replay(here: Installation, wave_id: int) -> DrainResult:
    """Everything the flows do about a wave, about one that is finished: plan, reap, reconcile, find, drain, close."""
    now = AS_OF + _NOON
    _plan(here, 0)
    reap(here.engine)
    reconcile(here.engine, lambda _channel, _handovers: [], now=now, patience=here.patience)
    with reading(here.engine) as connection:
        waiting = due_waves(connection, now=now, global_holdout=0.0)
    assert not waiting, "a finished wave is due"
    result = _drain(here, wave_id, 0)  # even when somebody asks for this very wave
    with writing(here.engine) as connection:
        close_finished(connection, now=now)
    return result


def installation(url: str, folder: Path) -> Installation:
    """An installation on this database, whose caps stop no run."""
    return assemble(
        Settings(
            database_url=url,
            content_dir=CONTENT,
            outbox_dir=folder,
            channels="sandbox",
            cap_per_day=50,
            cap_per_week=500,
            cap_per_month=2000,
        ),
        clock=lambda: AS_OF + _NOON,
    )


def _plan(here: Installation, day: int) -> int:
    spec = a_wave(100 + day, channels=(Channel.EMAIL,), on=DAY + timedelta(days=day))
    result = plan(here.engine, spec, as_of=AS_OF + timedelta(days=day))
    assert result.wave_id is not None
    return result.wave_id


def _drain(here: Installation, wave_id: int, day: int) -> DrainResult:
    with reading(here.engine) as connection:
        rules = the_terms(connection, wave_id, now=AS_OF + _NOON + timedelta(days=day))
        courier = CampaignCourier(connection, here, rules, here.renderer(rules.spec.campaign_key))
    return drain(here.engine, Shard(wave_id), rules, courier, options=here.drain_options(f"bench-{os.getpid()}"))


def the_terms(connection: Connection, wave_id: int, *, now: datetime) -> Terms:
    """The terms of a wave.

    Args:
        now: the campaign's clock, UTC.
    """
    row = connection.execute(
        select(wave.c.spec, wave.c.campaign_id, wave.c.planned_as_of).where(wave.c.id == wave_id)
    ).one()
    return Terms(
        spec=WaveSpec.model_validate(row.spec),
        campaign_id=row.campaign_id,
        item_ids=campaign_items(connection, row.campaign_id),
        as_of=now,
        planned_as_of=row.planned_as_of,
    )


def _assert_finished(here: Installation, wave_id: int, result: DrainResult) -> None:
    with reading(here.engine) as connection:
        (outcome,) = wave_results(connection, wave_ids=[wave_id])
    assert outcome.is_finished, f"open rows are left: {outcome.sentence()}"
    assert outcome.accepted == result.accepted > 0, outcome.sentence()
