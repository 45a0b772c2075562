"""What Twilio can tell afterwards, and what that proves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from channels.sms import SmsChannel
from pushpull.ledger.messages import SmsBody
from pushpull.ledger.outcomes import Evidence, Finding, Question
from tests.channels.letters import HANDOVER, a_question
from tests.channels.sms.senders import NOW, NUMBER, a_channel, a_text, an_account, link_of, sent
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.twilio import Twilio

OTHER_NUMBER = "+4915187654321"


@pytest.fixture
def twilio(standin: StandIn) -> Twilio:
    """Twilio at the time the questions are about."""
    twilio: Twilio = standin.providers["twilio"]
    twilio.now = lambda: NOW
    return twilio


def found(standin: StandIn, *questions: Question) -> dict[str, Finding]:
    evidence = a_channel(standin).look_up(questions)
    assert not standin.violations
    return {each.delivery_id: each.finding for each in evidence}


def test_a_message_with_the_link_of_the_delivery_was_taken(standin: StandIn, twilio: Twilio) -> None:
    channel = a_channel(standin)
    sent(channel, a_text())
    sid = twilio.taken()[0].provider_id
    assert channel.look_up([a_question(HANDOVER, "5-0-17", to=NUMBER)]) == [
        Evidence("5-0-17", HANDOVER.hex, Finding.ACCEPTED, sid)
    ]


def test_no_message_to_the_number_proves_that_none_was_taken(standin: StandIn, twilio: Twilio) -> None:
    assert found(standin, a_question(HANDOVER, "5-0-17", to=NUMBER)) == {"5-0-17": Finding.ABSENT}


def test_messages_of_other_deliveries_prove_nothing_against_it(standin: StandIn, twilio: Twilio) -> None:
    sent(a_channel(standin), a_text(delivery="4-0-17"), a_text(delivery="5-1-17"), a_text(OTHER_NUMBER))
    assert found(standin, a_question(HANDOVER, "5-0-17", to=NUMBER)) == {"5-0-17": Finding.ABSENT}


@pytest.mark.parametrize(
    "text",
    [
        "A word from the help desk: call us",
        "An offer: https://learn.example/l/AAAABBBBCCCCDDDDEEEEFFFFGGGGHHHH",
        "https://learn.example/u/" + link_of("5-0-17").rsplit("/", 1)[1][:-1],
    ],
)
def test_a_message_nobody_can_place_proves_nothing(standin: StandIn, twilio: Twilio, text: str) -> None:
    sent(a_channel(standin), a_text(text=text))
    assert found(standin, a_question(HANDOVER, "5-0-17", to=NUMBER)) == {}


def test_what_other_applications_of_the_account_write_is_not_it(standin: StandIn, twilio: Twilio) -> None:
    twilio.write(NUMBER, "Your code is 123456", service="MG" + "9" * 32)
    assert found(standin, a_question(HANDOVER, "5-0-17", to=NUMBER)) == {"5-0-17": Finding.ABSENT}
    # Under the messaging service we had before, for all we know.
    twilio.write(NUMBER, f"Hello Ada: {link_of('5-0-17')}", service="MG" + "9" * 32)
    assert found(standin, a_question(HANDOVER, "5-0-17", to=NUMBER)) == {"5-0-17": Finding.ACCEPTED}


def test_texts_that_twilio_does_not_keep_prove_nothing(standin: StandIn, twilio: Twilio) -> None:
    sent(a_channel(standin), a_text())
    twilio.keeps_text = False
    assert found(standin, a_question(HANDOVER, "5-0-17", to=NUMBER)) == {}


@pytest.mark.parametrize(("minutes", "finding"), [(-6, Finding.ABSENT), (-4, Finding.ACCEPTED), (9, Finding.ACCEPTED)])
def test_a_message_counts_from_the_intent_on_give_or_take_the_clocks(
    standin: StandIn, twilio: Twilio, minutes: int, finding: Finding
) -> None:
    twilio.now = lambda: NOW + timedelta(minutes=minutes)
    sent(a_channel(standin), a_text())
    assert found(standin, a_question(HANDOVER, "5-0-17", to=NUMBER)) == {"5-0-17": finding}


def test_a_message_that_still_waits_in_the_queue_is_found(standin: StandIn, twilio: Twilio) -> None:
    twilio.is_queue_stuck = True
    sent(a_channel(standin), a_text())
    assert found(standin, a_question(HANDOVER, "5-0-17", to=NUMBER)) == {"5-0-17": Finding.ACCEPTED}


def test_what_shows_up_late_is_absent_until_then(standin: StandIn, twilio: Twilio) -> None:
    twilio.show_late(look_ups=1)
    sent(a_channel(standin), a_text())
    question = a_question(HANDOVER, "5-0-17", to=NUMBER)
    # Which is why the ledger believes an absence only after the settle window.
    assert [found(standin, question)["5-0-17"] for _ in range(2)] == [Finding.ABSENT, Finding.ACCEPTED]


def test_a_long_list_is_read_to_its_end(standin: StandIn, twilio: Twilio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.sms.lookup._PAGE_SIZE", 5)
    sent(a_channel(standin), *[a_text(delivery=f"4-{number}-17") for number in range(22)])
    questions = [a_question(HANDOVER, f"4-{number}-17", to=NUMBER) for number in (0, 21, 22)]
    assert found(standin, *questions) == {
        "4-0-17": Finding.ACCEPTED,
        "4-21-17": Finding.ACCEPTED,
        "4-22-17": Finding.ABSENT,
    }
    assert len([request for request in standin.requests() if request.method == "GET"]) == 5


def test_a_list_without_end_proves_nothing(standin: StandIn, twilio: Twilio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.sms.lookup._PAGE_SIZE", 2)
    sent(a_channel(standin), *[a_text(delivery=f"4-{number}-17") for number in range(22)])
    assert found(standin, a_question(HANDOVER, "5-0-17", to=NUMBER)) == {}


def test_each_number_is_asked_about_once(standin: StandIn, twilio: Twilio) -> None:
    sent(a_channel(standin), a_text(), a_text(OTHER_NUMBER, delivery="5-0-18"))
    standin.forget()
    twilio.now = lambda: NOW
    found(
        standin,
        a_question(HANDOVER, "5-0-17", "5-0-19", to=NUMBER),
        a_question(HANDOVER, "5-1-17", to=NUMBER),
        a_question(HANDOVER, "5-0-18", to=OTHER_NUMBER),
    )
    assert len(standin.requests()) == 2


def test_a_number_that_may_have_changed_is_not_asked_about(standin: StandIn, twilio: Twilio) -> None:
    assert found(standin, a_question(HANDOVER, "5-0-17", to=None)) == {}
    assert not standin.requests()


@pytest.mark.parametrize(
    "fault",
    [
        Fault.THROTTLED_SECONDS, Fault.UNAUTHORIZED, Fault.BROKEN_UNPROCESSED, Fault.REDIRECT, Fault.RESET_UNPROCESSED,
        Fault.CLOSED_UNPROCESSED, Fault.GARBAGE_STATUS, Fault.TRUNCATED_BODY, Fault.GARBAGE_BODY, Fault.HUGE_BODY,
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_trusted_proves_nothing(standin: StandIn, twilio: Twilio, fault: Fault) -> None:
    standin.fault(fault)
    assert found(standin, a_question(HANDOVER, "5-0-17", to=NUMBER)) == {}


def test_one_bad_answer_leaves_the_other_numbers_alone(standin: StandIn, twilio: Twilio) -> None:
    standin.fault(Fault.BROKEN_UNPROCESSED)
    questions = [a_question(HANDOVER, "5-0-17", to=NUMBER), a_question(HANDOVER, "5-0-18", to=OTHER_NUMBER)]
    assert found(standin, *questions) == {"5-0-18": Finding.ABSENT}


def test_without_a_way_to_read_links_nothing_can_be_looked_up(standin: StandIn) -> None:
    channel = SmsChannel(an_account(standin.url("twilio")), clock=lambda: NOW)
    assert not channel.can_look_up
    assert channel.look_up([a_question(HANDOVER, "5-0-17", to=NUMBER)]) == []
    assert not standin.requests()


def test_an_expired_link_is_as_good_a_witness(standin: StandIn, twilio: Twilio) -> None:
    message = a_text()
    assert isinstance(message.body, SmsBody)
    sent(a_channel(standin), message)
    late = a_question(HANDOVER, "5-0-17", to=NUMBER, asked_after=timedelta(days=400))
    assert found(standin, late) == {"5-0-17": Finding.ACCEPTED}
