"""Messages as Slack gets them, and those it never gets."""

from __future__ import annotations

import time

import pytest
from slack_sdk.signature import Clock, SignatureVerifier

from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.messages import CardBody, OutgoingMessage
from pushpull.ledger.outcomes import Accepted, ChannelStopped, NotSent, Outcome, Rejected, Uncertain
from tests.channels.letters import BODIES, HANDOVER
from tests.channels.slack.senders import (
    ADA,
    BLOCKS,
    NOW,
    a_card,
    a_channel,
    a_direct_message,
    address,
    methods,
    sent,
)
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.slack import SIGNING_SECRET


def test_a_person_gets_a_direct_message(standin: StandIn) -> None:
    [outcome] = sent(a_channel(standin), a_direct_message())
    [taken] = standin.providers["slack"].taken()
    assert outcome == Accepted(provider_id=taken.provider_id)
    assert (taken.to, taken.delivery_id, taken.handover_id) == (ADA, "5-0-17", HANDOVER.hex)
    assert methods(standin) == ["conversations.open", "chat.postMessage"]
    assert standin.requests()[-1].json() == {
        "channel": "D0ADA",
        "text": "Two minutes",
        "blocks": BLOCKS,
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {
            "event_type": "pushpull_delivery",
            "event_payload": {"delivery": "5-0-17", "handover": HANDOVER.hex},
        },
    }
    assert not standin.violations


def test_a_conversation_is_opened_once(standin: StandIn) -> None:
    channel = a_channel(standin)
    sent(channel, a_direct_message())
    sent(channel, a_direct_message(delivery="5-1-17"))
    assert methods(standin) == ["conversations.open", "chat.postMessage", "chat.postMessage"]


def test_a_conversation_that_is_gone_is_opened_anew_at_the_next_attempt(standin: StandIn) -> None:
    channel, slack = a_channel(standin), standin.providers["slack"]
    sent(channel, a_direct_message())
    slack.gone.add("D0ADA")
    assert sent(channel, a_direct_message(delivery="6-0-17")) == [NotSent("conversation_gone")]
    assert isinstance(sent(channel, a_direct_message(delivery="6-0-17"))[0], Accepted)
    assert [taken.delivery_id for taken in slack.taken()] == ["5-0-17", "6-0-17"]


def test_fifty_messages_keep_their_order(standin: StandIn) -> None:
    messages = [a_direct_message(f"U{number:04}", delivery=f"5-0-{number}") for number in range(50)]
    outcomes = sent(a_channel(standin), *messages)
    by_person = {taken.to: taken.provider_id for taken in standin.providers["slack"].taken()}
    assert outcomes == [Accepted(by_person[message.to]) for message in messages]
    assert not standin.violations


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        (a_direct_message("ada@example.org"), Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)),
        (a_direct_message(""), Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)),
        (a_direct_message("U0ADA,U0EVE"), Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)),
        (a_direct_message("C0LEARNING"), Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)),
        (a_direct_message("U0ADA\n"), Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)),
        (a_direct_message(body=BODIES[Channel.EMAIL]), Rejected("body_of_another_channel")),
        (a_direct_message(body=CardBody("{", "x")), Rejected("invalid_json")),
        (a_direct_message(body=CardBody("[]", "x")), Rejected("invalid_json")),
        (a_direct_message(body=CardBody('{"type":"AdaptiveCard"}', "x")), Rejected("invalid_json")),
        (a_direct_message(body=CardBody('{"blocks":"\ud83d"}', "x")), Rejected("invalid_json")),
    ],
)
def test_what_slack_would_never_take_is_not_sent_there(
    standin: StandIn, message: OutgoingMessage, outcome: Outcome
) -> None:
    assert sent(a_channel(standin), message) == [outcome]
    assert not standin.requests()


def test_half_a_character_in_the_summary_is_refused_here(standin: StandIn) -> None:
    message = a_direct_message(body=a_card(summary="half a pair \ud83d"))
    assert sent(a_channel(standin), message) == [Rejected("not_unicode")]
    assert not standin.providers["slack"].taken()


