"""What SendGrid refuses, whom that concerns, and that the others get their mail all the same."""

from __future__ import annotations

import orjson
import pytest

from channels.email.refusals import read_refusal, stopping
from channels.wire import Answer
from pushpull.learners.vocabulary import SuppressionReason
from pushpull.ledger.messages import OutgoingMessage
from pushpull.ledger.outcomes import Accepted, ChannelStopped, NotSent, Rejected
from tests.channels.email.mailing import (
    a_body,
    a_channel,
    a_mail,
    addresses_taken,
    mails,
    own_bodies,
    requests_to,
    send,
    sendgrid,
    shared_body,
)
from tests.standin.engine import StandIn
from tests.standin.faults import Fault
from tests.standin.provider import Reply, Request

BAD_ADDRESS = Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)


def everybody_but(messages: list[OutgoingMessage], *numbers: int) -> list[str]:
    return sorted(each.to for number, each in enumerate(messages) if number not in numbers)


def test_the_recipient_a_refusal_names_is_rejected_and_the_others_are_sent(standin: StandIn) -> None:
    messages = mails(20)
    sendgrid(standin).refused_by_name = {messages[4].to, messages[17].to}
    outcomes = send(a_channel(standin), messages)
    assert [number for number, each in enumerate(outcomes) if each == BAD_ADDRESS] == [4, 17]
    assert sum(isinstance(each, Accepted) for each in outcomes) == 18
    assert addresses_taken(standin) == everybody_but(messages, 4, 17)


@pytest.mark.parametrize("bad", [(0,), (999,), (333,), (3, 500, 501)])
def test_a_recipient_refused_without_a_name_is_found_by_halves(standin: StandIn, bad: tuple[int, ...]) -> None:
    messages = mails(1000)
    sendgrid(standin).refused_silently = {messages[number].to for number in bad}
    outcomes = send(a_channel(standin), messages, seconds=30)
    assert [number for number, each in enumerate(outcomes) if each == Rejected("refused")] == list(bad)
    assert addresses_taken(standin) == everybody_but(messages, *bad)
    assert len(requests_to(standin)) < 25 * len(bad) + 5


def test_a_few_bad_recipients_alone_are_each_rejected(standin: StandIn) -> None:
    messages = mails(3)
    sendgrid(standin).refused_silently = {each.to for each in messages}
    assert set(send(a_channel(standin), messages)) == {Rejected("refused")}


def test_when_every_message_is_refused_without_a_reason_the_channel_stops_after_four_requests(standin: StandIn) -> None:
    sendgrid(standin).refused_field = ""
    with pytest.raises(ChannelStopped, match="refuses every recipient") as stopped:
        send(a_channel(standin), mails(1000))
    assert set(stopped.value.outcomes) == {NotSent("channel_stopped")}
    assert len(requests_to(standin)) == 4


def test_what_was_not_tried_when_the_deadline_came_was_not_sent(standin: StandIn) -> None:
    messages = mails(64)
    sendgrid(standin).refused_silently = {messages[20].to}
    standin.fault(Fault.HANG_UNPROCESSED, times=None, share=0.2, seed=3, seconds=2.0)
    outcomes = send(a_channel(standin), messages, seconds=0.5)
    taken = set(addresses_taken(standin))
    for message, outcome in zip(messages, outcomes, strict=True):
        if isinstance(outcome, NotSent | Rejected):
            assert message.to not in taken
        if isinstance(outcome, Accepted):
            assert message.to in taken
    assert any(outcome == NotSent("deadline_passed") for outcome in outcomes)


@pytest.mark.parametrize(
    "address",
    ["", "ada", "ada@", "@example.org", "a b@example.org", "ada@exa mple.org", "ada@example.org\r\nBcc: x@y.z"],
)
def test_an_obviously_bad_address_spoils_no_batch(standin: StandIn, address: str) -> None:
    outcomes = send(a_channel(standin), [*mails(2), a_mail(3, to=address), a_mail(4, to=address, body=a_body())])
    assert outcomes[2:] == [BAD_ADDRESS, BAD_ADDRESS]
    assert len(requests_to(standin)) == 1
    assert len(addresses_taken(standin)) == 2


