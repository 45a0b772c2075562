"""A worker at the delivery protocol: each of its steps is a transaction of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate
from threading import Lock
from typing import TypeGuard
from uuid import uuid4

from sqlalchemy import Connection, Engine

from pushpull.db import database_now, reading, writing
from pushpull.ledger.campaigns import hold_campaign, pause_channel
from pushpull.ledger.claims import Batch, claim, put_back, skip
from pushpull.ledger.couriers import Courier, NotReadyError
from pushpull.ledger.diverting import Diversion
from pushpull.ledger.drain.options import DrainOptions, DrainResult, Step
from pushpull.ledger.handovers import Handover, Intent, Recheck, intend, most_requests
from pushpull.ledger.outcomes import (
    CHANNEL_STOPPED,
    DEADLINE_PASSED,
    THROTTLED,
    TURN_PASSED,
    Accepted,
    ChannelStopped,
    NotSent,
    Outcome,
    Rejected,
    Uncertain,
)
from pushpull.ledger.pacing import LEAD, LONGEST_WAIT, OTHERS_FIRST, take_turn, throttle, throttled, turn_size
from pushpull.ledger.settling import HandoverRef, record
from pushpull.ledger.shards import Shard
from pushpull.ledger.stopping import stop_signal
from pushpull.ledger.switches import held_switches
from pushpull.ledger.vocabulary import Reason

#: A handover that begins later than its slots end, and so many seconds, has lost its turn.
_LATE_SECONDS = 0.05

_OUTCOMES = (Accepted, Rejected, NotSent, Uncertain)


@dataclass(frozen=True, slots=True)
class _Wait:
    """Nothing may be claimed for so long."""

    seconds: float
    why: str


class Worker:
    """One drain at work: the steps of the protocol, each in a transaction of its own. Senders share it."""

    def __init__(
        self,
        engine: Engine,
        recheck: Recheck,
        courier: Courier,
        options: DrainOptions,
        result: DrainResult,
        on_step: Callable[[Step, int], None],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        *,
        diversion: Diversion | None = None,
    ) -> None:
        self._engine, self._recheck, self._rules = engine, recheck, recheck.rules
        self._courier, self._options, self._result = courier, options, result
        self._on_step, self._monotonic, self._sleep = on_step, monotonic, sleep
        self._diversion = diversion
        self._callers: ThreadPoolExecutor | None = None
        self._lock = Lock()
        self._until = monotonic() + options.slice.total_seconds() if options.slice else None

    def call_at_once(self, callers: ThreadPoolExecutor) -> None:
        """Hand over a batch's handovers side by side from now on, unless their messages have slots of their own."""
        self._callers = callers

    def work(self, shard: Shard) -> None:
        """Claim and deliver, channel by channel, until nothing is due, the time is up or the wave is stopped."""
        for channel in self._rules.spec.channels:
            if self._options.channels and channel not in self._options.channels:
                continue
            cursor = shard.after
            while not self._is_over(channel.value):
                if self._until is not None and self._monotonic() >= self._until:
                    self._result.has_more = True
                    return
                claimed = self._claim(shard, channel.value, cursor)
                if claimed is None:
                    break
                if isinstance(claimed, _Wait):
                    self._wait(channel.value, claimed)
                    continue
                cursor = claimed.last
                self._deliver(claimed)
            if self._result.stopped or self._result.is_switched:
                return

    def _is_over(self, channel: str) -> bool:
        own = self._result
        return bool(own.stopped) or own.is_switched or channel in own.paused or channel in own.deferred

    def _wait(self, channel: str, wait: _Wait) -> None:
        """Wait in place where it is short, else leave the channel to a later drain."""
        left = LONGEST_WAIT.total_seconds() if self._until is None else self._until - self._monotonic()
        if wait.seconds > min(left, LONGEST_WAIT.total_seconds()):
            self._result.deferred[channel] = wait.why
        else:
            self._sleep(wait.seconds)

    def _claim(self, shard: Shard, channel: str, cursor: int) -> Batch | _Wait | None:
        """Take the next due rows of a channel: of one with a rate no more than are handed over in one turn."""
        rate = self._courier.per_second(channel)
        most = self._options.batch_size
        with writing(self._engine) as connection:
            pause = throttled(connection, channel)
            if pause is not None:
                return _Wait(pause.total_seconds(), "the provider asked everybody to wait")
            batch = claim(
                connection,
                wave_id=shard.wave_id,
                rotation=shard.rotation,
                channel=channel,
                after=cursor,
                upto=shard.upto,
                limit=turn_size(rate, most) if rate else most,
                token=f"{self._options.worker[:24]}:{uuid4().hex}",
                now=self._rules.as_of,
                lease=self._options.lease,
                only=shard.only,
                at=self._options.send_at,
            )
        if batch is None:
            return None
        self._on_step(Step.CLAIMED, len(batch.rows))
        return replace(batch, diverted_to=self._diversion.learner_id) if self._diversion else batch

    def _turn(self, batch: Batch) -> tuple[float, float] | None:
        """Take a turn at the provider for a batch that is written; wait for it where it is worth waiting.

        Returns:
            The monotonic second it begins at, and the seconds between two messages; both 0 without a rate. None: the
            batch was put back.
        """
        rate = self._courier.per_second(batch.channel)
        if not rate:
            return 0.0, 0.0
        is_mandatory = self._rules.spec.message_class.lane == "mandatory"
        while True:
            with writing(self._engine) as connection:
                turn = take_turn(
                    connection, batch.channel, count=len(batch.rows), per_second=rate, is_mandatory=is_mandatory
                )
            wait = turn.wait.total_seconds()
            if turn.is_taken:
                return self._monotonic() + wait, turn.interval
            self._wait(batch.channel, _Wait(wait, OTHERS_FIRST))
            if self._is_over(batch.channel):
                with writing(self._engine) as connection:
                    put_back(connection, batch)
                return None

    def _deliver(self, batch: Batch) -> None:
        """Write, intend, call and record one batch."""
        if self._diversion is not None and batch.channel not in self._diversion.channels:
            self._skip_diverted(batch)
            return
        messages = self._write(batch)
        turn = self._turn(batch)
        if turn is None:
            return
        begins_at, interval = turn
        self._sleep_until(begins_at - LEAD if begins_at else 0.0)
        intent = self._intend(batch, messages)
        give_up_at = self._monotonic() + self._options.deadline.total_seconds()
        self._on_step(Step.INTENDED, sum(len(each.learner_ids) for each in intent.handovers))
        with self._lock:
            self._result.skipped += Counter(intent.skipped)
            self._result.held += Counter(intent.held)
            self._result.stopped = self._result.stopped or intent.stopped
            if intent.channel_paused:
                self._result.paused[batch.channel] = intent.channel_paused
        slow_down: list[NotSent] = []

        def hand_over(handover: Handover, position: int) -> None:
            count = len(handover.learner_ids)
            slots = [begins_at + (position + each) * interval for each in range(count)] if interval else []
            outcomes: Sequence[Outcome] = slow_down[:1] * count
            why_stopped = None
            if not outcomes:
                outcomes, why_stopped = self._call(batch.channel, handover, messages, slots, give_up_at)
                slow_down.extend(each for each in outcomes if _asks_to_wait(each))
            self._on_step(Step.CALLED, len(outcomes))
            self._record(batch, handover, outcomes, why_stopped)
            self._on_step(Step.RECORDED, len(outcomes))

        positions = [0, *accumulate(len(each.learner_ids) for each in intent.handovers)]
        # Messages with a request each take their slots one after the other; a request with many has one.
        is_each = any(self._courier.group_of(messages[each.learner_ids[0]]) is None for each in intent.handovers)
        if self._callers is None or (interval and is_each):
            for handover, position in zip(intent.handovers, positions, strict=False):
                hand_over(handover, position)
        else:
            list(self._callers.map(hand_over, intent.handovers, positions))

    def _sleep_until(self, instant: float) -> None:
        left = instant - self._monotonic() if instant else 0.0
        if left > 0:
            self._sleep(left)

    def _write(self, batch: Batch) -> Mapping[int, object]:
        with reading(self._engine) as connection:
            messages = self._courier.write(connection, batch)
        unwritten = [row.learner_id for row in batch.rows if row.learner_id not in messages]
        if unwritten:
            with writing(self._engine) as connection:
                skipped = skip(connection, batch, unwritten, Reason.RENDER_FAILED, at=self._rules.as_of)
            with self._lock:
                self._result.skipped[Reason.RENDER_FAILED.value] += skipped
        self._on_step(Step.WRITTEN, len(messages))
        return messages

    def _skip_diverted(self, batch: Batch) -> None:
        """The one who rehearses cannot be reached over this channel: a rehearsal ends here for its learners."""
        everybody = [row.learner_id for row in batch.rows]
        with writing(self._engine) as connection:
            if not self._is_set_as_before(connection, batch):
                return
            skipped = skip(connection, batch, everybody, Reason.DIVERTED, at=self._rules.as_of)
        with self._lock:
            self._result.skipped[Reason.DIVERTED.value] += skipped

    def _is_set_as_before(self, connection: Connection, batch: Batch) -> bool:
        """Whether the switches are still those the drain began with, and stay so until this transaction ends.

        Otherwise the batch goes back, and the drain ends.
        """
        now_set = held_switches(connection)
        if now_set == self._options.switches:
            return True
        put_back(connection, batch)
        with self._lock:
            self._result.leave(now_set)
        return False

    def _intend(self, batch: Batch, messages: Mapping[int, object]) -> Intent:
        size = self._courier.request_size(batch.channel)

        def group_of(learner_id: int) -> Hashable:
            return self._courier.group_of(messages[learner_id])

        request_ids: Sequence[str] = ()
        if self._options.send_at is not None:
            try:
                request_ids = self._courier.reserve(batch.channel, most_requests(list(messages), group_of, size))
            except (ChannelStopped, NotReadyError) as error:
                return self._give_back(batch, error)
        with writing(self._engine) as connection:
            if not self._is_set_as_before(connection, batch):
                return Intent()
            signal = stop_signal(connection, self._rules.campaign_id)
            if signal:
                hold_campaign(connection, self._rules.spec.campaign_key, why=signal, at=self._rules.as_of)
                put_back(connection, batch)
                return Intent(stopped=signal)
            return intend(
                connection,
                batch,
                self._recheck,
                request_size=size,
                lease=self._options.lease,
                deadline=self._options.deadline,
                group_of=group_of,
                request_ids=request_ids,
                send_at=self._options.send_at,
            )

    def _give_back(self, batch: Batch, error: ChannelStopped | NotReadyError) -> Intent:
        """Nothing was handed over: the rows wait, and so does the channel, for a person or for a while."""
        with writing(self._engine) as connection:
            put_back(connection, batch)
            if isinstance(error, ChannelStopped):
                pause_channel(connection, batch.channel, reason=str(error), at=self._rules.as_of)
                return Intent(channel_paused=str(error))
        self._result.deferred[batch.channel] = error.code
        return Intent()

    def _call(
        self,
        channel: str,
        handover: Handover,
        messages: Mapping[int, object],
        not_before: Sequence[float],
        deadline: float,
    ) -> tuple[Sequence[Outcome], str | None]:
        """Make the call. A defect in a channel is an unknown outcome, never a reason to send again.

        Returns:
            The outcomes, and why the channel cannot go on, where it cannot.
        """
        count = len(handover.learner_ids)
        if channel in self._result.paused:
            return [NotSent(CHANNEL_STOPPED)] * count, None
        self._sleep_until(min(not_before[0], deadline) if not_before else 0.0)
        if not_before and self._monotonic() >= 2 * not_before[-1] - not_before[0] + _LATE_SECONDS:
            return [NotSent(TURN_PASSED)] * count, None
        if self._monotonic() >= deadline:
            return [NotSent(DEADLINE_PASSED)] * count, None
        why_stopped = None
        try:
            written = [messages[learner_id] for learner_id in handover.learner_ids]
            outcomes = list(
                self._courier.carry(
                    channel,
                    handover,
                    written,
                    deadline=deadline,
                    not_before=not_before,
                    send_at=self._options.send_at,
                )
            )
        except ChannelStopped as stopped:
            why_stopped = self._result.paused[channel] = str(stopped)
            outcomes = list(stopped.outcomes) or [NotSent(CHANNEL_STOPPED)] * count
        except Exception as defect:  # noqa: BLE001  # whatever it was, bytes may have left
            return [Uncertain(f"defect:{type(defect).__name__}")] * count, None
        if len(outcomes) != count or not all(isinstance(each, _OUTCOMES) for each in outcomes):
            # Which answer belongs to which message is anybody's guess, and all of them may have left.
            return [Uncertain(f"defect:{len(outcomes)}_answers_to_{count}")] * count, why_stopped
        return outcomes, why_stopped

    def _record(self, batch: Batch, handover: Handover, outcomes: Sequence[Outcome], why_stopped: str | None) -> None:
        ref = HandoverRef(
            handover.id,
            batch.wave_id,
            batch.rotation,
            batch.channel,
            handover.learner_ids,
            is_diverted=handover.diverted_to is not None,
        )
        now = self._rules.as_of
        waits = {each.retry_at for each in outcomes if _asks_to_wait(each)}
        with writing(self._engine) as connection:
            settled = record(connection, ref, outcomes, now=now, recorded_at=database_now(connection))
            if why_stopped is not None:
                pause_channel(connection, batch.channel, reason=why_stopped, at=now)
            for until in waits:
                if until is not None:
                    throttle(connection, batch.channel, until=until)
        with self._lock:
            self._result.add(settled)
            self._result.has_more |= any(isinstance(each, NotSent) and each.reason == TURN_PASSED for each in outcomes)


def _asks_to_wait(outcome: Outcome) -> TypeGuard[NotSent]:
    """Whether the provider wants nobody to hand over for a while."""
    return isinstance(outcome, NotSent) and outcome.reason == THROTTLED
