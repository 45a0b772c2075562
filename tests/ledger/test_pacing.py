"""Turns in a provider's rate, its word to slow down, and what a channel may ask of a drain."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from pushpull.db import database_now, reading, writing
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.campaigns import paused_channels
from pushpull.ledger.couriers import NotReadyError
from pushpull.ledger.drain import DrainOptions, DrainResult, drain
from pushpull.ledger.due import waves_ahead
from pushpull.ledger.outcomes import (
    CHANNEL_STOPPED,
    THROTTLED,
    Accepted,
    ChannelStopped,
    Evidence,
    Finding,
    NotSent,
    Question,
    Uncertain,
)
from pushpull.ledger.pacing import (
    LONGEST_WAIT,
    MARGIN,
    lift_throttle,
    take_turn,
    throttle,
    throttled,
    turn_size,
)
from pushpull.ledger.reconcile import Patience, reconcile
from pushpull.ledger.shards import Shard
from pushpull.ledger.specs import SendWindow
from pushpull.ledger.tables import handover, provider_pace
from pushpull.ledger.vocabulary import MessageClass
from tests.ledger.builders import (
    DAWN,
    NO_CAPS,
    NOON,
    Sink,
    a_campaign,
    a_learner,
    a_wave,
    drained,
    learners,
    planned,
    rows_of,
    states_of,
    terms_of,
    utc,
)

EMAIL = Channel.EMAIL.value


def a_wave_for(engine: Engine, number: int, **fields: Any) -> tuple[int, list[int]]:
    with writing(engine) as connection:
        a_campaign(connection, message_class=fields.get("message_class", MessageClass.NUDGE))
        people = learners(connection, number)
    return planned(engine, a_wave(**fields)), people


class Clock:
    """A monotonic clock that moves when somebody sleeps, and by a hair whenever it is read."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def read(self) -> float:
        self.seconds += 1e-6
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


class Paced(Sink):
    """A provider with a rate; it notes the slots it was given."""

    def __init__(self, rate: float, answers: Any = None, **options: Any) -> None:
        super().__init__(answers, **options)
        self.rate = rate
        self.slots: list[float] = []

    def per_second(self, channel: str) -> float | None:
        return self.rate

    def carry(self, *call: Any, not_before: Sequence[float] = (), **when: Any) -> Any:
        self.slots += not_before
        return super().carry(*call, **when)


def paced_drain(engine: Engine, wave_id: int, sink: Sink, clock: Clock, **options: Any) -> DrainResult:
    rules = terms_of(engine, wave_id, now=NOON)
    working = DrainOptions(worker="test", caps=NO_CAPS, **options)
    return drain(engine, Shard(wave_id), rules, sink, options=working, monotonic=clock.read, sleep=clock.sleep)


# ---- turns


def test_turns_follow_one_another_without_a_gap_and_never_overlap(engine: Engine) -> None:
    begins, now = [], None
    for _ in range(6):
        with writing(engine) as connection:
            now = database_now(connection)
            turn = take_turn(connection, EMAIL, count=10, per_second=10, is_mandatory=False)
            begins.append(now + turn.wait)
    gaps = [(after - before).total_seconds() for before, after in pairwise(begins)]
    assert all(gap == pytest.approx(1 / (1 - MARGIN), abs=0.05) for gap in gaps)
    assert turn.interval == pytest.approx(0.1 / (1 - MARGIN))


def test_workers_that_ask_at_once_get_turns_one_after_the_other(engine: Engine) -> None:
    ends: list[tuple[float, float]] = []

    def ask() -> None:
        with writing(engine) as connection:
            turn = take_turn(connection, EMAIL, count=5, per_second=10, is_mandatory=False)
            begin = (database_now(connection) + turn.wait).timestamp()
        ends.append((begin, begin + 5 * turn.interval))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordered = sorted(ends)
    assert len(ordered) == 8
    assert all(after[0] >= before[1] - 0.05 for before, after in pairwise(ordered))


