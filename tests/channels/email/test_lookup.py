"""What SendGrid can prove about a request nobody knows the outcome of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from channels.email import SendGridChannel
from channels.wire import NothingSent
from pushpull.ledger.outcomes import ChannelStopped, Evidence, Finding, Question
from tests.channels.email.mailing import HANDOVER, a_channel, a_mail, mails, requests_to, send, sendgrid
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.sendgrid import SendGrid

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
OTHER = UUID("99999999-2222-4333-8444-555555555555")


@pytest.fixture
def played(standin: StandIn) -> SendGrid:
    """A SendGrid whose clock says NOW."""
    chosen = sendgrid(standin)
    chosen.now = lambda: NOW
    return chosen


@pytest.fixture
def channel(standin: StandIn, played: SendGrid) -> SendGridChannel:
    return a_channel(standin, clock=lambda: NOW)


def a_question(
    *learners: int,
    addresses: Mapping[str, str | None] | None = None,
    after: timedelta = timedelta(minutes=20),
    send_at: datetime | None = None,
    request_id: str | None = None,
) -> Question:
    """About a handover that was about to be made at NOW."""
    return Question(
        handover_id=HANDOVER,
        wave_id=5,
        addresses=addresses or {f"5-0-{learner}": f"learner{learner}@example.org" for learner in learners},
        intended_at=NOW,
        asked_at=NOW + after,
        request_id=request_id,
        send_at=send_at,
    )


def findings(channel: SendGridChannel, *questions: Question) -> dict[str, Finding]:
    return {each.delivery_id: each.finding for each in channel.look_up(questions)}


def test_what_sendgrid_logged_was_accepted_and_what_it_did_not_is_absent(
    standin: StandIn, channel: SendGridChannel, played: SendGrid
) -> None:
    send(channel, [a_mail(1, to="Learner1@Example.org"), a_mail(2)])
    question = a_question(1, 2, 3)
    assert findings(channel, question) == {
        "5-0-1": Finding.ACCEPTED,
        "5-0-2": Finding.ACCEPTED,
        "5-0-3": Finding.ABSENT,
    }
    by_delivery = {each.delivery_id: each for each in channel.look_up([question])}
    assert by_delivery["5-0-1"].provider_id == played.mails()[0].name
    assert {each.handover_id for each in by_delivery.values()} == {HANDOVER.hex}
    assert not standin.violations


def test_mail_that_is_not_logged_yet_looks_absent_which_is_why_the_ledger_waits(
    channel: SendGridChannel, played: SendGrid
) -> None:
    send(channel, mails(1))
    played.log_lag = timedelta(minutes=5)
    assert findings(channel, a_question(1)) == {"5-0-1": Finding.ABSENT}
    played.now = lambda: NOW + timedelta(minutes=5)
    assert findings(channel, a_question(1)) == {"5-0-1": Finding.ACCEPTED}


def test_a_delivery_whose_address_is_unknown_stays_unknown(channel: SendGridChannel) -> None:
    send(channel, mails(1))
    asked = a_question(addresses={"5-0-1": None, "5-0-2": "no address", "5-0-3": "learner3@example.org"})
    assert findings(channel, asked) == {"5-0-3": Finding.ABSENT}
    assert channel.look_up([a_question(addresses={"5-0-1": None})]) == []


def test_mail_of_another_wave_or_of_an_earlier_time_counts_for_nothing(
    channel: SendGridChannel, played: SendGrid
) -> None:
    send(channel, [a_mail(1, delivery_id="6-0-1")])
    played.now = lambda: NOW - timedelta(hours=1)
    send(channel, [a_mail(1)])
    played.now = lambda: NOW
    assert findings(channel, a_question(1)) == {"5-0-1": Finding.ABSENT}


def test_the_mail_of_somebody_else_at_the_same_address_counts_for_nothing(channel: SendGridChannel) -> None:
    send(channel, [a_mail(2, to="team@example.org", handover_id=OTHER.hex)])
    asked = a_question(addresses={"5-0-1": "team@example.org"})
    assert findings(channel, asked) == {"5-0-1": Finding.ABSENT}


def test_of_two_people_at_one_address_the_mail_of_one_is_no_proof_for_the_other_in_a_large_handover(
    channel: SendGridChannel,
) -> None:
    """Two people at one address are never in one request: of the first, nothing was taken; the second's was."""
    send(channel, [a_mail(1002, to="team@example.org", handover_id=OTHER.hex)])
    asked = {f"5-0-{learner}": f"learner{learner}@example.org" for learner in range(1, 31)}
    question = a_question(addresses={**asked, "5-0-1001": "team@example.org"})
    found = findings(channel, replace(question, shared=frozenset({"5-0-1001"})))
    assert found["5-0-1001"] is Finding.ABSENT


