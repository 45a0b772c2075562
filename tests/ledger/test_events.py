from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select, update

from pushpull.db import reading, writing
from pushpull.learners.tables import consent, learner, lifecycle_event, suppression
from pushpull.ledger.events import RANK, DeliveryFact, record_facts, record_reached
from pushpull.ledger.outcomes import Uncertain
from pushpull.ledger.reconcile import Patience, reap, reconcile, resolve_parked
from pushpull.ledger.results import close_finished
from pushpull.ledger.tables import contact, delivery, delivery_event, handover
from pushpull.ledger.vocabulary import ACCEPTED_STATES, DeliveryState, EventKind, MessageClass, Reason
from tests.ledger.builders import (
    MONDAY,
    NOON,
    Sink,
    a_campaign,
    a_wave,
    drained,
    emptied,
    learners,
    planned,
    rows_of,
    states_of,
    time_passes,
)

MINUTE = timedelta(minutes=1)
LEADS_TO = {
    EventKind.ACCEPTED: DeliveryState.ACCEPTED,
    EventKind.DELIVERED: DeliveryState.DELIVERED,
    EventKind.UNDELIVERED: DeliveryState.UNDELIVERED,
    EventKind.BOUNCED: DeliveryState.BOUNCED,
    EventKind.OPENED: DeliveryState.DELIVERED,
    EventKind.CLICKED: DeliveryState.DELIVERED,
    EventKind.COMPLAINED: DeliveryState.DELIVERED,
    EventKind.REPLIED: DeliveryState.DELIVERED,
    EventKind.OPTED_OUT: DeliveryState.DELIVERED,
}


def a_fact(wave_id: int, learner_id: int, kind: EventKind, number: int = 0) -> DeliveryFact:
    name = f"{wave_id}-{learner_id}-{kind}-{number}"
    return DeliveryFact("provider", name, wave_id, 0, learner_id, kind, NOON + number * MINUTE)


def told(engine: Engine, *facts: DeliveryFact) -> int:
    with writing(engine) as connection:
        return record_facts(connection, facts)


def a_sent_wave(engine: Engine, number: int = 1, **fields: Any) -> tuple[int, list[int]]:
    with writing(engine) as connection:
        a_campaign(connection, message_class=fields.get("message_class", MessageClass.NUDGE))
        people = learners(connection, number)
    wave_id = planned(engine, a_wave(**fields))
    drained(engine, wave_id)
    return wave_id, people


# ---- order and repetition