@pytest.mark.parametrize(
    "fault",
    [
        Fault.BROKEN_UNPROCESSED,
        Fault.BROKEN_PROCESSED,
        Fault.HANG_PROCESSED,
        Fault.RESET_PROCESSED,
        Fault.CLOSED_PROCESSED,
        Fault.GARBAGE_BODY,
        Fault.TRUNCATED_BODY,
        Fault.DRIP_HEADERS,
        Fault.DRIP_BODY,
        Fault.THROTTLED_SECONDS,
        Fault.REDIRECT,
    ],
)
def test_while_the_conversation_is_opened_nothing_of_the_message_has_left(standin: StandIn, fault: Fault) -> None:
    standin.fault(fault, path="conversations.open", seconds=0.5)
    [outcome] = sent(a_channel(standin), a_direct_message(), seconds=0.3)
    assert isinstance(outcome, NotSent)
    assert "chat.postMessage" not in methods(standin)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("user_not_found", Rejected("user_not_found", SuppressionReason.INVALID_ADDRESS)),
        ("user_disabled", Rejected("user_disabled", SuppressionReason.INVALID_ADDRESS)),
        ("cannot_dm_bot", Rejected("cannot_dm_bot", SuppressionReason.INVALID_ADDRESS)),
        ("user_not_visible", Rejected("user_not_visible")),
        ("method_not_supported", Rejected("slack_method_not_supported")),
        ("internal_error", NotSent("internal_error")),
        ("fatal_error", NotSent("fatal_error")),
    ],
)
def test_a_conversation_that_cannot_be_opened(standin: StandIn, error: str, outcome: Outcome) -> None:
    standin.providers["slack"].open_errors[ADA] = error
    assert sent(a_channel(standin), a_direct_message()) == [outcome]


def test_after_the_channel_stopped_the_rest_is_not_tried(standin: StandIn) -> None:
    standin.providers["slack"].errors["U0001"] = "token_revoked"
    messages = [a_direct_message(f"U{number:04}", delivery=f"5-0-{number}") for number in range(40)]
    with pytest.raises(ChannelStopped, match="Install the app") as stopped:
        sent(a_channel(standin), *messages)
    accepted = [each for each in stopped.value.outcomes if isinstance(each, Accepted)]
    assert len(stopped.value.outcomes) == 40
    assert len(accepted) == len(standin.providers["slack"].taken()) < 20
    assert stopped.value.outcomes[-1] == NotSent("channel_stopped")


def test_recognition_is_posted_where_everybody_sees_it(standin: StandIn) -> None:
    deadline = time.monotonic() + 5
    outcome = a_channel(standin).post_to_channel("C0LEARNING", a_card(), reference="week-9", deadline=deadline)
    [taken] = standin.providers["slack"].taken()
    assert (outcome, taken.to) == (Accepted(taken.provider_id), "C0LEARNING")
    assert standin.requests()[-1].json()["metadata"]["event_payload"] == {"reference": "week-9"}
    assert not standin.violations


@pytest.mark.parametrize(
    ("place", "error", "outcome"),
    [
        ("C0UNKNOWN", "", Rejected("channel_not_found")),
        ("C0LEARNING", "not_in_channel", Rejected("not_in_channel")),
        ("C0LEARNING", "is_archived", Rejected("is_archived")),
        ("#learning", "", Rejected("invalid_channel")),
        (ADA, "", Rejected("invalid_channel")),
    ],
)
def test_a_channel_that_cannot_be_posted_to(standin: StandIn, place: str, error: str, outcome: Outcome) -> None:
    if error:
        standin.providers["slack"].errors[place] = error
    deadline = time.monotonic() + 5
    assert a_channel(standin).post_to_channel(place, a_card(), reference="week-9", deadline=deadline) == outcome


def test_a_post_without_an_answer(standin: StandIn) -> None:
    standin.fault(Fault.HANG_PROCESSED, seconds=1)
    channel = a_channel(standin)
    deadline = time.monotonic() + 0.3
    assert channel.post_to_channel("C0LEARNING", a_card(), reference="x", deadline=deadline) == Uncertain(
        "read_timeout"
    )
    assert channel.post_to_channel("C0LEARNING", CardBody("{", ""), reference="x", deadline=deadline) == Rejected(
        "invalid_json"
    )


def test_the_address_of_the_api_may_end_with_a_stroke_or_not(standin: StandIn) -> None:
    for base_url in (address(standin), address(standin).rstrip("/")):
        assert isinstance(sent(a_channel(standin, base_url=base_url), a_direct_message())[0], Accepted)


def test_a_handover_at_slacks_rate_ends_within_its_deadline(standin: StandIn) -> None:
    assert [a_channel(standin, per_second=rate).limits.batch_size for rate in (0.05, 1.0, 50.0, None)] == [
        1, 10, 200, 200,
    ]  # fmt: skip


def test_events_come_signed_as_slack_signs_them(standin: StandIn) -> None:
    class Then(Clock):  # type: ignore[misc]
        def now(self) -> float:
            return NOW.timestamp()

    slack = standin.providers["slack"]
    slack.now = lambda: NOW
    slack.reply(ADA, "stop", "https://learn.example/callbacks/slack")
    [owed] = slack.owed()
    assert SignatureVerifier(SIGNING_SECRET, Then()).is_valid_request(owed.body, dict(owed.headers))