def test_of_two_people_at_one_address_the_one_who_was_written_to_is_found(channel: SendGridChannel) -> None:
    send(channel, [a_mail(2, to="team@example.org")])
    asked = a_question(addresses={"5-0-1": "team@example.org", "5-0-2": "Team@example.org"})
    assert findings(channel, asked) == {"5-0-1": Finding.ABSENT, "5-0-2": Finding.ACCEPTED}


def test_the_same_delivery_by_another_handover_proves_nothing(channel: SendGridChannel) -> None:
    send(channel, [a_mail(1, handover_id=OTHER.hex)])
    assert findings(channel, a_question(1)) == {}


def test_where_messages_cannot_be_opened_the_address_decides_or_nothing_does(
    standin: StandIn, channel: SendGridChannel
) -> None:
    send(channel, [a_mail(1), a_mail(2, to="team@example.org")])
    standin.fault(Fault.BROKEN_UNPROCESSED, times=None, method="GET")
    asked = {"5-0-1": "learner1@example.org", "5-0-2": "team@example.org", "5-0-3": "team@example.org"}
    assert findings(channel, a_question(addresses=asked)) == {"5-0-1": Finding.ACCEPTED}


def test_a_wave_too_large_for_a_page_is_asked_about_by_recipient(
    standin: StandIn, channel: SendGridChannel, played: SendGrid
) -> None:
    send(channel, mails(1000))
    send(channel, [a_mail(1001, to="Learner1001@Example.org"), a_mail(1002, to="o'brien@example.org")])
    asked = {
        "5-0-7": "learner7@example.org",
        "5-0-1001": "Learner1001@Example.org",
        "5-0-1002": "o'brien@example.org",  # cannot be quoted safely
        "5-0-1003": "learner1003@example.org",
    }
    assert findings(channel, a_question(addresses=asked)) == {
        "5-0-7": Finding.ACCEPTED,
        "5-0-1001": Finding.ACCEPTED,
        "5-0-1003": Finding.ABSENT,
    }
    assert not standin.violations


def test_planned_mail_is_cancelled_for_good(standin: StandIn, channel: SendGridChannel, played: SendGrid) -> None:
    [name] = channel.reserve(1)
    at = NOW + timedelta(hours=2)
    send(channel, mails(3, send_at=at, request_id=name))
    asked = a_question(1, 2, 3, send_at=at, request_id=name)
    expected = dict.fromkeys(["5-0-1", "5-0-2", "5-0-3"], Finding.CANCELLED)
    assert findings(channel, asked) == expected
    assert findings(channel, asked) == expected, "a look-up whose answer was lost is made again"
    played.now = lambda: at
    assert not played.taken()
    assert not standin.violations


def test_a_batch_that_was_never_taken_is_cancelled_too_and_stays_so(channel: SendGridChannel, played: SendGrid) -> None:
    [name] = channel.reserve(1)
    at = NOW + timedelta(hours=2)
    assert findings(channel, a_question(1, send_at=at, request_id=name)) == {"5-0-1": Finding.CANCELLED}
    send(channel, mails(1, send_at=at, request_id=name))  # the request had only been slow
    played.now = lambda: at
    assert not played.taken()


