"""One request per message, several at a time: what becomes of each when one of them is told to wait, or to stop."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import pairwise
from threading import Barrier, Lock

import pytest

from channels.fanout import FanOut
from channels.wire import NobodyKnows, NothingSent
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import OutgoingMessage, SmsBody
from pushpull.ledger.outcomes import THROTTLED, Accepted, ChannelStopped, NotSent, Outcome, Rejected, Uncertain

LATER = datetime(2026, 1, 12, 13, tzinfo=UTC)


def messages(count: int) -> list[OutgoingMessage]:
    return [
        OutgoingMessage(f"1-0-{place}", "0" * 32, Channel.SMS, f"+4915{place:08}", "", "family", SmsBody("hello"))
        for place in range(count)
    ]


def place_of(message: OutgoingMessage) -> int:
    return int(message.delivery_id.rsplit("-", 1)[1])


def soon() -> float:
    return time.monotonic() + 5


@pytest.mark.parametrize("at_once", [1, 4])
def test_every_message_has_its_own_outcome_in_order(at_once: int) -> None:
    def call(message: OutgoingMessage, deadline: float) -> Outcome:
        match place_of(message) % 5:
            case 0:
                return Rejected("invalid_address")
            case 1:
                raise NothingSent("connection_refused")
            case 2:
                raise NobodyKnows("read_timeout")
            case 3:
                raise KeyError("a defect of ours")
        time.sleep(0.002)
        return Accepted(message.to)

    sent = messages(20)
    expected = [
        Rejected("invalid_address"),
        NotSent("connection_refused"),
        Uncertain("read_timeout"),
        Uncertain("defect:KeyError"),
    ]
    outcomes = FanOut(at_once, "test").send(sent, call, deadline=soon())
    assert outcomes == [
        Accepted(message.to) if place_of(message) % 5 == 4 else expected[place_of(message) % 5] for message in sent
    ]


def test_as_many_are_under_way_as_may_be_and_no_more() -> None:
    together, now, most, lock = Barrier(4, timeout=5), 0, 0, Lock()

    def call(message: OutgoingMessage, deadline: float) -> Outcome:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait()
        with lock:
            now -= 1
        return Accepted()

    FanOut(4, "test").send(messages(16), call, deadline=soon())
    assert most == 4


@pytest.mark.parametrize("at_once", [1, 4])
def test_after_a_throttle_nothing_more_is_tried(at_once: int) -> None:
    called: list[int] = []

    def call(message: OutgoingMessage, deadline: float) -> Outcome:
        called.append(place_of(message))
        if place_of(message) == 5:
            return NotSent(THROTTLED, retry_at=LATER)
        time.sleep(0.01)
        return Accepted()

    outcomes = FanOut(at_once, "test").send(messages(50), call, deadline=soon())
    assert len(called) <= 5 + at_once
    assert [place for place, outcome in enumerate(outcomes) if outcome == Accepted()] == sorted({*called} - {5})
    assert {outcome for place, outcome in enumerate(outcomes) if place not in {*called} - {5}} == {
        NotSent(THROTTLED, retry_at=LATER)
    }


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_stop_tells_what_became_of_every_message(at_once: int) -> None:
    called: list[int] = []

    def call(message: OutgoingMessage, deadline: float) -> Outcome:
        called.append(place_of(message))
        if place_of(message) >= 5:
            raise ChannelStopped("the credentials are wrong: renew them")
        time.sleep(0.01)
        return Accepted()

    with pytest.raises(ChannelStopped, match="renew them") as stopped:
        FanOut(at_once, "test").send(messages(50), call, deadline=soon())
    assert len(called) <= 5 + at_once
    assert list(stopped.value.outcomes) == [Accepted()] * 5 + [NotSent("channel_stopped")] * 45


def test_a_message_waits_for_its_slot_and_is_not_sent_after_the_deadline() -> None:
    began = time.monotonic()
    called: dict[int, float] = {}

    def call(message: OutgoingMessage, deadline: float) -> Outcome:
        called[place_of(message)] = time.monotonic() - began
        return Accepted()

    slots = [began, began + 0.1, began + 0.2, began + 60]
    outcomes = FanOut(2, "test").send(messages(4), call, deadline=began + 1, not_before=slots)
    assert outcomes == [Accepted()] * 3 + [NotSent("deadline_passed")]
    assert called[1] >= 0.1
    assert called[2] >= 0.2
    assert time.monotonic() - began < 0.9, "nobody waits for a slot that comes too late"


def test_nothing_is_tried_once_the_deadline_has_passed() -> None:
    def call(message: OutgoingMessage, deadline: float) -> Outcome:
        raise AssertionError("called")

    outcomes = FanOut(2, "test").send(messages(3), call, deadline=time.monotonic() - 1)
    assert outcomes == [NotSent("deadline_passed")] * 3


def test_no_message_is_no_request() -> None:
    assert FanOut(2, "test").send([], lambda *_: Accepted(), deadline=soon()) == []


class Ticking:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_who_is_late_never_catches_up_faster_than_the_rate_and_never_leaves_in_the_next_turn() -> None:
    clock = Ticking()
    left: list[float] = []

    def call(message: OutgoingMessage, deadline: float) -> Outcome:
        left.append(clock.now)
        if place_of(message) == 2:
            clock.now += 0.35  # it took long
        return Accepted()

    fan_out = FanOut(1, "test", monotonic=clock.read, sleep=clock.sleep)
    slots = [100.0 + 0.1 * position for position in range(10)]
    outcomes = fan_out.send(messages(10), call, deadline=130.0, not_before=slots)
    assert outcomes.count(Accepted()) == len(left)
    late = len(outcomes) - len(left)
    assert 2 <= late <= 3
    assert outcomes[-late:] == [NotSent("turn_passed")] * late
    assert all(after - before >= 0.0994 for before, after in pairwise(left)), left
    assert max(left) < 101.0
    (alone,) = fan_out.send(messages(1), call, deadline=130.0, not_before=[clock.now])
    assert alone == Accepted()
