"""A drain that stops after every step until it is told to go on, and can be killed there; and the provider it calls.

The drain runs in a thread of its own, but never beside the test: one baton goes back and forth, so every run is
repeatable. Between two steps it holds nothing but its own memory, which is what a killed process loses.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from threading import Semaphore, Thread
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, select

from pushpull.db import reading
from pushpull.ledger.claims import Batch
from pushpull.ledger.drain import DrainOptions, Step, drain
from pushpull.ledger.handovers import Handover
from pushpull.ledger.messages import delivery_id, parse_delivery_id
from pushpull.ledger.outcomes import (
    Accepted,
    ChannelStopped,
    Evidence,
    Finding,
    NotSent,
    Outcome,
    Question,
    Rejected,
    Uncertain,
)
from pushpull.ledger.shards import Shard
from pushpull.ledger.tables import delivery, handover
from pushpull.ledger.terms import Terms
from pushpull.ledger.vocabulary import DeliveryState
from tests.ledger.builders import PlainCourier

#: A drain waits here too: in the middle of a call, before and after the provider did its work.
CALLING, PROCESSED = "calling", "processed"


class Killed(BaseException):
    """What a dead process does next: nothing."""


class Fate(StrEnum):
    """What the provider does with a message, and what it lets the caller know."""

    ACCEPTED = "accepted"
    ACCEPTED_SILENTLY = "accepted, the answer is lost"
    LOST = "not accepted, the answer is lost"
    REFUSED = "refused"
    TURNED_AWAY = "turned away"


class Manner(StrEnum):
    """How a whole call ends."""

    ANSWERS = "answers"
    RAISES = "raises"
    ANSWERS_TOO_FEW = "answers too few"
    STOPS = "stops the channel"


_ANSWERS: dict[Fate, Outcome] = {
    Fate.ACCEPTED: Accepted(),
    Fate.ACCEPTED_SILENTLY: Uncertain("read_timeout"),
    Fate.LOST: Uncertain("reset"),
    Fate.REFUSED: Rejected("no_such_mailbox"),
    Fate.TURNED_AWAY: NotSent("throttled"),
}


class Provider:
    """Knows what it truly processed, and never says otherwise when it is asked.

    What it was given for another learner than the one it is meant for is ``rehearsed``.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.processed: Counter[str] = Counter()
        self.in_handover: dict[UUID, list[str]] = defaultdict(list)
        self.rehearsed: Counter[str] = Counter()
        self.fates: Sequence[Fate] = [Fate.ACCEPTED]
        self.manner = Manner.ANSWERS

    def work(self, each: Handover, messages: Sequence[object]) -> Sequence[Outcome]:
        self._was_announced(each, messages)
        if self.manner is Manner.STOPS:
            raise ChannelStopped("the credentials were revoked")
        fates = [self.fates[place % len(self.fates)] for place in range(len(messages))]
        for message, fate in zip(messages, fates, strict=True):
            if fate in (Fate.ACCEPTED, Fate.ACCEPTED_SILENTLY) and each.diverted_to is not None:
                self.rehearsed[str(message)] += 1
            elif fate in (Fate.ACCEPTED, Fate.ACCEPTED_SILENTLY):
                self.processed[str(message)] += 1
                self.in_handover[each.id].append(str(message))
        if self.manner is Manner.RAISES:
            raise RuntimeError("a defect in the channel")
        answers = [_ANSWERS[fate] for fate in fates]
        return answers[:-1] if self.manner is Manner.ANSWERS_TOO_FEW else answers

    def _was_announced(self, each: Handover, messages: Sequence[object]) -> None:
        """No byte without a committed handover: the provider looks it up from outside."""
        with reading(self.engine) as connection:
            row = connection.execute(select(handover).where(handover.c.id == each.id)).one()
            assert row.size == len(messages)
            assert row.diverted_to == each.diverted_to
            for wave_id, rotation, learner_id in (parse_delivery_id(str(message)) for message in messages):
                key = (
                    (delivery.c.wave_id == wave_id)
                    & (delivery.c.rotation == rotation)
                    & (delivery.c.learner_id == learner_id)
                )
                state, handover_id = connection.execute(
                    select(delivery.c.state, delivery.c.handover_id).where(key)
                ).one()
                assert (state, handover_id) == (DeliveryState.HANDING_OVER, each.id)

    def look_up(self, asked: Sequence[Question], *, tells: Callable[[str], bool]) -> list[Evidence]:
        """Evidence about the deliveries it chooses to tell of; the rest is unknown."""
        found = []
        for question in asked:
            for each in question.addresses:
                finding = Finding.ACCEPTED if each in self.in_handover[question.handover_id] else Finding.ABSENT
                found.append(Evidence(each, question.handover_id.hex, finding if tells(each) else Finding.UNKNOWN))
        return found


class SteppedDrain(PlainCourier):
    """One worker, and a courier for it that stops within its calls as well.

    Args:
        monotonic: the worker's clock, in seconds.
    """

    def __init__(
        self,
        provider: Provider,
        shard: Shard,
        rules: Terms,
        *,
        options: DrainOptions,
        request_size: int,
        monotonic: Callable[[], float],
    ) -> None:
        self.rules = rules
        self.at: str | None = None
        self.is_over = False
        self._provider, self._request_size, self._monotonic = provider, request_size, monotonic
        self._is_dead = False
        self._failure: BaseException | None = None
        self._go, self._back = Semaphore(0), Semaphore(0)

        def run() -> None:
            self._go.acquire()
            try:
                drain(
                    provider.engine,
                    shard,
                    rules,
                    self,
                    options=options,
                    on_step=lambda step, _count: self._wait(step),
                    monotonic=monotonic,
                )
            except Killed:
                pass
            except BaseException as failure:  # noqa: BLE001  # told to the test, by the thread that runs it
                self._failure = failure
            self.is_over, self.at = True, None
            self._back.release()

        self._thread = Thread(target=run, daemon=True)
        self._thread.start()

    def advance(self) -> str | None:
        """Go on to the next step; its name, or None when the drain has ended."""
        self._go.release()
        assert self._back.acquire(timeout=60), f"stuck after {self.at}"
        if self._failure is not None:
            raise self._failure
        return self.at

    def kill(self) -> None:
        self._is_dead = True
        if not self.is_over:
            self.advance()
        self._thread.join(10)

    def _wait(self, place: Step | str) -> None:
        self.at = str(place)
        self._back.release()
        self._go.acquire()
        if self._is_dead:
            raise Killed

    # ---- as a courier

    def request_size(self, channel: str) -> int:
        return self._request_size

    def write(self, connection: Connection, batch: Batch) -> Mapping[int, object]:
        return {row.learner_id: delivery_id(batch.wave_id, batch.rotation, row.learner_id) for row in batch.rows}

    def carry(
        self, channel: str, handover: Handover, messages: Sequence[object], *, deadline: float, **_when: object
    ) -> Sequence[Outcome]:
        self._wait(CALLING)
        if self._monotonic() >= deadline:
            raise TimeoutError
        outcome: Any
        try:
            outcome = self._provider.work(handover, messages)
        except Exception as failure:  # noqa: BLE001  # raised below, when the answer has arrived
            outcome = failure
        self._wait(PROCESSED)
        if isinstance(outcome, Exception):
            raise outcome
        return list(outcome)