def test_planned_mail_that_is_too_near_to_cancel_is_looked_for_once_it_was_sent(
    standin: StandIn, channel: SendGridChannel, played: SendGrid
) -> None:
    [name] = channel.reserve(1)
    at = NOW + timedelta(minutes=25)
    send(channel, mails(1, send_at=at, request_id=name))

    def asked(minutes: int) -> dict[str, Finding]:
        played.now = lambda: NOW + timedelta(minutes=minutes)
        question = a_question(1, 2, after=timedelta(minutes=minutes), send_at=at, request_id=name)
        return findings(channel, question)

    assert asked(16) == {}, "not logged yet, which proves nothing before its time"
    assert asked(26) == {"5-0-1": Finding.ACCEPTED}
    assert asked(41) == {"5-0-1": Finding.ACCEPTED, "5-0-2": Finding.ABSENT}
    assert not requests_to(standin, "/v3/user/scheduled_sends")


@pytest.mark.parametrize("fault", [each for each in Fault if each not in {Fault.STALE_CONNECTION, Fault.DRIP_BODY}])
def test_a_look_up_that_goes_wrong_leaves_everything_unknown(
    standin: StandIn, channel: SendGridChannel, fault: Fault
) -> None:
    send(channel, mails(1))
    standin.fault(fault, times=None, path="/v3/logs", seconds=0.5)
    channel._sdk.client.timeout = 0.3
    assert findings(channel, a_question(1, 2)) == {}


@pytest.mark.parametrize("fault", [Fault.BROKEN_UNPROCESSED, Fault.BROKEN_PROCESSED, Fault.RESET_PROCESSED])
def test_planned_mail_whose_cancelling_went_wrong_is_cancelled_the_next_time(
    standin: StandIn, channel: SendGridChannel, fault: Fault
) -> None:
    [name] = channel.reserve(1)
    asked = a_question(1, send_at=NOW + timedelta(hours=2), request_id=name)
    standin.fault(fault, path="scheduled_sends")
    assert findings(channel, asked) == {}
    assert findings(channel, asked) == {"5-0-1": Finding.CANCELLED}


def test_one_handover_that_cannot_be_asked_about_does_not_hide_another(
    standin: StandIn, channel: SendGridChannel
) -> None:
    send(channel, mails(1))
    standin.fault(Fault.BROKEN_UNPROCESSED, path="/v3/logs")
    assert findings(channel, a_question(2), a_question(1)) == {"5-0-1": Finding.ACCEPTED}


def test_an_account_without_logs_knows_nothing(channel: SendGridChannel, played: SendGrid) -> None:
    send(channel, mails(1))
    played.log_lag = None
    assert channel.look_up([a_question(1)]) == []


def test_a_look_up_ends_in_time(channel: SendGridChannel) -> None:
    assert channel._sdk  # the client goes by the real time
    ticks = iter(range(0, 100_000, 20))
    channel._monotonic = lambda: float(next(ticks))
    assert channel.look_up([a_question(1), a_question(2), a_question(3)]) == [
        Evidence("5-0-1", HANDOVER.hex, Finding.ABSENT)
    ]


def test_batch_ids_are_reserved_one_per_request(channel: SendGridChannel) -> None:
    assert len(set(channel.reserve(3))) == 3


def test_no_batch_id_means_that_nothing_was_sent(standin: StandIn, channel: SendGridChannel) -> None:
    for fault in (Fault.BROKEN_PROCESSED, Fault.THROTTLED_SECONDS, Fault.GARBAGE_BODY, Fault.TRUNCATED_BODY):
        standin.fault(fault)
        with pytest.raises(NothingSent):
            channel.reserve(1)
    standin.fault(Fault.UNAUTHORIZED)
    with pytest.raises(ChannelStopped, match="scope"):
        channel.reserve(1)
