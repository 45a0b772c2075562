"""Delivering a shard: one task run goes on by itself, looks up every minute, and helps others with what they left."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select, update

from channels.sandbox import SandboxChannel
from flows import sending
from flows.dispatch import dispatch
from flows.launch import launch
from pushpull.db import reading, writing
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.due import DueWave, became_due, settled_percent
from pushpull.ledger.messages import OutgoingMessage
from pushpull.ledger.outcomes import Outcome
from pushpull.ledger.shards import Shard, starting_with
from pushpull.ledger.switches import Switches
from pushpull.ledger.tables import delivery, rotation, wave
from pushpull.ledger.vocabulary import DeliveryState, MessageClass, WaveStatus
from tasks import deliver
from tasks.deliver import Turn, drain_shard, find_due, shards_of
from tasks.installation import Installation, installed
from tests.flows.conftest import CAMPAIGN, company, launch_day
from tests.flows.test_stages import ACCEPTED, count, messages_in_the_outbox

__all__ = ["company", "launch_day"]

NINE = timedelta(hours=9)


class SlowSandbox(SandboxChannel):
    """Takes its time for every message, and tells somebody of each."""

    seconds = 0.02
    told: Callable[[int], None] = staticmethod(lambda _sent: None)
    sent = 0

    def send(self, messages: Sequence[OutgoingMessage], **more: Any) -> Sequence[Outcome]:
        time.sleep(self.seconds * len(messages))
        outcomes = super().send(messages, **more)
        self.sent += len(messages)
        self.told(self.sent)
        return outcomes


@pytest.fixture
def slow(company: Installation, launch_day: datetime, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowSandbox]:
    """A planned wave, a provider that takes its time, and slices in which no more than a few messages fit."""
    asyncio.run(launch.fn(campaign=CAMPAIGN, as_of=launch_day.isoformat()))
    adapter = SlowSandbox(Channel.EMAIL, company.settings.outbox_dir)
    monkeypatch.setitem(company.adapters, Channel.EMAIL, adapter)  # type: ignore[arg-type]
    monkeypatch.setattr(deliver, "_SLICE", timedelta(milliseconds=30))
    with installed(replace(company, settings=company.settings.model_copy(update={"batch_size": 2}))):
        yield adapter


def the_wave(at: datetime) -> DueWave:
    (found,) = find_due(at)
    return found


def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every inner drain."""
    seen: list[int] = []
    drain = deliver.drain

    def counted(*given: Any, **more: Any) -> Any:
        seen.append(1)
        return drain(*given, **more)

    monkeypatch.setattr(deliver, "drain", counted)
    return seen