@given(
    facts=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(EventKind), st.integers(0, 3)), min_size=1, max_size=8),
    order=st.randoms(use_true_random=False),
    batches=st.integers(1, 4),
)
@settings(max_examples=60, derandomize=True, database=None, suppress_health_check=list(HealthCheck), deadline=None)
def test_neither_order_nor_repetition_of_facts_matters(
    sqlite_engine: Engine, facts: list[tuple[int, EventKind, int]], order: Any, batches: int
) -> None:
    seen = []
    for shuffled in (False, True):
        wave_id, people = a_sent_wave(emptied(sqlite_engine), 2)
        first = people[0]
        news = [a_fact(wave_id, people[who], kind, number) for who, kind, number in facts]
        if shuffled:
            news = [*news, order.choice(news)]
            order.shuffle(news)
        size = -(-len(news) // batches)
        for start in range(0, len(news), size):
            told(sqlite_engine, *news[start : start + size])
        with reading(sqlite_engine) as connection:
            words = connection.execute(select(consent.c.learner_id - first, consent.c.channel, consent.c.recorded_at))
            stops = connection.execute(
                select(suppression.c.learner_id - first, suppression.c.reason, suppression.c.recorded_at)
            )
            clicks = connection.execute(select(func.count()).select_from(lifecycle_event)).scalar_one()
            seen.append(
                (
                    [state for state, _ in states_of(sqlite_engine, wave_id).values()],
                    sorted(map(tuple, words)),
                    sorted(map(tuple, stops)),
                    clicks,
                    connection.execute(select(func.count()).select_from(delivery_event)).scalar_one(),
                )
            )
    assert seen[0] == seen[1]
    for who in (0, 1):
        kinds = [LEADS_TO[kind] for each, kind, _ in facts if each == who]
        assert seen[0][0][who] == max(kinds, key=RANK.__getitem__, default=DeliveryState.ACCEPTED)


@pytest.mark.parametrize("order", permutations([EventKind.DELIVERED, EventKind.BOUNCED, EventKind.CLICKED]))
def test_a_bounce_beats_delivered_however_late_it_comes(engine: Engine, order: tuple[EventKind, ...]) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    for number, kind in enumerate(order):
        assert told(engine, a_fact(wave_id, someone, kind, number)) == 1
    assert states_of(engine, wave_id) == {someone: (DeliveryState.BOUNCED, None)}
    tomorrow = planned(engine, a_wave(on=MONDAY + timedelta(days=1)), as_of=NOON)
    assert rows_of(engine, tomorrow)[someone].reason == Reason.SUPPRESSED


def test_a_fact_told_twice_is_one_fact(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    fact = a_fact(wave_id, someone, EventKind.CLICKED)
    assert told(engine, fact, fact) == 1
    assert told(engine, fact) == 0
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(lifecycle_event)).scalar_one() == 1


# ---- evidence


def test_a_report_settles_an_uncertain_delivery_and_the_late_answer_changes_nothing(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        someone, other = learners(connection, 2)
    wave_id = planned(engine, a_wave())
    drained(engine, wave_id, Sink({someone: [Uncertain("reset")], other: [Uncertain("reset")]}))
    told(engine, a_fact(wave_id, someone, EventKind.DELIVERED))
    assert states_of(engine, wave_id) == {
        someone: (DeliveryState.DELIVERED, None),
        other: (DeliveryState.UNCERTAIN, Reason.UNKNOWN_OUTCOME),
    }
    with reading(engine) as connection:
        assert connection.execute(select(handover.c.accepted)).scalar_one() == 1


def test_a_report_that_comes_before_the_answer_stands(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        (someone,) = learners(connection, 1)
    wave_id = planned(engine, a_wave())
    sink = Sink({someone: [Uncertain("read_timeout")]})
    sink.before_call = lambda _channel, _handover: told(engine, a_fact(wave_id, someone, EventKind.BOUNCED)) and None
    assert drained(engine, wave_id, sink).uncertain == 0
    assert states_of(engine, wave_id) == {someone: (DeliveryState.BOUNCED, None)}


def _parked(engine: Engine, **fields: Any) -> tuple[int, int]:
    with writing(engine) as connection:
        a_campaign(connection, message_class=fields.get("message_class", MessageClass.NUDGE))
        (someone,) = learners(connection, 1)
    wave_id = planned(engine, a_wave(**fields))
    drained(engine, wave_id, Sink({someone: [Uncertain("reset")]}))
    time_passes(engine, timedelta(hours=2))
    reap(engine)
    reconcile(engine, lambda _channel, _asked: [], now=NOON, patience=Patience())
    return wave_id, someone


def test_a_report_settles_a_parked_delivery_of_a_closed_wave_and_its_learner_counts_as_reached(engine: Engine) -> None:
    wave_id, someone = _parked(engine)
    assert states_of(engine, wave_id) == {someone: (DeliveryState.PARKED, Reason.NO_EVIDENCE)}
    with writing(engine) as connection:
        assert close_finished(connection, now=NOON) == 1
        assert record_reached(connection, "safety", now=NOON) == 0
    told(engine, a_fact(wave_id, someone, EventKind.OPENED))
    assert states_of(engine, wave_id) == {someone: (DeliveryState.DELIVERED, None)}
    with writing(engine) as connection:
        assert record_reached(connection, "safety", now=NOON) == 1
        assert record_reached(connection, "safety", now=NOON) == 0


def test_a_report_calls_back_an_obligation_that_was_to_be_repeated(engine: Engine) -> None:
    wave_id, someone = _parked(engine, message_class=MessageClass.MANDATORY)
    assert states_of(engine, wave_id) == {someone: (DeliveryState.PLANNED, Reason.POSSIBLE_DUPLICATE)}
    told(engine, a_fact(wave_id, someone, EventKind.DELIVERED))
    sink = Sink()
    drained(engine, wave_id, sink)
    assert not sink.received
    assert states_of(engine, wave_id) == {someone: (DeliveryState.DELIVERED, None)}


@pytest.mark.parametrize("was_received", [True, False])
def test_a_person_decides_about_a_parked_delivery(engine: Engine, was_received: bool) -> None:
    wave_id, someone = _parked(engine)
    with writing(engine) as connection:
        close_finished(connection, now=NOON)
        decision = {"wave_id": wave_id, "rotation": 0, "learner_id": someone, "who": "ops", "now": NOON}
        assert resolve_parked(connection, was_received=was_received, **decision)
        assert not resolve_parked(connection, was_received=was_received, **decision)
    sink = Sink()
    drained(engine, wave_id, sink)
    if was_received:
        assert not sink.received
        assert states_of(engine, wave_id) == {someone: (DeliveryState.ACCEPTED, None)}
    else:
        assert sink.received.total() == 1
        assert states_of(engine, wave_id) == {someone: (DeliveryState.ACCEPTED, Reason.POSSIBLE_DUPLICATE)}


def test_the_mark_of_a_possible_duplicate_survives_everything_that_comes_between(engine: Engine) -> None:
    wave_id, someone = _parked(engine, message_class=MessageClass.MANDATORY, expires_after=timedelta(days=9))
    night = NOON + timedelta(hours=9)
    assert dict(drained(engine, wave_id, now=night).held) == {Reason.QUIET_HOURS: 1}
    morning = NOON + timedelta(days=1)
    drained(engine, wave_id, Sink({someone: [Uncertain("reset")]}), now=morning)
    told(engine, a_fact(wave_id, someone, EventKind.DELIVERED))
    assert states_of(engine, wave_id) == {someone: (DeliveryState.DELIVERED, Reason.POSSIBLE_DUPLICATE)}


def test_nothing_that_is_said_about_a_message_that_never_left_moves_it(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        waiting, unreachable = learners(connection, 2)
        connection.execute(update(learner).where(learner.c.id == unreachable).values(email=None))
    wave_id = planned(engine, a_wave())
    before = states_of(engine, wave_id)
    facts = [a_fact(wave_id, each, kind) for each in (waiting, unreachable) for kind in EventKind]
    assert told(engine, *facts) == len(facts), "kept, and harmless"
    assert states_of(engine, wave_id) == before


# ---- consent


def test_an_opt_out_told_by_the_provider_stops_the_next_message(engine: Engine) -> None:
    wave_id, (someone, other) = a_sent_wave(engine, 2)
    second = planned(engine, a_wave("launch.more"))
    told(engine, a_fact(wave_id, someone, EventKind.OPTED_OUT))
    sink = Sink()
    assert dict(drained(engine, second, sink).skipped) == {Reason.OPTED_OUT: 1}
    assert set(sink.received) == {f"{second}-0-{other}"}


def test_a_complaint_stops_the_channel_for_every_family(engine: Engine) -> None:
    wave_id, (someone, _) = a_sent_wave(engine, 2)
    told(engine, a_fact(wave_id, someone, EventKind.COMPLAINED))
    with writing(engine) as connection:
        a_campaign(connection, "habits")
    other = planned(engine, a_wave(campaign="habits"))
    assert rows_of(engine, other)[someone].reason == Reason.SUPPRESSED


# ---- batches that hold something odd


def test_facts_about_unknown_deliveries_sink_nothing(engine: Engine) -> None:
    wave_id, (someone,) = a_sent_wave(engine)
    good = a_fact(wave_id, someone, EventKind.DELIVERED)
    unknown = [
        a_fact(wave_id + 999, someone, EventKind.BOUNCED),
        a_fact(wave_id, someone + 999, EventKind.OPTED_OUT),
        DeliveryFact("provider", "rotation", wave_id, 7, someone, EventKind.BOUNCED, NOON),
    ]
    assert told(engine, *unknown[:2], good, unknown[2]) == 1
    assert states_of(engine, wave_id) == {someone: (DeliveryState.DELIVERED, None)}
    assert told(engine) == 0


def test_a_fact_about_somebody_who_was_erased_sinks_nothing(engine: Engine) -> None:
    wave_id, (gone, stays) = a_sent_wave(engine, 2)
    with writing(engine) as connection:
        connection.execute(delete(learner).where(learner.c.id == gone))
    facts = [a_fact(wave_id, each, kind) for each in (gone, stays) for kind in EventKind]
    assert told(engine, *facts) == len(facts)
    with reading(engine) as connection:
        assert set(connection.execute(select(consent.c.learner_id)).scalars()) == {stays}


def test_a_batch_larger_than_a_statement_can_hold_is_taken_whole(sqlite_engine: Engine) -> None:
    wave_id, people = a_sent_wave(sqlite_engine, 300)
    facts = [a_fact(wave_id, each, EventKind.DELIVERED, number) for each in people for number in range(5)]
    assert told(sqlite_engine, *facts) == 1500
    assert {state for state, _ in states_of(sqlite_engine, wave_id).values()} == {DeliveryState.DELIVERED}


def test_two_batches_about_the_same_people_at_once_do_not_block_each_other_for_good(postgres_engine: Engine) -> None:
    wave_id, people = a_sent_wave(postgres_engine, 40)
    failures: list[BaseException] = []

    def tell(order: list[int], number: int) -> None:
        try:
            told(postgres_engine, *(a_fact(wave_id, each, EventKind.COMPLAINED, number) for each in order))
        except BaseException as failure:  # noqa: BLE001  # looked at below, in the thread that asserts
            failures.append(failure)

    tellers = [Thread(target=tell, args=(people[:: 1 if number % 2 else -1], number)) for number in range(4)]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join(30)
    assert not failures
    with reading(postgres_engine) as connection:
        assert connection.execute(select(func.count()).select_from(delivery_event)).scalar_one() == 160


def test_what_was_reached_is_told_once_with_the_time_it_was_sent(engine: Engine) -> None:
    wave_id, people = a_sent_wave(engine, 3)
    with writing(engine) as connection:
        assert record_reached(connection, "safety", now=NOON) == 3
        assert record_reached(connection, "safety", now=NOON) == 0
        told_at = connection.execute(select(lifecycle_event.c.learner_id, lifecycle_event.c.occurred_at)).all()
    assert {tuple(row) for row in told_at} == {(each, NOON) for each in people}
    with reading(engine) as connection:
        states = set(connection.execute(select(delivery.c.state)).scalars())
        assert states <= {state.value for state in ACCEPTED_STATES}
        assert connection.execute(select(func.count()).select_from(contact)).scalar_one() == 3
    assert wave_id
