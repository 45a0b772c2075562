"""What Slack can tell afterwards, and what that proves."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from pushpull.ledger.outcomes import Evidence, Finding, Question
from tests.channels.letters import HANDOVER, a_question
from tests.channels.slack.senders import ADA, NOW, a_channel, a_direct_message, methods, sent
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.slack import Slack


@pytest.fixture
def slack(standin: StandIn) -> Slack:
    """Slack at the time the questions are about."""
    slack: Slack = standin.providers["slack"]
    slack.now = lambda: NOW
    return slack


def found(standin: StandIn, *questions: Question) -> dict[str, Finding]:
    evidence = a_channel(standin).look_up(questions)
    assert not standin.violations
    return {each.delivery_id: each.finding for each in evidence}


def test_a_message_that_names_the_delivery_was_taken(standin: StandIn, slack: Slack) -> None:
    channel = a_channel(standin)
    sent(channel, a_direct_message())
    assert channel.look_up([a_question(HANDOVER, "5-0-17", to=ADA)]) == [
        Evidence("5-0-17", HANDOVER.hex, Finding.ACCEPTED, slack.taken()[0].provider_id)
    ]


def test_an_empty_conversation_proves_that_none_was_taken(standin: StandIn, slack: Slack) -> None:
    assert found(standin, a_question(HANDOVER, "5-0-17", to=ADA)) == {"5-0-17": Finding.ABSENT}


def test_what_people_write_and_what_other_deliveries_brought_is_not_it(standin: StandIn, slack: Slack) -> None:
    sent(a_channel(standin), a_direct_message(delivery="4-0-17"), a_direct_message("U0EVE"))
    slack.says(ADA, "thanks! 5-0-17")
    assert found(standin, a_question(HANDOVER, "5-0-17", to=ADA)) == {"5-0-17": Finding.ABSENT}


def test_a_message_of_the_app_nobody_can_place_proves_nothing(standin: StandIn, slack: Slack) -> None:
    slack.says(ADA, "Two minutes", as_app=True)
    assert found(standin, a_question(HANDOVER, "5-0-17", to=ADA)) == {}


def test_withheld_metadata_proves_nothing(standin: StandIn, slack: Slack) -> None:
    sent(a_channel(standin), a_direct_message())
    slack.keeps_metadata = False
    assert found(standin, a_question(HANDOVER, "5-0-17", to=ADA)) == {}


@pytest.mark.parametrize(("minutes", "finding"), [(-3, Finding.ABSENT), (-1, Finding.ACCEPTED), (9, Finding.ACCEPTED)])
def test_a_message_counts_from_the_intent_on_give_or_take_the_clocks(
    standin: StandIn, slack: Slack, minutes: int, finding: Finding
) -> None:
    slack.now = lambda: NOW + timedelta(minutes=minutes)
    sent(a_channel(standin), a_direct_message())
    assert found(standin, a_question(HANDOVER, "5-0-17", to=ADA)) == {"5-0-17": finding}


def test_what_shows_up_late_is_absent_until_then(standin: StandIn, slack: Slack) -> None:
    slack.show_late(look_ups=1)
    sent(a_channel(standin), a_direct_message())
    question = a_question(HANDOVER, "5-0-17", to=ADA)
    # Which is why the ledger believes an absence only after the settle window.
    assert [found(standin, question)["5-0-17"] for _ in range(2)] == [Finding.ABSENT, Finding.ACCEPTED]


def test_a_long_history_is_read_to_its_end(standin: StandIn, slack: Slack) -> None:
    slack.most_per_page = 5
    sent(a_channel(standin), *[a_direct_message(delivery=f"4-{number}-17") for number in range(22)])
    questions = [a_question(uuid4(), f"4-{number}-17", to=ADA) for number in (0, 21, 22)]
    assert found(standin, *questions) == {
        "4-0-17": Finding.ACCEPTED,
        "4-21-17": Finding.ACCEPTED,
        "4-22-17": Finding.ABSENT,
    }
    assert methods(standin).count("conversations.history") == 5


def test_a_history_without_end_proves_nothing(standin: StandIn, slack: Slack) -> None:
    slack.most_per_page = 2
    sent(a_channel(standin), *[a_direct_message(delivery=f"4-{number}-17") for number in range(22)])
    assert found(standin, a_question(HANDOVER, "5-0-17", to=ADA)) == {}


def test_somebody_whose_address_may_have_changed_is_not_asked_about(standin: StandIn, slack: Slack) -> None:
    assert found(standin, a_question(HANDOVER, "5-0-17", to=None)) == {}
    assert not standin.requests()


@pytest.mark.parametrize(
    "fault",
    [
        Fault.UNAUTHORIZED, Fault.BROKEN_UNPROCESSED, Fault.REDIRECT, Fault.RESET_UNPROCESSED, Fault.CLOSED_UNPROCESSED,
        Fault.GARBAGE_STATUS, Fault.TRUNCATED_BODY, Fault.GARBAGE_BODY, Fault.HUGE_BODY,
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["conversations.open", "conversations.history"])
def test_an_answer_that_cannot_be_trusted_proves_nothing(
    standin: StandIn, slack: Slack, method: str, fault: Fault
) -> None:
    standin.fault(fault, path=method)
    questions = [a_question(HANDOVER, "5-0-17", to=ADA), a_question(HANDOVER, "5-0-18", to="U0EVE")]
    assert found(standin, *questions) == {"5-0-18": Finding.ABSENT}


def test_when_slack_wants_no_more_questions_none_is_asked(standin: StandIn, slack: Slack) -> None:
    standin.fault(Fault.THROTTLED_SECONDS, path="conversations.history")
    questions = [a_question(HANDOVER, f"5-0-{number}", to=f"U{number:04}") for number in range(10)]
    assert found(standin, *questions) == {}
    assert len(standin.requests()) == 2