def test_one_task_run_goes_on_over_many_slices_until_nothing_is_due(
    company: Installation, slow: SlowSandbox, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = looks(monkeypatch)
    found = the_wave(launch_day + NINE)
    result = drain_shard(Shard(found.wave_id), found.rules, turn=Turn(length=timedelta(hours=1)))
    assert len(slices) > 3
    assert not result.has_more
    assert result.accepted == count(company, ACCEPTED) == messages_in_the_outbox(company) > 10
    assert not find_due(launch_day + NINE)


def test_a_turn_that_is_over_leaves_the_rest_to_the_next(
    company: Installation, slow: SlowSandbox, launch_day: datetime
) -> None:
    found = the_wave(launch_day + NINE)
    result = drain_shard(Shard(found.wave_id), found.rules, turn=Turn(length=timedelta(milliseconds=60)))
    assert result.has_more
    assert not result.gave_way
    assert find_due(launch_day + NINE)
    drain_shard(Shard(found.wave_id), found.rules, turn=Turn(length=timedelta(hours=1)))
    assert count(company, ACCEPTED) == messages_in_the_outbox(company)


def test_a_wave_that_a_person_cancels_is_left_within_a_batch(
    company: Installation, slow: SlowSandbox, launch_day: datetime
) -> None:
    def cancel(sent: int) -> None:
        if sent == 4:
            with writing(company.engine) as connection:
                connection.execute(update(wave).values(status=WaveStatus.CANCELLED.value))

    slow.told = cancel
    found = the_wave(launch_day + NINE)
    result = drain_shard(Shard(found.wave_id), found.rules, turn=Turn(length=timedelta(hours=1)))
    assert result.stopped
    assert messages_in_the_outbox(company) == count(company, ACCEPTED) <= 6


def test_content_that_is_not_what_was_approved_ends_it_within_a_slice(
    company: Installation, slow: SlowSandbox, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "as_approved", lambda _waves, _now: [])
    found = the_wave(launch_day + NINE)
    result = drain_shard(Shard(found.wave_id), found.rules, turn=Turn(length=timedelta(hours=1)))
    assert result.stopped
    assert not result.has_more
    assert find_due(launch_day + NINE)
    assert messages_in_the_outbox(company) == count(company, ACCEPTED)


def test_a_long_turn_goes_by_the_clock_of_each_slice(
    company: Installation, slow: SlowSandbox, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At nine the window is open in Berlin; by the next slice it is night there, and nobody is written to."""
    clock = launch_day + timedelta(hours=21)
    monkeypatch.setattr(deliver, "database_now", lambda _connection: clock)
    found = the_wave(launch_day + NINE)
    turn = Turn(length=timedelta(hours=1), since=launch_day + timedelta(hours=22))
    drain_shard(Shard(found.wave_id), found.rules, turn=turn)
    in_berlin = delivery.c.learner_id.in_(select(learner.c.id).where(learner.c.timezone == "Europe/Berlin"))
    assert 0 < count(company, in_berlin, ACCEPTED) < found.due
    assert count(company, in_berlin, delivery.c.state == DeliveryState.HELD) > 0


def obligation(here: Installation, launch_day: datetime) -> int:
    """A second wave, mandatory, due an hour after the first."""
    with writing(here.engine) as connection:
        (first,) = connection.execute(select(wave)).mappings().all()
        made = connection.execute(
            wave.insert().values(
                **{
                    **{key: value for key, value in first.items() if key != "id"},
                    "key": "launch.obligation@2026-01-12",
                    "series": "launch.obligation",
                    "message_class": MessageClass.MANDATORY.value,
                }
            )
        ).inserted_primary_key
        assert made is not None
        row = connection.execute(select(delivery).where(delivery.c.state == DeliveryState.PLANNED)).mappings().first()
        assert row is not None
        connection.execute(
            delivery.insert().values(**{**row, "wave_id": made[0], "due_at": launch_day + timedelta(hours=10)})
        )
        return int(made[0])


def test_a_turn_ends_early_when_an_obligation_becomes_due(
    company: Installation, slow: SlowSandbox, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = the_wave(launch_day + NINE)
    other = obligation(company, launch_day)
    monkeypatch.setattr(deliver, "database_now", lambda _connection: launch_day + timedelta(hours=10, minutes=1))
    for obligations_only in (True, False):
        turn = Turn(length=timedelta(hours=1), since=launch_day + NINE, obligations_only=obligations_only)
        result = drain_shard(Shard(found.wave_id), found.rules, turn=turn)
        assert result.gave_way
        assert result.has_more
        assert find_due(launch_day + timedelta(hours=10, minutes=1))[0].wave_id in (found.wave_id, other)
    known = Turn(length=timedelta(hours=1), since=launch_day + timedelta(hours=10, seconds=30))
    assert not drain_shard(Shard(found.wave_id), found.rules, turn=known).has_more


def test_only_what_is_news_interrupts(company: Installation, slow: SlowSandbox, launch_day: datetime) -> None:
    first = the_wave(launch_day + NINE).wave_id
    other = obligation(company, launch_day)
    ten = launch_day + timedelta(hours=10)

    def interrupted(besides: int, after: datetime, upto: datetime, **more: bool) -> bool:
        with reading(company.engine) as connection:
            given: dict[str, Any] = {"obligations_only": False, **more}
            return became_due(connection, after=after, upto=upto, besides=(besides, 0), **given)

    hour = timedelta(hours=1)
    assert interrupted(first, ten - hour, ten)
    assert interrupted(first, ten - hour, ten, obligations_only=True)
    assert not interrupted(first, ten - hour, ten - timedelta(seconds=1))
    assert not interrupted(first, ten, ten + hour, obligations_only=True)
    assert not interrupted(other, ten - hour, ten)
    with writing(company.engine) as connection:
        connection.execute(update(wave).where(wave.c.id == other).values(released_at=ten + timedelta(minutes=5)))
    assert interrupted(first, ten, ten + hour), "a person released it"
    assert not interrupted(first, ten + timedelta(minutes=5), ten + hour)
    assert not interrupted(other, ten, ten + hour)
    with writing(company.engine) as connection:
        connection.execute(update(wave).where(wave.c.id == other).values(status=WaveStatus.PAUSED.value))
    assert not interrupted(first, ten - hour, ten)
    with writing(company.engine) as connection:
        again = {"wave_id": first, "rotation": 1, "reason": "again", "cohort": {}, "as_of": ten}
        connection.execute(rotation.insert().values(**again))
    assert interrupted(other, ten - hour, ten + hour), "it is re-run"


def test_a_run_that_is_done_with_its_own_shard_helps_with_the_others(
    company: Installation, slow: SlowSandbox, launch_day: datetime
) -> None:
    found = the_wave(launch_day + NINE)
    ((own, *others),) = shards_of(found, part=2, parts=4)
    result = drain_shard(own, found.rules, others=tuple(others))
    assert result.accepted == count(company, ACCEPTED) > 10
    assert not find_due(launch_day + NINE)
    with reading(company.engine) as connection:
        assert settled_percent(connection, found.wave_id, 0) > 50


def test_every_run_of_a_wave_covers_all_of_it_and_begins_elsewhere(
    company: Installation, slow: SlowSandbox, launch_day: datetime
) -> None:
    found = the_wave(launch_day + NINE)
    divided = [shards_of(found, part=part, parts=4) for part in range(4)]
    assert [len(mine) for mine in divided] == [1, 1, 1, 1]
    assert len({mine[0][0].after for mine in divided}) == 4
    assert len({frozenset(mine[0]) for mine in divided}) == 1
    ranges = sorted((each.after, each.upto) for each in divided[0][0])
    assert all(upto == after for (_, upto), (after, _) in pairwise(ranges))
    assert starting_with((), 3) == ()


def test_a_run_by_itself_has_a_thread_per_core_where_the_database_and_the_provider_let_it(
    company: Installation, slow: SlowSandbox, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "_WORTH_A_SHARD", 5)
    monkeypatch.setattr(deliver.os, "cpu_count", lambda: 3)
    found = the_wave(launch_day + NINE)
    is_sqlite = company.engine.dialect.name == "sqlite"
    threads = shards_of(found)
    assert len(threads) == (1 if is_sqlite else 3)
    assert Counter(shard for mine in threads for shard in mine) == Counter(
        {shard: len(threads) for shard in threads[0]}
    )
    for channel, adapter in company.adapters.items():  # a long code: a second thread would wait for the first
        limited = SlowSandbox(channel, company.settings.outbox_dir)
        limited.limits = replace(adapter.limits, per_second=1.0)
        monkeypatch.setitem(company.adapters, channel, limited)  # type: ignore[arg-type]
    assert len(shards_of(found)) == 1


def test_a_small_wave_outside_of_a_run_has_no_helpers(
    company: Installation, slow: SlowSandbox, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "_WORTH_A_SHARD", 5)
    assert deliver.start_helpers(the_wave(launch_day + NINE), key="k") == 1


def test_dispatch_sends_everything_in_turns_too(company: Installation, slow: SlowSandbox, launch_day: datetime) -> None:
    asyncio.run(dispatch.fn(as_of=(launch_day + NINE).isoformat()))
    assert count(company, ACCEPTED) == messages_in_the_outbox(company) > 10
    assert not find_due(launch_day + NINE)


def test_a_dispatch_of_a_slow_wave_leaves_the_rest_to_the_next_one(
    company: Installation, slow: SlowSandbox, launch_day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()

    def now(*_asked: Any, **_more: Any) -> datetime:
        return launch_day + NINE + timedelta(seconds=time.monotonic() - began)

    monkeypatch.setattr(deliver, "database_now", now)
    monkeypatch.setattr(sending, "moment", now)
    monkeypatch.setattr(sending, "in_a_run", lambda: True)
    monkeypatch.setattr(sending, "_FIRST_TURN", timedelta(milliseconds=50))
    monkeypatch.setattr(sending, "_LONGEST_RUN", timedelta(milliseconds=200))
    one = sending.Sending(as_of="", switches=Switches())
    one.in_rounds(find_due(now()), now())
    assert 0 < count(company, ACCEPTED) == messages_in_the_outbox(company)
    left = find_due(now())
    assert left
    helper = sending.Sending(as_of="", switches=Switches(), part=1, parts=2)  # no other run goes on for it
    helper.in_rounds(left, now())
    assert not find_due(now())
