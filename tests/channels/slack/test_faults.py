"""What each thing that can go wrong on the way to Slack means for the message, once its conversation is open."""

from __future__ import annotations

import time

import pytest

from channels.slack import SlackChannel
from pushpull.ledger.outcomes import ChannelStopped, NotSent
from tests.channels.faults import ACCEPTED, AT_ANY_PROVIDER, NEVER_ENDING, NOT_SENT, STOPPED, UNCERTAIN, name_of
from tests.channels.slack.senders import a_channel, a_direct_message, address, sent
from tests.standin.engine import StandIn
from tests.standin.faults import Fault

OUTCOMES = {
    **AT_ANY_PROVIDER,
    # The status came, but Slack says in the body whether it took the message.
    Fault.DRIP_BODY: (UNCERTAIN, "unreadable_answer"),
    Fault.TRUNCATED_BODY: (UNCERTAIN, "unreadable_answer"),
    Fault.GARBAGE_BODY: (UNCERTAIN, "unreadable_answer"),
    Fault.HUGE_BODY: (ACCEPTED, ""),
    Fault.STALE_CONNECTION: (ACCEPTED, ""),
}


def named(channel: SlackChannel, seconds: float, delivery: str = "5-0-17") -> tuple[str, str]:
    try:
        [outcome] = sent(channel, a_direct_message(delivery=delivery), seconds=seconds)
    except ChannelStopped:
        return STOPPED, ""
    return name_of(outcome)


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_has_one_outcome_and_the_next_message_goes_through(standin: StandIn, fault: Fault) -> None:
    channel, slack = a_channel(standin), standin.providers["slack"]
    sent(channel, a_direct_message(delivery="4-0-17"))
    standin.fault(fault, path="chat.postMessage", seconds=1.0)
    outcome = named(channel, 0.4 if fault in NEVER_ENDING else 5.0)
    assert outcome == OUTCOMES[fault]
    processed = [taken.delivery_id for taken in slack.taken()].count("5-0-17")
    if outcome[0] in (NOT_SENT, STOPPED):
        assert not processed
    if outcome[0] == ACCEPTED:
        assert processed == 1
    if fault is Fault.STALE_CONNECTION:
        time.sleep(0.1)  # the end of the connection is on its way; overtaking it would be an unknown outcome
    assert named(channel, 5.0, "6-0-17") == (ACCEPTED, "")
    assert not standin.violations


def test_every_fault_has_a_line_in_the_table() -> None:
    assert set(OUTCOMES) == set(Fault)


def test_what_never_left_was_not_sent(standin: StandIn) -> None:
    def outcome_at(base_url: str, seconds: float = 5.0) -> tuple[str, str]:
        return named(a_channel(standin, base_url=base_url), seconds)

    assert outcome_at(standin.refusing_url("slack")) == (NOT_SENT, "connection_refused")
    assert outcome_at(standin.tls_at_plain_url("slack")) == (NOT_SENT, "tls_failed")
    assert outcome_at(standin.tls_url("slack")) == (NOT_SENT, "tls_failed")  # a certificate nobody trusts
    assert outcome_at("http://no-such-host.invalid") == (NOT_SENT, "name_not_found")
    assert outcome_at(address(standin), 0.0) == (NOT_SENT, "deadline_passed")
    assert not standin.requests()


def test_when_slack_asks_to_slow_down_the_rest_of_the_handover_waits(standin: StandIn) -> None:
    standin.fault(Fault.THROTTLED_SECONDS, times=None, seconds=20)
    outcomes = sent(a_channel(standin), *[a_direct_message(delivery=f"5-0-{number}") for number in range(60)])
    assert {(type(each), each.reason) for each in outcomes} == {(NotSent, "throttled")}  # type: ignore[union-attr]
    assert len(standin.requests()) <= 8
