"""Planned mail: SendGrid is given it early, and told to forget it wherever nobody knows whether it was taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, update

from channels.wire import Failure
from pushpull.db import reading, writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.couriers import NotReadyError
from pushpull.ledger.drain import DrainOptions, DrainResult, drain
from pushpull.ledger.due import waves_ahead
from pushpull.ledger.messages import OutgoingMessage
from pushpull.ledger.reconcile import Patience, Reconciled, reconcile
from pushpull.ledger.shards import Shard
from pushpull.ledger.tables import delivery
from tests.faults.doomed import Post, RealCourier, adapter_of
from tests.faults.recruits import a_wave_for
from tests.ledger.builders import NO_CAPS, NOON, states_of, terms_of
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.variables import variables


class Planner(RealCourier):
    """Gives SendGrid mail ahead of its time."""

    _send_at: datetime | None = None

    def request_size(self, channel: str) -> int:
        return 3

    def reserve(self, channel: str, count: int) -> Sequence[str]:
        try:
            return self._adapter.reserve(count)  # type: ignore[attr-defined, no-any-return]
        except Failure as failure:
            raise NotReadyError(failure.code) from None

    def carry(self, *call: Any, send_at: datetime | None = None, **when: Any) -> Any:
        self._send_at = send_at
        return super().carry(*call, **when)

    def _outgoing(self, handover: Any, delivery: str, to: str) -> OutgoingMessage:
        return replace(super()._outgoing(handover, delivery, to), send_at=self._send_at, request_id=handover.request_id)


class House:
    """A wave of seven e-mails that becomes due in half an hour."""

    def __init__(self, engine: Engine, standin: StandIn) -> None:
        self.engine, self.standin = engine, standin
        self.wave_id, self.everybody = a_wave_for(engine, 7, Channel.EMAIL)
        self.due = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=30)
        with writing(engine) as connection:
            connection.execute(update(delivery).values(due_at=self.due, expires_at=self.due + timedelta(days=1)))
        post = Post(
            database="", wave_ids=[], channel=Channel.EMAIL, variables=variables(standin), now=NOON, deadline=2.0
        )
        self.adapter = adapter_of(Channel.EMAIL, post.variables)
        self.courier = Planner(self.adapter, post, reached=lambda _point: None)

    def plan_ahead(self) -> DrainResult:
        options = DrainOptions(
            worker="planner",
            caps=NO_CAPS,
            deadline=timedelta(seconds=2),
            send_at=self.due,
            channels=(Channel.EMAIL,),
        )
        terms = terms_of(self.engine, self.wave_id, now=self.due)
        return drain(self.engine, Shard(self.wave_id), terms, self.courier, options=options)

    def reconcile(self) -> Reconciled:
        def ask(_channel: str, questions: Any) -> Any:
            return self.adapter.look_up(questions)

        return reconcile(self.engine, ask, now=NOON, patience=Patience())

    def states(self) -> set[str]:
        return {state for state, _ in states_of(self.engine, self.wave_id).values()}

    def received_when_due(self) -> list[str]:
        sendgrid = self.standin.provider("sendgrid")
        assert sendgrid.taken() == [], "not before its time"
        sendgrid.now = lambda: self.due + timedelta(seconds=1)
        return sorted(taken.delivery_id for taken in sendgrid.taken())


@pytest.fixture
def house(engine: Engine, standin: StandIn) -> House:
    return House(engine, standin)


def test_mail_is_given_ahead_and_leaves_at_its_time(house: House) -> None:
    with reading(house.engine) as connection:
        (ahead,) = waves_ahead(
            connection,
            after=datetime.now(UTC) + timedelta(minutes=16),
            upto=house.due,
            channel="email",
            global_holdout=0,
        )
    assert (ahead.wave_id, ahead.rules.as_of, ahead.due) == (house.wave_id, house.due, 7)
    assert house.plan_ahead().accepted == 7
    sends = [each.json() for each in house.standin.requests("sendgrid") if each.path == "/v3/mail/send"]
    assert len({each["batch_id"] for each in sends}) == 3, "each request can be called back by itself"
    assert house.received_when_due() == sorted(house.everybody)
    assert house.standin.violations == []


@pytest.mark.parametrize(
    "fault", [Fault.BROKEN_PROCESSED, Fault.BROKEN_UNPROCESSED, Fault.RESET_PROCESSED, Fault.HANG_UNPROCESSED]
)
def test_a_request_nobody_knows_about_is_called_back_and_made_again_under_another_name(
    house: House, fault: Fault
) -> None:
    house.standin.fault(fault, provider="sendgrid", path="/mail/send$", seconds=4.0)
    first = house.plan_ahead()
    assert first.uncertain == 3
    result = house.reconcile()
    assert (result.planned, result.still_uncertain) == (3, 0), "at once: SendGrid agreed to forget it"
    with writing(house.engine) as connection:
        connection.execute(update(delivery).where(delivery.c.state == "planned").values(due_at=house.due))
    assert house.plan_ahead().accepted == 7 - first.accepted
    assert house.states() == {"accepted"}
    assert house.received_when_due() == sorted(house.everybody)


def test_a_request_that_cannot_be_called_back_stays_unknown_until_something_proves_it(house: House) -> None:
    house.standin.fault(Fault.BROKEN_PROCESSED, provider="sendgrid", path="/mail/send$")
    assert house.plan_ahead().uncertain == 3
    house.standin.fault(Fault.BROKEN_UNPROCESSED, provider="sendgrid", path="/scheduled_sends", times=None)
    house.standin.fault(Fault.BROKEN_UNPROCESSED, provider="sendgrid", path="/v3/logs", times=None)
    result = house.reconcile()
    assert (result.planned, result.accepted, result.still_uncertain) == (0, 0, 3)


def test_no_batch_ids_mean_no_mail_ahead(house: House) -> None:
    house.standin.fault(Fault.BROKEN_UNPROCESSED, provider="sendgrid", path="/mail/batch", times=None)
    result = house.plan_ahead()
    assert result.accepted == result.uncertain == 0
    assert result.deferred == {"email": "http_503"}
    assert house.states() == {"planned"}
