"""Draining: one worker empties one shard of a wave. This is the delivery protocol, on one page.

claim → write → intend → call → record, over and over, until nothing is due. It can be killed between any two steps and
started again any number of times; what is where then is for :mod:`pushpull.ledger.reconcile` to find out.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Protocol
from uuid import uuid4

from sqlalchemy import Connection, Engine, func, select

from pushpull.db import database_now, reading, writing
from pushpull.ledger.budget import OrganisationCaps
from pushpull.ledger.campaigns import hold_campaign, pause_channel
from pushpull.ledger.claims import Batch, claim, put_back, skip_unwritten
from pushpull.ledger.handovers import Handover, Intent, Recheck, intend
from pushpull.ledger.outcomes import Accepted, ChannelStopped, NotSent, Outcome, Rejected, Uncertain
from pushpull.ledger.settling import HandoverRef, Settled, record
from pushpull.ledger.stopping import stop_signal
from pushpull.ledger.tables import delivery
from pushpull.ledger.terms import Terms
from pushpull.ledger.vocabulary import Reason

_OUTCOMES = (Accepted, Rejected, NotSent, Uncertain)


class Step(StrEnum):
    """The steps between which a worker may die."""

    CLAIMED = "claimed"
    WRITTEN = "written"
    INTENDED = "intended"
    CALLED = "called"
    RECORDED = "recorded"


class Courier(Protocol):
    """What a drain needs of the floors above: messages written, and carried."""

    def request_size(self, channel: str) -> int:
        """How many messages of a channel go into one provider request."""

    def write(self, connection: Connection, batch: Batch) -> Mapping[int, object]:
        """Write the messages of a batch, by learner id; who is missing could not be written for."""

    def carry(
        self, channel: str, handover: Handover, messages: Sequence[object], *, deadline: float
    ) -> Sequence[Outcome]:
        """Hand written messages to the provider, in the order of the handover's learners.

        Raises:
            ChannelStopped: the whole channel cannot send; nothing was processed.
        """


@dataclass(frozen=True, kw_only=True)
class DrainOptions:
    """How a worker works.

    Args:
        worker: a name for logs and claims.
        lease: how long a claim and a handover hold, by the database's clock.
        deadline: how long a provider call may take; shorter than the lease.
        batch_size: deliveries claimed at once.
    """

    worker: str
    caps: OrganisationCaps
    lease: timedelta = timedelta(seconds=60)
    deadline: timedelta = timedelta(seconds=30)
    batch_size: int = 500

    def __post_init__(self) -> None:
        if self.deadline >= self.lease:
            raise ValueError(
                f"the call deadline ({self.deadline}) must be shorter than the lease ({self.lease}): "
                "set PUSHPULL_CALL_DEADLINE_SECONDS below PUSHPULL_LEASE_SECONDS"
            )


@dataclass
class DrainResult:
    """What one drain did, by outcome and by reason.

    Args:
        stopped: why the wave was left, by a person's or a stop signal's word.
        paused: why channels were left, by channel; the others went on.
    """

    accepted: int = 0
    rejected: int = 0
    not_sent: int = 0
    uncertain: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None
    paused: dict[str, str] = field(default_factory=dict)

    def add(self, settled: Settled) -> None:
        """Count one settled handover."""
        self.accepted += settled.accepted
        self.rejected += settled.rejected
        self.not_sent += settled.not_sent
        self.uncertain += settled.uncertain


@dataclass(frozen=True)
class Shard:
    """A range of one wave's rows: learner ids above ``after``, up to and including ``upto``.

    Args:
        only: just these learner ids within the range; empty: everybody.
    """

    wave_id: int
    rotation: int = 0
    after: int = 0
    upto: int = 2**63 - 1
    only: tuple[int, ...] = ()


def drain(
    engine: Engine,
    shard: Shard,
    rules: Terms,
    courier: Courier,
    *,
    options: DrainOptions,
    on_step: Callable[[Step, int], None] = lambda _step, _count: None,
    monotonic: Callable[[], float] = time.monotonic,
) -> DrainResult:
    """Send everything of a shard that is due.

    Args:
        rules: the wave's terms; ``rules.as_of`` is the campaign's clock.
        on_step: told after each step how many deliveries it was about, for progress bars and crash tests.
        monotonic: seconds on a clock that never jumps.
    """
    _spare_the_collector()
    worker = _Worker(engine, rules, courier, options, on_step, monotonic)
    for channel in rules.spec.channels:
        cursor = shard.after
        while (batch := worker.claim(shard, channel.value, cursor)) is not None:
            cursor = batch.last
            worker.deliver(batch)
            if worker.result.stopped:
                return worker.result
            if channel.value in worker.result.paused:
                break
    return worker.result


@cache
def _spare_the_collector() -> None:
    """Take all that is loaded by now out of garbage collection: looking through it costs a sixth of the time."""
    gc.collect()
    gc.freeze()


class _Worker:
    """One drain at work: the steps of the protocol, each in a transaction of its own."""

    def __init__(
        self,
        engine: Engine,
        rules: Terms,
        courier: Courier,
        options: DrainOptions,
        on_step: Callable[[Step, int], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._engine, self._rules, self._courier, self._options = engine, rules, courier, options
        self._on_step, self._monotonic = on_step, monotonic
        with reading(engine) as connection:
            self._recheck = Recheck(connection, rules, options.caps)
        self.result = DrainResult()

    def claim(self, shard: Shard, channel: str, cursor: int) -> Batch | None:
        """Take the next due rows of a channel."""
        with writing(self._engine) as connection:
            batch = claim(
                connection,
                wave_id=shard.wave_id,
                rotation=shard.rotation,
                channel=channel,
                after=cursor,
                upto=shard.upto,
                limit=self._options.batch_size,
                token=f"{self._options.worker[:24]}:{uuid4().hex}",
                now=self._rules.as_of,
                lease=self._options.lease,
                only=shard.only,
            )
        if batch is not None:
            self._on_step(Step.CLAIMED, len(batch.rows))
        return batch

    def deliver(self, batch: Batch) -> None:
        """Write, intend, call and record one batch."""
        messages = self._write(batch)
        intent = self._intend(batch)
        give_up_at = self._monotonic() + self._options.deadline.total_seconds()
        self._on_step(Step.INTENDED, sum(len(each.learner_ids) for each in intent.handovers))
        self.result.skipped += Counter(intent.skipped)
        self.result.held += Counter(intent.held)
        self.result.stopped = intent.stopped
        if intent.channel_paused:
            self.result.paused[batch.channel] = intent.channel_paused
        for handover in intent.handovers:
            outcomes = self._call(batch.channel, handover, messages, give_up_at)
            self._on_step(Step.CALLED, len(outcomes))
            self._record(batch, handover, outcomes)
            self._on_step(Step.RECORDED, len(outcomes))

    def _write(self, batch: Batch) -> Mapping[int, object]:
        with reading(self._engine) as connection:
            messages = self._courier.write(connection, batch)
        unwritten = [row.learner_id for row in batch.rows if row.learner_id not in messages]
        if unwritten:
            with writing(self._engine) as connection:
                skipped = skip_unwritten(connection, batch, unwritten, at=self._rules.as_of)
            self.result.skipped[Reason.RENDER_FAILED.value] += skipped
        self._on_step(Step.WRITTEN, len(messages))
        return messages

    def _intend(self, batch: Batch) -> Intent:
        with writing(self._engine) as connection:
            signal = stop_signal(connection, self._rules.campaign_id)
            if signal:
                hold_campaign(connection, self._rules.spec.campaign_key, why=signal, at=self._rules.as_of)
                put_back(connection, batch)
                return Intent(stopped=signal)
            return intend(
                connection,
                batch,
                self._recheck,
                request_size=self._courier.request_size(batch.channel),
                lease=self._options.lease,
                deadline=self._options.deadline,
            )

    def _call(
        self, channel: str, handover: Handover, messages: Mapping[int, object], deadline: float
    ) -> Sequence[Outcome]:
        """Make the one call. A defect in a channel is an unknown outcome, never a reason to send again."""
        count = len(handover.learner_ids)
        if channel in self.result.paused:
            return [NotSent("channel_stopped")] * count
        if self._monotonic() >= deadline:
            return [NotSent("deadline_passed")] * count
        try:
            written = [messages[learner_id] for learner_id in handover.learner_ids]
            outcomes = list(self._courier.carry(channel, handover, written, deadline=deadline))
        except ChannelStopped as stopped:
            self.result.paused[channel] = str(stopped)
            return [NotSent("channel_stopped")] * count
        except Exception as defect:  # noqa: BLE001  # whatever it was, bytes may have left
            return [Uncertain(f"defect:{type(defect).__name__}")] * count
        if len(outcomes) != count or not all(isinstance(each, _OUTCOMES) for each in outcomes):
            # Which answer belongs to which message is anybody's guess, and all of them may have left.
            return [Uncertain(f"defect:{len(outcomes)}_answers_to_{count}")] * count
        return outcomes

    def _record(self, batch: Batch, handover: Handover, outcomes: Sequence[Outcome]) -> None:
        ref = HandoverRef(handover.id, batch.wave_id, batch.rotation, batch.channel, handover.learner_ids)
        now = self._rules.as_of
        with writing(self._engine) as connection:
            self.result.add(record(connection, ref, outcomes, now=now, recorded_at=database_now(connection)))
            if batch.channel in self.result.paused:
                pause_channel(connection, batch.channel, reason=self.result.paused[batch.channel], at=now)


def shards(connection: Connection, *, wave_id: int, rotation: int, count: int) -> list[Shard]:
    """Split a rotation into ``count`` ranges of learner ids of about the same width."""
    low, high = connection.execute(
        select(func.min(delivery.c.learner_id), func.max(delivery.c.learner_id)).where(
            delivery.c.wave_id == wave_id, delivery.c.rotation == rotation
        )
    ).one()
    if low is None:
        return []
    width = max(1, -(-(high - low + 1) // count))
    return [
        Shard(wave_id, rotation, after=start - 1, upto=min(start + width - 1, high))
        for start in range(low, high + 1, width)
    ]
