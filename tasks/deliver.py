"""Delivering: what is due, in shards that any worker may drain, for a turn that may take hours.

A wave costs a handful of task runs, however large it is and however slow its provider: a task run goes on by itself,
minute by minute, each by the rules of that minute.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta

from sqlalchemy import select

from pushpull.db import database_now, reading, writing
from pushpull.learners.lists import in_texts
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.drain import DrainResult, drain
from pushpull.ledger.due import DueWave, became_due, due_waves, hold_misfires, settled_percent, waves_ahead
from pushpull.ledger.pacing import OTHERS_FIRST
from pushpull.ledger.results import close_finished
from pushpull.ledger.shards import Shard, shards, starting_with
from pushpull.ledger.switches import Switches
from pushpull.ledger.terms import Terms
from tasks.approve import as_approved
from tasks.courier import CampaignCourier
from tasks.installation import Installation, installation
from tasks.publish import Progress, artifact_key, in_a_run
from tasks.start import start_run
from tasks.step import step
from tasks.switches import Refresher

#: Learners a shard has at the least: below that, splitting costs more than it saves.
_WORTH_A_SHARD = 20_000

#: After so long a drain looks up: what has become due meanwhile may be more important, the wave may be another one than
#: was approved, and the clock the rules go by must not stand still.
_SLICE = timedelta(minutes=1)

#: What one process hands over in a second at the least: where a provider takes less, a second process is of no use.
_ONE_PROCESS = 3_000.0

#: Runs that drain one wave at the same time, at the most: what the database was measured with.
_MOST_RUNS = 16

#: How long to leave a provider to others whose turns are next, in seconds.
_OTHERS_SECONDS = 5.0

#: A wave with so many due shows how far it has come.
_WORTH_WATCHING = 5_000

#: Batches of a shard under way at the same time where a provider's answers take a while.
_SENDERS = 4

#: How many times larger batches are where e-mails are shared; what differs is some hundred bytes for each.
_SHARED_BATCH = 4

#: The least a provider that keeps messages must be given them ahead, and the time one run takes at the most.
_LEAD = timedelta(minutes=16)


@step("find due waves")
def find_due(as_of: datetime, *, hold_late: bool = True) -> list[DueWave]:
    """The waves with due deliveries, most important first; waves that are too late are held for a person instead."""
    here = installation()
    with writing(here.engine) as connection:
        if hold_late:
            hold_misfires(connection, now=as_of)
        return due_waves(connection, now=as_of, global_holdout=here.settings.global_holdout)


@step("find waves to plan ahead")
def find_ahead(as_of: datetime) -> list[DueWave]:
    """The waves whose e-mails the provider may be given before they are due, where the installation does that."""
    here = installation()
    ahead = timedelta(minutes=here.settings.email_plan_ahead_minutes)
    if not ahead or not here.adapters[Channel.EMAIL].limits.can_plan_ahead:
        return []
    with reading(here.engine) as connection:
        return waves_ahead(
            connection,
            after=as_of + _LEAD,
            upto=as_of + ahead,
            channel=Channel.EMAIL.value,
            global_holdout=here.settings.global_holdout,
        )


@dataclass(frozen=True, kw_only=True)
class Turn:
    """How long to go on with a wave.

    Args:
        length: afterwards other waves have theirs.
        since: when the run last looked at what is due. Where something else has become due after that, the turn is
            over. None: the clock stands still, as in rehearsals and replays.
        obligations_only: nothing but an obligation ends the turn early.
        switches: how everything is set. Where something is set otherwise meanwhile, the turn is over.
        due: deliveries of the whole rotation that were due when the turn began.
    """

    length: timedelta = _SLICE
    since: datetime | None = None
    obligations_only: bool = False
    switches: Switches = field(default_factory=Switches)
    due: int = 0


def shards_of(
    wave: DueWave, *, only: Sequence[str] | None = None, part: int = 0, parts: int = 1
) -> list[tuple[Shard, ...]]:
    """How a run divides a wave among its threads: for each, its own range and, after it, everybody else's.

    A run that has no other to share with has a thread per core in use, but for SQLite, which has a single writer, and
    for slow providers, whose turns one thread takes just as well.

    Args:
        only: external ids; with them, one shard of just these learners.
        part: which of the runs this is, from 0.
        parts: how many runs drain the wave at the same time.
    """
    here = installation()
    if only is not None:
        with reading(here.engine) as connection:
            chosen = connection.execute(select(learner.c.id).where(in_texts(learner.c.external_id, only)))
            ids = tuple(sorted(chosen.scalars()))
        return [(Shard(wave.wave_id, wave.rotation, only=ids),)] if ids else []
    threads = 1
    if parts == 1 and here.engine.dialect.name != "sqlite" and not _is_slow(here, wave):
        threads = max(1, min(os.cpu_count() or 1, wave.due // _WORTH_A_SHARD))
    with reading(here.engine) as connection:
        ranges = shards(connection, wave_id=wave.wave_id, rotation=wave.rotation, count=parts * threads)
    return [starting_with(ranges, part * threads + thread) for thread in range(min(threads, len(ranges)))]


def _is_slow(here: Installation, wave: DueWave) -> bool:
    rates = [here.adapters[channel].limits.per_second for channel in wave.rules.spec.channels]
    return all(rate is not None and rate < _ONE_PROCESS for rate in rates)


def start_helpers(wave: DueWave, *, key: str) -> int:
    """Let other workers help with a large wave. Nobody waits for them: who starts late finds nothing left.

    Args:
        key: the same one starts no second set of helpers.

    Returns:
        How many runs drain the wave now, this one among them.
    """
    here = installation()
    worth = min(here.settings.shard_runs, wave.due // _WORTH_A_SHARD - 1, _MOST_RUNS - 1)
    if worth < 1 or not in_a_run() or here.engine.dialect.name == "sqlite" or _is_slow(here, wave):
        return 1
    for part in range(1, worth + 1):
        asked = {"wave_id": wave.wave_id, "rotation": wave.rotation, "part": part, "parts": worth + 1}
        run = start_run(
            "shard/shard",
            asked,
            key=f"{key}-{wave.wave_id}-{wave.rotation}-{part}",
            queue="mandatory" if wave.is_mandatory else "",
        )
        if run is None:
            return 1  # no such deployment, or no server: this run does it all, with every core it has
    return worth + 1


@step("drain shard", run_name="wave {shard.wave_id} from {shard.after}")
def drain_shard(
    shard: Shard, rules: Terms, is_ahead: bool = False, turn: Turn = Turn(), others: tuple[Shard, ...] = ()
) -> DrainResult:
    """Send what is due in one shard of a wave, then in others, until nothing is or the turn is over.

    Safe to run any number of times, also at once with itself.

    Args:
        rules: the wave's, as of when the turn begins.
        is_ahead: give the provider what becomes due at ``rules.as_of``, to be sent then.
        others: shards to help with afterwards.
    """
    here = installation()
    slices = _Slices(here, rules, turn.switches, is_ahead=is_ahead)
    total, began = DrainResult(), time.monotonic()
    shown = Progress(
        key=artifact_key("wave", str(shard.wave_id), "progress"),
        description=f"{rules.spec.key}: how much of it is settled.",
    )
    now = rules.as_of
    for each in (shard, *others):
        while True:
            drained = slices.drain(each, now)
            _add(total, drained)
            if drained.stopped or drained.is_switched:
                return total
            if turn.since is not None:
                with reading(here.engine) as connection:
                    now = database_now(connection)
            if turn.due >= _WORTH_WATCHING and shard == each:
                with reading(here.engine) as connection:
                    shown.show(settled_percent(connection, shard.wave_id, shard.rotation))
            waits = OTHERS_FIRST in drained.deferred.values()
            if not drained.has_more and not waits:
                break
            if _is_over(here, shard, rules, turn, total, now=now, lasted=time.monotonic() - began):
                return total
            if waits:
                time.sleep(_OTHERS_SECONDS)
    total.has_more = False
    return total


def _is_over(
    here: Installation, shard: Shard, rules: Terms, turn: Turn, total: DrainResult, *, now: datetime, lasted: float
) -> bool:
    """Whether a turn ends before everything is sent, and why."""
    whole = DueWave(shard.wave_id, shard.rotation, turn.due, rules)
    if turn.since is not None:
        with reading(here.engine) as connection:
            total.gave_way = became_due(
                connection,
                after=turn.since,
                upto=now,
                besides=whole.name,
                obligations_only=turn.obligations_only or whole.is_mandatory,
            )
    total.has_more = total.gave_way or lasted >= turn.length.total_seconds()
    return total.has_more


class _Slices:
    """The inner drains of one task run."""

    def __init__(self, here: Installation, rules: Terms, switches: Switches, *, is_ahead: bool) -> None:
        self._here, self._rules = here, rules
        self._refresher = Refresher()
        is_far = here.settings.channels != "sandbox" and here.engine.dialect.name != "sqlite"
        usual = here.drain_options(f"{socket.gethostname()[:12]}-{os.getpid()}")
        # Shared e-mails travel by language and shape: of a larger batch, each request gets enough of a kind to be
        # worth it.
        shares = any(here.adapters[channel].limits.takes_shared_bodies for channel in rules.spec.channels)
        self._options = replace(
            usual,
            batch_size=usual.batch_size * (_SHARED_BATCH if shares else 1),
            slice=_SLICE,
            senders=_SENDERS if is_far else 1,
            send_at=rules.as_of if is_ahead else None,
            channels=(Channel.EMAIL,) if is_ahead else (),
            switches=switches,
        )

    def drain(self, shard: Shard, as_of: datetime) -> DrainResult:
        """One of them, by the rules of this instant (UTC), in the words the content folder has now, if approved."""
        here, rules = self._here, replace(self._rules, as_of=as_of)
        renderer = here.renderer(rules.spec.campaign_key)
        with reading(here.engine) as connection:
            courier = CampaignCourier(connection, here, rules, renderer)
        # After the words were read, which the courier keeps: they may have changed since the wave was cleared.
        if not as_approved([DueWave(shard.wave_id, shard.rotation, 0, rules)], as_of):
            return DrainResult(stopped="its content is not what was approved")
        return drain(here.engine, shard, rules, courier, options=self._options, on_step=self._refresher.maybe)


def _add(total: DrainResult, part: DrainResult) -> None:
    """Add what a part of a drain did; how it ended is the last part's."""
    for each in fields(DrainResult):
        before, more = getattr(total, each.name), getattr(part, each.name)
        if isinstance(more, Counter) or (isinstance(more, int) and not isinstance(more, bool)):
            setattr(total, each.name, before + more)
        else:
            setattr(total, each.name, more)


@step("close finished waves")
def close_waves(as_of: datetime) -> int:
    """Mark waves without open rows.

    Returns:
        How many.
    """
    with writing(installation().engine) as connection:
        return close_finished(connection, now=as_of)
