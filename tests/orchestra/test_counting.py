"""The counting that the proofs rest on sees what it is there to see."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, update

from pushpull.db import writing
from pushpull.ledger.tables import delivery
from pushpull.ledger.vocabulary import DeliveryState
from tests.ledger.builders import a_campaign, a_wave, drained, learners, planned, rows_of
from tests.orchestra.counting import missing_and_doubled
from tests.standin.engine import StandIn
from tests.standin.provider import Taken


@pytest.fixture
def sent(sqlite_engine: Engine, standin: StandIn) -> list[str]:
    """The delivery ids of three messages that the ledger counts as sent, each of which arrived."""
    with writing(sqlite_engine) as connection:
        a_campaign(connection)
        learners(connection, 3)
    wave_id = planned(sqlite_engine, a_wave())
    drained(sqlite_engine, wave_id)
    ids = [f"{wave_id}-0-{learner_id}" for learner_id in rows_of(sqlite_engine, wave_id)]
    for each in ids:
        arrives(standin, each)
    return ids


def arrives(standin: StandIn, delivery_id: str) -> None:
    standin.providers["sendgrid"].take(Taken("sendgrid", delivery_id, "h", "a@example.org", {}, "id", 0.0))


def test_one_message_for_everybody_is_exact(sqlite_engine: Engine, standin: StandIn, sent: list[str]) -> None:
    count = missing_and_doubled(sqlite_engine, standin)
    assert count.is_exact()
    assert count.arrived == len(sent) == 3


def test_a_second_message_is_seen(sqlite_engine: Engine, standin: StandIn, sent: list[str]) -> None:
    arrives(standin, sent[1])
    count = missing_and_doubled(sqlite_engine, standin)
    assert count.doubled == {sent[1]: 2}
    assert not count.is_exact()


def test_a_message_that_never_arrived_is_seen(sqlite_engine: Engine, standin: StandIn, sent: list[str]) -> None:
    standin.forget()
    for each in sent[1:]:
        arrives(standin, each)
    count = missing_and_doubled(sqlite_engine, standin)
    assert count.missing == {sent[0]}
    assert not count.is_exact()


@pytest.mark.parametrize(
    ("state", "where"), [(DeliveryState.PLANNED, "open"), (DeliveryState.UNCERTAIN, "open"), ("parked", "parked")]
)
def test_a_delivery_that_is_not_finished_is_seen(
    sqlite_engine: Engine, standin: StandIn, sent: list[str], state: str, where: str
) -> None:
    learner_id = int(sent[0].split("-")[2])
    with writing(sqlite_engine) as connection:
        connection.execute(update(delivery).where(delivery.c.learner_id == learner_id).values(state=str(state)))
    count = missing_and_doubled(sqlite_engine, standin)
    assert getattr(count, where) == {sent[0]} == count.unknown
    assert not count.is_exact()