def test_a_turn_too_far_away_is_not_taken(engine: Engine) -> None:
    with writing(engine) as connection:
        take_turn(connection, EMAIL, count=100, per_second=1, is_mandatory=False)
        turn = take_turn(connection, EMAIL, count=1, per_second=1, is_mandatory=False)
        assert not turn.is_taken
        assert turn.wait > LONGEST_WAIT
        again = take_turn(connection, EMAIL, count=1, per_second=1, is_mandatory=False)
        assert again.wait <= turn.wait, "it left no trace"


def test_obligations_have_the_provider_to_themselves(engine: Engine) -> None:
    with writing(engine) as connection:
        assert take_turn(connection, EMAIL, count=1, per_second=10, is_mandatory=True).is_taken
        assert not take_turn(connection, EMAIL, count=1, per_second=10, is_mandatory=False).is_taken
        assert take_turn(connection, EMAIL, count=1, per_second=10, is_mandatory=True).is_taken
        assert take_turn(connection, Channel.SMS.value, count=1, per_second=10, is_mandatory=False).is_taken
        connection.execute(update(provider_pace).values(mandatory_until=database_now(connection)))
    with writing(engine) as connection:
        assert take_turn(connection, EMAIL, count=1, per_second=10, is_mandatory=False).is_taken


@pytest.mark.parametrize(("rate", "size"), [(0.1, 1), (1, 5), (25, 125), (1000, 500)])
def test_a_turn_is_for_five_seconds_and_at_least_one_message(rate: float, size: int) -> None:
    assert turn_size(rate, 500) == size


def test_a_paced_drain_gives_every_message_a_slot_of_its_own(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 12)
    clock, sink = Clock(), Paced(10, request_size=4)
    result = paced_drain(engine, wave_id, sink, clock, batch_size=6)
    assert result.accepted == 12
    gaps = [after - before for before, after in pairwise(sink.slots)]
    assert len(sink.slots) == 12
    assert all(gap >= 0.1 / (1 - MARGIN) - 0.02 for gap in gaps), gaps
    assert sum(clock.slept) >= 0.9


# ---- slowing down


def throttled_answer(after: timedelta) -> NotSent:
    return NotSent(THROTTLED, retry_at=datetime.now(UTC) + after)


def test_a_provider_that_asks_to_slow_down_is_left_alone_by_every_wave(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 4)
    sink = Sink({people[0]: [throttled_answer(timedelta(minutes=10))]}, request_size=2)
    first = drained(engine, wave_id, sink, batch_size=2)
    assert (first.accepted, first.not_sent) == (1, 1)
    assert first.deferred == {EMAIL: "the provider asked everybody to wait"}
    other = planned(engine, a_wave("launch.again"))
    assert drained(engine, other, sink).deferred
    assert sink.received.total() == 1
    with reading(engine) as connection:
        assert paused_channels(connection, now=NOON) == {}, "no person has to do anything"
        left = throttled(connection, EMAIL)
        assert left is not None
        assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    with writing(engine) as connection:
        lift_throttle(connection, EMAIL)
    assert drained(engine, other, sink).accepted == 4


