"""What each thing that can go wrong on the way to SendGrid means for the messages of the request."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from channels.email import SendGridChannel
from pushpull.ledger.messages import OutgoingMessage
from pushpull.ledger.outcomes import Accepted, ChannelStopped, Finding, NotSent, Question, Uncertain
from tests.channels.email.mailing import HANDOVER, a_channel, mails, own_bodies, send, sendgrid
from tests.channels.faults import ACCEPTED, AT_ANY_PROVIDER, NOT_SENT, STOPPED, UNCERTAIN, name_of
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.sendgrid import SendGrid

OUTCOMES = {
    **AT_ANY_PROVIDER,
    # The status came: SendGrid took it, whatever became of the rest.
    Fault.DRIP_BODY: (ACCEPTED, ""),
    Fault.TRUNCATED_BODY: (ACCEPTED, ""),
    Fault.GARBAGE_BODY: (ACCEPTED, ""),
    Fault.HUGE_BODY: (ACCEPTED, ""),
    Fault.STALE_CONNECTION: (ACCEPTED, ""),
}


def outcome_of(channel: SendGridChannel, messages: Sequence[OutgoingMessage], seconds: float) -> tuple[str, str]:
    """What became of every message of a handover, which must be the same for all."""
    try:
        outcomes = send(channel, messages, seconds=seconds)
    except ChannelStopped as stop:
        stopped = True
        outcomes = stop.outcomes
    else:
        stopped = False
    [outcome] = {name_of(each) for each in outcomes}
    return (STOPPED, "") if stopped and outcome[0] == NOT_SENT else outcome


@pytest.mark.parametrize("write", [mails, own_bodies], ids=["one request for all", "a request each"])
@pytest.mark.parametrize("fault", Fault)
def test_a_fault_has_one_outcome_and_the_next_handover_goes_through(
    standin: StandIn, fault: Fault, write: Callable[[int], list[OutgoingMessage]]
) -> None:
    channel = a_channel(standin)
    messages = write(3) if write is mails else write(1)
    standin.fault(fault, seconds=1.0)
    outcome = outcome_of(channel, messages, 0.4)
    assert outcome == OUTCOMES[fault]
    processed = len(sendgrid(standin).taken())
    if outcome[0] in (NOT_SENT, STOPPED):
        assert not processed
    if outcome[0] == ACCEPTED:
        assert processed == len(messages)
    if fault is Fault.STALE_CONNECTION:
        time.sleep(0.1)  # the end of the connection is on its way; overtaking it would be an unknown outcome
    assert outcome_of(channel, messages, 5.0) == (ACCEPTED, "")
    assert not standin.violations


def test_every_fault_has_a_line_in_the_table() -> None:
    assert set(OUTCOMES) == set(Fault)


def test_what_never_left_was_not_sent(standin: StandIn) -> None:
    def outcome_at(base_url: str, seconds: float = 5.0) -> tuple[str, str]:
        return outcome_of(a_channel(standin, base_url=base_url), mails(2), seconds)

    assert outcome_at(standin.refusing_url(SendGrid)) == (NOT_SENT, "connection_refused")
    assert outcome_at(standin.tls_at_plain_url(SendGrid)) == (NOT_SENT, "tls_failed")
    assert outcome_at(standin.tls_url(SendGrid)) == (NOT_SENT, "tls_failed")  # a certificate nobody trusts
    assert outcome_at("http://no-such-host.invalid") == (NOT_SENT, "name_not_found")
    assert outcome_at(standin.url(SendGrid), 0.0) == (NOT_SENT, "deadline_passed")
    assert not standin.requests()


def test_when_sendgrid_asks_to_slow_down_nothing_else_of_the_handover_is_tried(standin: StandIn) -> None:
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    standin.fault(Fault.THROTTLED_SECONDS, times=None, seconds=20)
    outcomes = send(a_channel(standin, clock=lambda: now), [*mails(3), *own_bodies(3)])
    assert set(outcomes) == {NotSent("throttled", retry_at=now + timedelta(seconds=20))}
    assert len(standin.requests()) == 1


def test_a_late_acceptance_is_uncertain_and_arrives(standin: StandIn) -> None:
    standin.fault(Fault.BROKEN_LATE, seconds=0.2)
    assert outcome_of(a_channel(standin), mails(2), 2.0) == (UNCERTAIN, "http_503")
    until = time.monotonic() + 5
    while not sendgrid(standin).taken() and time.monotonic() < until:
        time.sleep(0.02)
    assert len(sendgrid(standin).taken()) == 2


def test_what_an_unknown_answer_leaves_open_does_not_hold_up_the_rest(standin: StandIn) -> None:
    standin.fault(Fault.BROKEN_UNPROCESSED)
    outcomes = send(a_channel(standin), [*mails(2), *own_bodies(2)])
    assert [type(each) for each in outcomes] == [Uncertain, Uncertain, Accepted, Accepted]


def test_planned_mail_that_would_be_cancelled_with_an_unknown_request_is_as_unknown(standin: StandIn) -> None:
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    played = sendgrid(standin)
    played.now = lambda: now
    channel = a_channel(standin, clock=lambda: now)
    [name] = channel.reserve(1)
    planned: dict[str, Any] = {"send_at": now + timedelta(hours=2), "request_id": name}
    messages = [*mails(2, **planned), *own_bodies(4, **planned)[2:]]
    standin.fault(Fault.BROKEN_PROCESSED)
    outcomes = send(channel, messages)
    assert outcomes == [Uncertain("http_503")] * 2 + [Uncertain("planned_together")] * 2
    question = Question(
        handover_id=HANDOVER,
        wave_id=5,
        addresses={each.delivery_id: each.to for each in messages},
        intended_at=now,
        asked_at=now + timedelta(minutes=15),
        request_id=name,
        send_at=planned["send_at"],
    )
    assert {each.finding for each in channel.look_up([question])} == {Finding.CANCELLED}
    [fresh] = channel.reserve(1)
    again = [replace(each, request_id=fresh) for each in messages]
    assert {type(each) for each in send(channel, again)} == {Accepted}
    played.now = lambda: planned["send_at"]
    assert sorted(each.delivery_id for each in played.taken()) == ["5-0-1", "5-0-2", "5-0-3", "5-0-4"]