def test_people_who_share_a_mailbox_are_written_to_in_different_requests(standin: StandIn) -> None:
    messages = [a_mail(1, to="Team@example.org"), a_mail(2, to="team@example.org"), a_mail(3)]
    outcomes = send(a_channel(standin), messages)
    assert {type(each) for each in outcomes} == {Accepted}
    assert [len(each["personalizations"]) for each in requests_to(standin)] == [2, 1]
    assert sorted(each.delivery_id for each in sendgrid(standin).taken()) == ["5-0-1", "5-0-2", "5-0-3"]


def test_a_request_that_is_too_large_is_split(standin: StandIn) -> None:
    sendgrid(standin).largest = 5_000
    outcomes = send(a_channel(standin), mails(100))
    assert {type(each) for each in outcomes} == {Accepted}
    assert len(addresses_taken(standin)) == 100


def test_one_message_that_is_too_large_is_rejected(standin: StandIn) -> None:
    sendgrid(standin).largest = 5_000
    long = a_mail(1, body=a_body(html="x" * 6_000))
    [outcome, other] = send(a_channel(standin), [long, a_mail(2, body=a_body())])
    assert outcome == Rejected("too_large")
    assert isinstance(other, Accepted)
    sendgrid(standin).largest = 100
    assert set(send(a_channel(standin), mails(3))) == {Rejected("too_large")}


def test_values_too_large_for_substitutions_travel_in_a_body_of_their_own(standin: StandIn) -> None:
    long = a_mail(2, body=shared_body(2, **{"[link]": "ä" * 9_000}))
    outcomes = send(a_channel(standin), [a_mail(1), long, a_mail(3)])
    assert {type(each) for each in outcomes} == {Accepted}
    assert sorted(len(each["personalizations"]) for each in requests_to(standin)) == [1, 2]
    [taken] = [each for each in sendgrid(standin).taken() if each.delivery_id == "5-0-2"]
    assert taken.content["text"] == "Hello Learner 2\n" + "ä" * 9_000 + "\n"
    assert not standin.violations


@pytest.mark.parametrize("write", [mails, own_bodies], ids=["one request for all", "a request each"])
def test_a_bad_key_stops_the_channel_and_loses_nothing(standin: StandIn, write: object) -> None:
    sendgrid(standin).keys = {"SG.other"}
    with pytest.raises(ChannelStopped, match="API key") as stopped:
        send(a_channel(standin), write(3))  # type: ignore[operator]
    assert set(stopped.value.outcomes) == {NotSent("channel_stopped")}


@pytest.mark.parametrize("write", [mails, own_bodies], ids=["one request for all", "a request each"])
def test_an_unverified_sender_stops_the_channel(standin: StandIn, write: object) -> None:
    sendgrid(standin).senders = {"other@example.org"}
    with pytest.raises(ChannelStopped, match="Sender Authentication"):
        send(a_channel(standin), write(3))  # type: ignore[operator]


def test_an_unsubscribe_group_that_is_gone_stops_the_channel(standin: StandIn) -> None:
    with pytest.raises(ChannelStopped, match="pushpull setup sendgrid"):
        send(a_channel(standin, groups={"learning": 7}), mails(3))


def test_a_key_that_is_revoked_half_way_keeps_what_went_before(standin: StandIn) -> None:
    messages = [a_mail(1, to="team@example.org"), a_mail(2, to="team@example.org")]
    standin.fault(Fault.GARBAGE_BODY)
    standin.fault(Fault.UNAUTHORIZED)
    with pytest.raises(ChannelStopped) as stopped:
        send(a_channel(standin), messages)
    first, second = stopped.value.outcomes
    assert isinstance(first, Accepted)
    assert second == NotSent("channel_stopped")


