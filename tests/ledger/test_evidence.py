"""What evidence may be believed, about whom, and what it moves: nobody twice, nobody lost, nobody early."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from pushpull.db import database_now, reading, writing
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.events import DeliveryFact, record_facts
from pushpull.ledger.outcomes import THROTTLED, Accepted, Evidence, Finding, NotSent, Question, Uncertain
from pushpull.ledger.pacing import throttle, throttled
from pushpull.ledger.reconcile import Patience, reconcile
from pushpull.ledger.tables import contact, delivery, handover
from pushpull.ledger.vocabulary import EventKind, MessageClass
from tests.ledger.builders import (
    NOON,
    Sink,
    a_campaign,
    a_wave,
    drained,
    learners,
    planned,
    rows_of,
    states_of,
    time_passes,
)

EMAIL = Channel.EMAIL.value
LOST = Uncertain("read_timeout")


def a_wave_for(engine: Engine, number: int, **fields: Any) -> tuple[int, list[int]]:
    with writing(engine) as connection:
        a_campaign(connection, message_class=fields.get("message_class", MessageClass.NUDGE))
        people = learners(connection, number)
    return planned(engine, a_wave(**fields)), people


def called_back(_channel: str, questions: Sequence[Question]) -> list[Evidence]:
    """SendGrid agrees that it will never send what it was asked about."""
    return [
        Evidence(each, question.handover_id.hex, Finding.CANCELLED)
        for question in questions
        for each in question.addresses
    ]


def nothing_known(_channel: str, _questions: Sequence[Question]) -> list[Evidence]:
    return []


# ---- planned mail


def test_planned_mail_that_was_called_back_keeps_its_time(engine: Engine) -> None:
    wave_id, (person,) = a_wave_for(engine, 1)
    at = rows_of(engine, wave_id)[person].due_at
    drained(engine, wave_id, Sink({person: [LOST]}), now=at, send_at=at)
    assert reconcile(engine, called_back, now=at - timedelta(minutes=40), patience=Patience()).planned == 1
    assert rows_of(engine, wave_id)[person].due_at == at
    sink = Sink()
    drained(engine, wave_id, sink, now=at - timedelta(minutes=30))
    assert not sink.received, "half an hour early"


def test_a_batch_that_is_called_back_takes_with_it_what_was_reported_as_taken(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 3)
    at = rows_of(engine, wave_id)[people[0]].due_at
    drained(engine, wave_id, Sink({each: [LOST] for each in people}), now=at, send_at=at)
    with writing(engine) as connection:  # SendGrid reports that it processed the request, one message at a time
        fact = DeliveryFact("callback", "1", wave_id, 0, people[1], EventKind.ACCEPTED, at)
        record_facts(connection, [fact])
    assert states_of(engine, wave_id)[people[1]][0] == "accepted"
    reconcile(engine, called_back, now=at - timedelta(minutes=30), patience=Patience())
    assert {each[0] for each in states_of(engine, wave_id).values()} == {"planned"}, "nobody will ever get that one"
    with reading(engine) as connection:
        assert connection.execute(select(handover.c.accepted)).scalar_one() == 0
        assert connection.execute(select(contact)).all() == []
    sink = Sink()
    drained(engine, wave_id, sink)
    assert sink.received == {f"{wave_id}-0-{each}": 1 for each in people}


@pytest.mark.parametrize("reported", ["processed", "delivered"])
def test_what_was_called_back_goes_again_though_it_is_reported_late_that_it_was_taken(
    engine: Engine, reported: str
) -> None:
    wave_id, (person,) = a_wave_for(engine, 1)
    at = rows_of(engine, wave_id)[person].due_at
    drained(engine, wave_id, Sink({person: [LOST]}), now=at, send_at=at)
    first = rows_of(engine, wave_id)[person].handover_id
    reconcile(engine, called_back, now=at - timedelta(minutes=30), patience=Patience())
    kind = EventKind.ACCEPTED if reported == "processed" else EventKind.DELIVERED
    for handover_id in (first, None):
        with writing(engine) as connection:
            fact = DeliveryFact("callback", str(handover_id), wave_id, 0, person, kind, at, handover_id=handover_id)
            record_facts(connection, [fact])
    # Only what arrived in spite of it has arrived.
    assert states_of(engine, wave_id)[person][0] == ("planned" if reported == "processed" else "delivered")


@pytest.mark.parametrize("message_class", [MessageClass.NUDGE, MessageClass.MANDATORY])
def test_planned_mail_is_neither_given_up_nor_repeated_before_its_time(
    engine: Engine, message_class: MessageClass
) -> None:
    wave_id, (person,) = a_wave_for(engine, 1, message_class=message_class)
    with reading(engine) as connection:
        at = database_now(connection) + timedelta(hours=3)
    now = rows_of(engine, wave_id)[person].due_at
    drained(engine, wave_id, Sink({person: [LOST]}), now=now, send_at=now)
    with writing(engine) as connection:
        connection.execute(update(handover).values(send_at=at))
    time_passes(engine, timedelta(hours=2))
    assert reconcile(engine, nothing_known, now=now, patience=Patience()).still_uncertain == 1
    with writing(engine) as connection:
        connection.execute(update(handover).values(send_at=at - timedelta(hours=4, minutes=10)))
    settled = reconcile(engine, nothing_known, now=now, patience=Patience())
    assert (settled.parked, settled.planned) == ((1, 0) if message_class is MessageClass.NUDGE else (0, 1))


# ---- look-ups


def test_a_look_up_that_fails_keeps_no_other_channel_waiting(engine: Engine) -> None:
    wave_id, (person, other) = a_wave_for(engine, 2)
    drained(engine, wave_id, Sink({person: [LOST], other: [LOST]}, request_size=1))
    with writing(engine) as connection:
        second = rows_of(engine, wave_id)[other].handover_id
        connection.execute(update(handover).where(handover.c.id == second).values(channel="teams"))
        connection.execute(update(delivery).where(delivery.c.learner_id == other).values(channel="teams"))
    time_passes(engine, timedelta(hours=2))

    def failing(channel: str, questions: Sequence[Question]) -> list[Evidence]:
        if channel == EMAIL:
            raise RecursionError("what a provider answered was nested too deep")
        return [Evidence(each, str(second), Finding.ACCEPTED) for each in questions[0].addresses]

    settled = reconcile(engine, failing, now=NOON, patience=Patience())
    assert (settled.accepted, settled.parked) == (1, 1)


def test_evidence_about_nothing_we_know_is_left_alone(engine: Engine) -> None:
    wave_id, (person,) = a_wave_for(engine, 1)
    drained(engine, wave_id, Sink({person: [LOST]}))

    def garbled(_channel: str, questions: Sequence[Question]) -> list[Evidence]:
        sure = Evidence(f"{wave_id}-0-{person}", questions[0].handover_id.hex, Finding.ACCEPTED)
        return [Evidence("not-ours", "no uuid", Finding.ACCEPTED), sure]

    assert reconcile(engine, garbled, now=NOON, patience=Patience()).accepted == 1


def test_nobody_asks_about_an_address_that_was_changed_while_the_message_was_on_its_way(engine: Engine) -> None:
    wave_id, (person,) = a_wave_for(engine, 1)

    class Overtaken(Sink):
        """An import that began before the handover has its changes in after the message was written."""

        def write(self, connection: Any, batch: Any) -> Any:
            written = super().write(connection, batch)
            changed.append(database_now(connection))
            return written

    changed: list[Any] = []
    drained(engine, wave_id, Overtaken({person: [LOST]}))
    with writing(engine) as connection:
        connection.execute(update(learner).values(email="new@example.org", updated_at=changed[0]))
    asked: list[Question] = []

    def answer(_channel: str, questions: Sequence[Question]) -> list[Evidence]:
        asked.extend(questions)
        return []

    reconcile(engine, answer, now=NOON, patience=Patience())
    assert asked[0].addresses == {f"{wave_id}-0-{person}": None}


def test_who_is_asked_about_is_said_to_share_a_mailbox(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection)
        first, second = learners(connection, 2, email="team@example.org")
        (alone,) = learners(connection, 1)
    wave_id = planned(engine, a_wave())
    drained(engine, wave_id, Sink({first: [LOST], alone: [LOST]}, request_size=1))
    asked: dict[str, bool] = {}

    def answer(_channel: str, questions: Sequence[Question]) -> list[Evidence]:
        asked.update((each, each in question.shared) for question in questions for each in question.addresses)
        return []

    reconcile(engine, answer, now=NOON, patience=Patience())
    assert asked == {f"{wave_id}-0-{first}": True, f"{wave_id}-0-{alone}": False}
    assert states_of(engine, wave_id)[second][0] == "accepted"


# ---- slowing down


@pytest.mark.parametrize("ahead", [timedelta(days=3), timedelta(days=-3)])
def test_a_worker_whose_clock_is_wrong_neither_closes_a_provider_for_days_nor_ignores_it(
    engine: Engine, ahead: timedelta
) -> None:
    with writing(engine) as connection:
        throttle(connection, EMAIL, until=database_now(connection) + ahead)
        left = throttled(connection, EMAIL)
    assert left is not None
    assert timedelta() < left <= timedelta(hours=1)


def test_a_provider_that_asks_to_slow_down_gets_no_further_request_of_the_batch(engine: Engine) -> None:
    wave_id, people = a_wave_for(engine, 6)
    with reading(engine) as connection:
        later = database_now(connection) + timedelta(minutes=10)
    sink = Sink({people[0]: [Accepted()], people[1]: [NotSent(THROTTLED, later)]}, request_size=2)
    result = drained(engine, wave_id, sink)
    assert len(sink.requests) == 1
    assert (result.accepted, result.not_sent) == (1, 5)
    assert {states_of(engine, wave_id)[each][0] for each in people[1:]} == {"planned"}
    assert {rows_of(engine, wave_id)[each].due_at for each in people[1:]} == {later}