def test_a_short_pause_is_waited_out_in_place(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 2)
    with writing(engine) as connection:
        throttle(connection, EMAIL, until=database_now(connection) + timedelta(seconds=5))

    class Passing(Clock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            with writing(engine) as connection:
                connection.execute(update(provider_pace).values(throttled_until=None))

    clock = Passing()
    assert paced_drain(engine, wave_id, Sink(), clock).accepted == 2
    assert len(clock.slept) == 1
    assert 4 < clock.slept[0] <= 5


def test_the_longest_pause_asked_for_stands(engine: Engine) -> None:
    with writing(engine) as connection:
        now = database_now(connection)
        for minutes in (5, 30, 10):
            throttle(connection, EMAIL, until=now + timedelta(minutes=minutes))
        left = throttled(connection, EMAIL)
        assert left is not None
        assert left > timedelta(minutes=29)
        assert throttled(connection, Channel.SMS.value) is None


# ---- a channel that stops


def test_what_had_left_before_a_channel_stopped_is_not_sent_again(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 4)

    class Stopping(Sink):
        def carry(self, channel: str, handover: Any, messages: Sequence[object], **when: Any) -> Any:
            known = [Accepted(), Accepted(), Uncertain("read_timeout"), NotSent(CHANNEL_STOPPED)]
            raise ChannelStopped("the token was revoked", known)

    result = drained(engine, wave_id, Stopping())
    assert result.paused == {EMAIL: "the token was revoked"}
    assert [states_of(engine, wave_id)[each][0] for each in people] == ["accepted", "accepted", "uncertain", "planned"]
    assert rows_of(engine, wave_id)[people[3]].due_at == NOON, "it goes as soon as the channel does"


# ---- groups, names, time


class ByParity(Sink):
    """Messages of two kinds."""

    def group_of(self, message: object) -> Hashable:
        return int(str(message).rsplit("-", maxsplit=1)[1]) % 2


def test_messages_of_different_kinds_never_share_a_handover(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 11)
    sink = ByParity({people[4]: [Uncertain("reset")]}, request_size=3)
    result = drained(engine, wave_id, sink)
    assert (result.accepted, result.uncertain) == (10, 1)
    assert all(len({each % 2 for each in ids}) == 1 for _, ids in sink.requests)
    assert sorted(each for _, ids in sink.requests for each in ids) == people
    rows = rows_of(engine, wave_id)
    by_handover: dict[Any, set[int]] = {}
    for learner_id, row in rows.items():
        by_handover.setdefault(row.handover_id, set()).add(learner_id)
    assert {frozenset(ids) for ids in by_handover.values()} == {frozenset(ids) for _, ids in sink.requests}
    assert set(sink.received.values()) == {1}


class Planner(ByParity):
    """Keeps what it is given until it is due."""

    def __init__(self, names: list[str] | Exception) -> None:
        super().__init__(request_size=2)
        self.names = names
        self.send_at: list[Any] = []

    def reserve(self, channel: str, count: int) -> Sequence[str]:
        if isinstance(self.names, Exception):
            raise self.names
        return self.names[:count]

    def carry(self, *call: Any, send_at: Any = None, **when: Any) -> Any:
        self.send_at.append((send_at, call[1].request_id))
        return super().carry(*call, **when)


def test_planned_mail_is_named_before_it_leaves_and_sent_at_its_instant(engine: Engine) -> None:
    at = utc("2026-01-12T08:00")
    with writing(engine) as connection:
        a_campaign(connection)
        people = learners(connection, 3)
        a_learner(connection, timezone="America/New_York")
    wave_id = planned(engine, a_wave())
    with reading(engine) as connection:
        before = at - timedelta(minutes=30)
        ahead = waves_ahead(connection, after=before, upto=at, channel=EMAIL, global_holdout=0.0)
        assert [(each.wave_id, each.due, each.rules.as_of) for each in ahead] == [(wave_id, 3, at)]
        assert waves_ahead(connection, after=before, upto=at, channel="sms", global_holdout=0.0) == []
    sink = Planner(["a", "b", "c", "d"])
    result = drained(engine, wave_id, sink, now=at, send_at=at, channels=(Channel.EMAIL,))
    assert result.accepted == 3
    assert set(sink.received) == {f"{wave_id}-0-{each}" for each in people}
    assert {each for each, _ in sink.send_at} == {at}
    with reading(engine) as connection:
        rows = connection.execute(select(handover.c.request_id, handover.c.send_at)).all()
    assert {row.request_id for row in rows} == {name for _, name in sink.send_at}
    assert {row.send_at for row in rows} == {at}


def test_a_provider_that_gives_no_names_now_costs_nothing(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 3)
    due = utc("2026-01-12T08:00")
    sink = Planner(NotReadyError("http_503"))
    result = drained(engine, wave_id, sink, now=due, send_at=due)
    assert result.deferred == {EMAIL: "http_503"}
    assert set(states_of(engine, wave_id).values()) == {("planned", None)}
    sink.names = ChannelStopped("the key may not make batches")  # type: ignore[assignment]
    assert drained(engine, wave_id, sink, now=due, send_at=due).paused == {EMAIL: "the key may not make batches"}
    with reading(engine) as connection:
        assert paused_channels(connection, now=due) == {EMAIL: "the key may not make batches"}
        assert connection.execute(select(handover)).all() == []


def test_a_drain_ends_with_its_time_and_says_that_there_is_more(engine: Engine) -> None:
    wave_id, _ = a_wave_for(engine, 6)
    clock = Clock()

    class Slow(Sink):
        def carry(self, *call: Any, **when: Any) -> Any:
            clock.seconds += 10
            return super().carry(*call, **when)

    first = paced_drain(engine, wave_id, Slow(), clock, batch_size=2, slice=timedelta(seconds=15))
    assert (first.accepted, first.has_more) == (4, True)
    rest = paced_drain(engine, wave_id, Slow(), clock, batch_size=2, slice=timedelta(seconds=15))
    assert (rest.accepted, rest.has_more) == (2, False)


def test_senders_side_by_side_reach_everybody_once(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 60)
    sink = Sink(request_size=3)
    result = drained(engine, wave_id, sink, batch_size=5, senders=4)
    assert result.accepted == 60
    assert sink.received == {f"{wave_id}-0-{each}": 1 for each in people}


def test_a_message_is_valid_until_it_is_stale_or_the_quiet_hours_begin(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        (berlin,) = learners(connection, 1)
        lisbon = a_learner(connection, timezone="Europe/Lisbon")
    wave_id = planned(engine, a_wave(window=SendWindow()))
    until: dict[int, datetime] = {}

    class Watching(Sink):
        def carry(self, channel: str, handover: Any, messages: Any, **when: Any) -> Any:
            until.update(zip(handover.learner_ids, handover.valid_until, strict=True))
            assert handover.as_of == NOON
            return super().carry(channel, handover, messages, **when)

    drained(engine, wave_id, Watching())
    assert until == {berlin: utc("2026-01-12T19:00"), lisbon: utc("2026-01-12T20:00")}
    soon = planned(engine, a_wave("launch.brief", expires_after=timedelta(hours=5)))
    drained(engine, soon, Watching())
    assert until[berlin] == rows_of(engine, soon)[berlin].expires_at


# ---- questions


def test_a_cancelled_request_is_proof_at_once_and_an_absent_one_only_later(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 2)
    drained(engine, wave_id, Sink({each: [Uncertain("read_timeout")] for each in people}))
    asked: list[Question] = []

    def answer(_channel: str, questions: Sequence[Question]) -> list[Evidence]:
        asked.extend(questions)
        (question,) = questions
        findings = dict(zip(question.addresses, (Finding.CANCELLED, Finding.ABSENT), strict=True))
        return [Evidence(each, question.handover_id.hex, finding) for each, finding in findings.items()]

    result = reconcile(engine, answer, now=NOON, patience=Patience())
    assert (result.planned, result.still_uncertain) == (1, 1)
    assert [states_of(engine, wave_id)[each][0] for each in people] == ["planned", "uncertain"]
    with reading(engine) as connection:
        emails = dict(connection.execute(select(learner.c.id, learner.c.email)).all())
    assert dict(asked[0].addresses) == {f"{wave_id}-0-{each}": emails[each] for each in people}


def test_nobody_asks_about_an_address_that_was_changed_since(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 2)
    drained(engine, wave_id, Sink({each: [Uncertain("read_timeout")] for each in people}))
    with writing(engine) as connection:
        later = database_now(connection) + timedelta(seconds=1)
        changed = update(learner).where(learner.c.id == people[0])
        connection.execute(changed.values(email="new@example.org", updated_at=later))
    asked: list[Question] = []

    def answer(_channel: str, questions: Sequence[Question]) -> list[Evidence]:
        asked.extend(questions)
        return []

    reconcile(engine, answer, now=NOON, patience=Patience())
    assert asked[0].addresses[f"{wave_id}-0-{people[0]}"] is None
    assert asked[0].addresses[f"{wave_id}-0-{people[1]}"] is not None
    assert asked[0].intended_at > DAWN


def test_the_providers_name_of_a_request_is_kept(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 2)
    drained(engine, wave_id, Sink({each: [Accepted(request_id="msg-1")] for each in people}))
    with reading(engine) as connection:
        assert connection.execute(select(handover.c.request_id)).scalars().all() == ["msg-1"]
