"""What each thing that can go wrong on the way to Twilio means for the message."""

from __future__ import annotations

import time

import pytest

from channels.sms import SmsChannel
from pushpull.ledger.outcomes import ChannelStopped, NotSent
from tests.channels.faults import ACCEPTED, AT_ANY_PROVIDER, NEVER_ENDING, NOT_SENT, STOPPED, name_of
from tests.channels.sms.senders import a_channel, a_text, sent
from tests.standin.engine import StandIn
from tests.standin.faults import Fault

OUTCOMES = {
    **AT_ANY_PROVIDER,
    # The status came: Twilio took it, whatever became of the rest.
    Fault.DRIP_BODY: (ACCEPTED, ""),
    Fault.TRUNCATED_BODY: (ACCEPTED, ""),
    Fault.GARBAGE_BODY: (ACCEPTED, ""),
    Fault.HUGE_BODY: (ACCEPTED, ""),
    Fault.STALE_CONNECTION: (ACCEPTED, ""),
}


def named(channel: SmsChannel, seconds: float) -> tuple[str, str]:
    try:
        [outcome] = sent(channel, a_text(), seconds=seconds)
    except ChannelStopped:
        return STOPPED, ""
    return name_of(outcome)


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_has_one_outcome_and_the_next_message_goes_through(standin: StandIn, fault: Fault) -> None:
    channel, twilio = a_channel(standin), standin.providers["twilio"]
    standin.fault(fault, seconds=1.0)
    outcome = named(channel, 0.4 if fault in NEVER_ENDING else 5.0)
    assert outcome == OUTCOMES[fault]
    processed = len(twilio.taken())
    if outcome[0] in (NOT_SENT, STOPPED):
        assert not processed
    if outcome[0] == ACCEPTED:
        assert processed == 1
    if fault is Fault.STALE_CONNECTION:
        time.sleep(0.1)  # the end of the connection is on its way; overtaking it would be an unknown outcome
    assert named(channel, 5.0) == (ACCEPTED, "")
    assert not standin.violations


def test_every_fault_has_a_line_in_the_table() -> None:
    assert set(OUTCOMES) == set(Fault)


def test_what_never_left_was_not_sent(standin: StandIn) -> None:
    def outcome_at(base_url: str, seconds: float = 5.0) -> tuple[str, str]:
        return named(a_channel(standin, base_url=base_url), seconds)

    assert outcome_at(standin.refusing_url("twilio")) == (NOT_SENT, "connection_refused")
    assert outcome_at(standin.tls_at_plain_url("twilio")) == (NOT_SENT, "tls_failed")
    assert outcome_at(standin.tls_url("twilio")) == (NOT_SENT, "tls_failed")  # a certificate nobody trusts
    assert outcome_at("http://no-such-host.invalid") == (NOT_SENT, "name_not_found")
    assert outcome_at(standin.url("twilio"), 0.0) == (NOT_SENT, "deadline_passed")
    assert not standin.requests()


def test_when_twilio_asks_to_slow_down_the_rest_of_the_handover_waits(standin: StandIn) -> None:
    standin.fault(Fault.THROTTLED_SECONDS, times=None, seconds=20)
    outcomes = sent(a_channel(standin), *[a_text(delivery=f"5-0-{number}") for number in range(100)])
    assert {(type(each), each.reason) for each in outcomes} == {(NotSent, "throttled")}  # type: ignore[union-attr]
    assert len(standin.requests()) <= 16