def test_a_message_tried_alone_and_taken_is_accepted_though_the_channel_stops_behind_it(standin: StandIn) -> None:
    messages = mails(20)
    sendgrid(standin).refused_silently = {messages[3].to}
    channel, played = a_channel(standin), sendgrid(standin)
    real, asked = played.answer, []

    def revoked_after_two(request: Request) -> Reply:
        asked.append(request)
        return real(request) if len(asked) <= 2 else played.unauthorized(request)

    played.answer = revoked_after_two  # type: ignore[method-assign]
    try:
        with pytest.raises(ChannelStopped) as stopped:
            send(channel, messages)
    finally:
        del played.answer  # type: ignore[method-assign]
    assert isinstance(stopped.value.outcomes[0], Accepted)
    assert set(stopped.value.outcomes[1:]) == {NotSent("channel_stopped")}
    assert addresses_taken(standin) == [messages[0].to]


def answer(status: int, *fields: object, message: str = "ada@example.org is no address") -> Answer:
    errors = [{"message": message, "field": each, "help": None} for each in fields]
    return Answer(status, {}, orjson.dumps({"errors": errors}))


@pytest.mark.parametrize(
    ("named", "outcome"),
    [
        ("personalizations.1.to.0.email", BAD_ADDRESS),
        ("personalizations[1].to[0].email", BAD_ADDRESS),
        ("personalizations.1.to", BAD_ADDRESS),
        ("personalizations.1.to.0.name", Rejected("refused:to")),
        ("personalizations.1.substitutions", Rejected("refused:substitutions")),
        ("personalizations.1.custom_args.x", Rejected("refused:custom_args")),
        ("personalizations.1.send_at", NotSent("send_at_refused")),
        ("personalizations.1", Rejected("refused:recipient")),
        ("personalizations.1.ada@example.org", Rejected("refused:recipient")),
    ],
)
def test_a_field_names_a_recipient(named: str, outcome: object) -> None:
    assert read_refusal(answer(400, named), 3).recipients == {1: outcome}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        b'{"errors": null}',
        b'{"errors": {"field": "from"}}',
        b'{"errors": [null, 3, {"field": 7}, {"field": null}, {"field": ""}, {"field": "null"}, {"field": "other"}]}',
        b'{"errors": [{"field": "personalizations"}, {"field": "personalizations.9.to"}]}',
        b'{"errors": [{"field": "personalizations.-1.to"}, {"field": "personalizations.99999999999.to"}]}',
        b"[" * 100_000,
    ],
)
def test_whatever_else_a_refusal_says_it_names_nobody(body: bytes) -> None:
    assert read_refusal(Answer(400, {}, body), 3).names_nobody


def test_a_refusal_of_what_all_share_is_everybodys() -> None:
    assert read_refusal(answer(400, "content.0.value"), 3).everybody == Rejected("refused:content")
    assert read_refusal(answer(400, "batch_id"), 3).everybody == NotSent("batch_refused")
    assert read_refusal(answer(400, "send_at"), 3).everybody == NotSent("send_at_refused")
    assert "Sender Authentication" in (read_refusal(answer(400, "from.email"), 3).stop or "")
    assert "tracking_settings" in (read_refusal(answer(400, "tracking_settings.x"), 3).stop or "")
    assert "Sender" in (read_refusal(answer(400, "personalizations.0.to", "from.email"), 3).stop or "")


def test_no_address_is_suppressed_because_sendgrid_finds_fault_with_all_of_a_large_request() -> None:
    named = [f"personalizations.{place}.to.0.email" for place in range(9)]
    assert read_refusal(answer(400, *named), 9).stop
    assert len(read_refusal(answer(400, *named), 10).recipients) == 9


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (401, "The provided authorization grant is invalid", "API key"),
        (401, "Maximum credits exceeded", "credits"),
        (403, "access forbidden", "scope"),
        (403, "The from address does not match a verified Sender Identity", "Sender Authentication"),
        (404, "not found", "PUSHPULL_SENDGRID_URL"),
        (405, "method not allowed", "PUSHPULL_SENDGRID_URL"),
    ],
)
def test_what_stops_the_channel_says_what_to_do(status: int, message: str, said: str) -> None:
    reason = stopping(answer(status, "null", message=message)) or ""
    assert said in reason
    assert "pushpull channel resume" in reason


@pytest.mark.parametrize("status", [200, 202, 400, 408, 413, 429, 500, 503])
def test_other_answers_stop_nothing(status: int) -> None:
    assert stopping(answer(status, "null")) is None
