"""Handing over messages one request each: several at a time, each in its slot of the provider's rate.

Where a provider asks everybody to wait, or stops the channel, the rest of the handover is not tried: it was not sent,
and the ledger is told so message by message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Condition, Event, Lock

from channels.answers import unanswered
from channels.wire import Failure
from pushpull.ledger.messages import OutgoingMessage
from pushpull.ledger.outcomes import (
    CHANNEL_STOPPED,
    DEADLINE_PASSED,
    THROTTLED,
    TURN_PASSED,
    ChannelStopped,
    NotSent,
    Outcome,
    Uncertain,
)
from pushpull.ledger.pacing import BETWEEN_TURNS, MARGIN

#: Every so many seconds another thread looks whether so many messages were begun with since; if not, it takes part.
_GLANCE, _BRISK = 0.005, 20

#: How late a message may leave that has a handover for itself, in seconds.
_ALONE = 0.25

#: Makes the request of one message, by the deadline in monotonic seconds.
Call = Callable[[OutgoingMessage, float], Outcome]


class FanOut:
    """A few threads that make requests.

    Args:
        at_once: how many requests may be under way at the same time.
        name: of the threads.
        monotonic, sleep: the clock, and waiting by it.
    """

    def __init__(
        self,
        at_once: int,
        name: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._at_once = at_once
        self._name = name
        self._monotonic, self._sleep = monotonic, sleep
        self._pool: ThreadPoolExecutor | None = None
        self._lock = Lock()
        self._gate = _Gate(monotonic)

    def send(
        self, messages: Sequence[OutgoingMessage], call: Call, *, deadline: float, not_before: Sequence[float] = ()
    ) -> list[Outcome]:
        """Make one request per message; returns their outcomes in order.

        Args:
            not_before: monotonic seconds per message at which its slot begins; empty: at once.

        Raises:
            ChannelStopped: a request found the whole channel unusable; it carries what became of every message.
        """
        run = _Run(messages, call, deadline, not_before, self._gate, self._monotonic, self._sleep)
        threads = min(self._at_once, len(messages))
        if threads > 1:
            self._threads().submit(self._assist, run, threads - 1)
        run.work()
        run.wait_for_others()
        return run.result()

    def _assist(self, run: _Run, threads: int) -> None:
        """Take part where answers take their time; one thread alone is faster where they come at once."""
        done = 0
        while not run.is_exhausted.wait(_GLANCE):
            done, before = run.taken, done
            if done - before < _BRISK:
                for _ in range(threads - 1):
                    self._threads().submit(run.work)
                run.work()

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._at_once, self._name)
            return self._pool


class _Gate:
    """Lets messages with a slot leave, one handover after the other, and never faster than the provider's rate."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._free_at = 0.0
        self._lock = Lock()

    def leave(self, slot: float, *, gap: float, before: float) -> float | None:
        """When a message may leave; None: not before its turn is over."""
        with self._lock:
            leaves_at = max(slot, self._free_at, self._monotonic())
            if leaves_at >= before:
                return None
            self._free_at = leaves_at + gap
            return leaves_at


class _Run:
    """One handover under way."""

    def __init__(
        self,
        messages: Sequence[OutgoingMessage],
        call: Call,
        deadline: float,
        not_before: Sequence[float],
        gate: _Gate,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._gate = gate
        self._messages, self._call, self._deadline = messages, call, deadline
        self._not_before, self._monotonic, self._sleep = not_before, monotonic, sleep
        self._outcomes: list[Outcome | None] = [None] * len(messages)
        self._next = iter(range(len(messages)))
        self._gap, self._ends_at = 0.0, deadline
        if not_before:
            interval = min((after - before for before, after in pairwise(not_before)), default=_ALONE)
            # A second's messages fit into a second, and no more; nobody leaves in the next turn's time.
            self._gap = interval * (1 - MARGIN / 2) if len(not_before) > 1 else 0.0
            self._ends_at = min(deadline, not_before[-1] + interval + BETWEEN_TURNS)
        self._lock = Lock()
        self._all_back = Condition(self._lock)
        self._under_way = 0
        #: How many messages were begun with, and whether all of them were.
        self.taken = 0
        self.is_exhausted = Event()
        self._over = Event()
        self._rest: Outcome = NotSent(DEADLINE_PASSED)
        self._stopped: ChannelStopped | None = None

    def work(self) -> None:
        """Take message after message until none is left or the channel is over."""
        while not self._over.is_set():
            with self._lock:
                position = next(self._next, None)
                if position is None:
                    break
                self.taken += 1
                self._under_way += 1
            try:
                self._outcomes[position] = self._one(position)
            finally:
                with self._lock:
                    self._under_way -= 1
                    if not self._under_way:
                        self._all_back.notify_all()
        self.is_exhausted.set()

    def wait_for_others(self) -> None:
        """Wait for the requests of other threads that are under way."""
        with self._all_back:
            self._all_back.wait_for(lambda: not self._under_way)

    def _one(self, position: int) -> Outcome | None:
        if not self._has_come(position):
            return NotSent(self._why_late(position))
        if self._over.is_set():
            return None
        try:
            outcome = self._call(self._messages[position], self._deadline)
        except ChannelStopped as stopped:
            self._end(NotSent(CHANNEL_STOPPED), stopped)
            return None
        except Failure as failure:
            return unanswered(failure)
        except Exception as defect:  # noqa: BLE001  # whatever it was, bytes may have left
            return Uncertain(f"defect:{type(defect).__name__}")
        if isinstance(outcome, NotSent) and outcome.reason == THROTTLED:
            self._end(outcome)
        return outcome

    def _has_come(self, position: int) -> bool:
        """Wait for a message's slot; whether there is time left in it.

        Who is late never catches up faster than the provider's rate: what no longer fits into the turn does not leave.
        """
        if self._not_before:
            leaves_at = self._gate.leave(self._not_before[position], gap=self._gap, before=self._ends_at)
            if leaves_at is None:
                return False
            wait = leaves_at - self._monotonic()
            if wait > 0:
                self._sleep(wait)
        return self._monotonic() < self._deadline

    def _why_late(self, position: int) -> str:
        had_time = max(self._monotonic(), self._not_before[position] if self._not_before else 0.0) < self._deadline
        return TURN_PASSED if had_time else DEADLINE_PASSED

    def _end(self, rest: Outcome, stopped: ChannelStopped | None = None) -> None:
        with self._lock:
            if not self._over.is_set():
                self._rest, self._stopped = rest, stopped
                self._over.set()

    def result(self) -> list[Outcome]:
        """The outcomes, in order."""
        outcomes = [self._rest if outcome is None else outcome for outcome in self._outcomes]
        if self._stopped is not None:
            raise ChannelStopped(str(self._stopped), outcomes)
        return outcomes
