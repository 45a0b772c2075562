"""Text messages as Twilio gets them, and those it never gets."""

from __future__ import annotations

import time
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from twilio.request_validator import RequestValidator

from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.messages import OutgoingMessage
from pushpull.ledger.outcomes import Accepted, ChannelStopped, NotSent, Outcome, Rejected
from tests.channels.letters import BODIES, HANDOVER
from tests.channels.sms.senders import CALLBACK, NUMBER, a_channel, a_text, fields_of, sent
from tests.standin.engine import StandIn
from tests.standin.twilio import SERVICE_SID


def test_a_message_arrives_with_all_that_twilio_must_know(standin: StandIn) -> None:
    [outcome] = sent(a_channel(standin), a_text(text="Grüße & 2 Minuten: 50 % +1 €", valid_for=timedelta(minutes=90)))
    [taken] = standin.providers["twilio"].taken()
    assert outcome == Accepted(provider_id=taken.provider_id)
    assert fields_of(standin) == {
        "To": NUMBER,
        "StatusCallback": f"{CALLBACK}/5-0-17/{HANDOVER.hex}",
        "ValidityPeriod": fields_of(standin)["ValidityPeriod"],
        "SmartEncoded": "false",
        "MessagingServiceSid": SERVICE_SID,
        "Body": "Grüße & 2 Minuten: 50 % +1 €",
    }
    assert (taken.delivery_id, taken.handover_id) == ("5-0-17", HANDOVER.hex)
    assert not standin.violations


def test_a_hundred_messages_keep_their_order(standin: StandIn) -> None:
    texts = [a_text(f"+49151{number:08}", delivery=f"5-0-{number}") for number in range(100)]
    outcomes = sent(a_channel(standin), *texts)
    by_number = {taken.to: taken for taken in standin.providers["twilio"].taken()}
    assert [each.provider_id for each in outcomes if isinstance(each, Accepted)] == [
        by_number[text.to].provider_id for text in texts
    ]
    assert not standin.violations


@pytest.mark.parametrize(
    ("valid_for", "seconds"),
    [
        (timedelta(hours=30), 36_000),
        (timedelta(hours=10), 36_000),
        (timedelta(seconds=100.9), 100),
        (timedelta(seconds=7.9), 7),
    ],
)
def test_a_message_waits_at_twilio_only_while_it_is_worth_delivering(
    standin: StandIn, valid_for: timedelta, seconds: int
) -> None:
    sent(a_channel(standin), a_text(valid_for=valid_for))
    assert seconds - 1 <= int(fields_of(standin)["ValidityPeriod"]) <= seconds


def test_waiting_for_a_slot_shortens_the_time_at_twilio(standin: StandIn) -> None:
    start = time.monotonic()
    a_channel(standin).send([a_text(valid_for=timedelta(seconds=60))], deadline=start + 9, not_before=[start + 1.1])
    assert fields_of(standin)["ValidityPeriod"] == "58"


def test_a_message_without_an_end_says_none(standin: StandIn) -> None:
    sent(a_channel(standin), a_text())
    assert "ValidityPeriod" not in fields_of(standin)


@pytest.mark.parametrize("seconds", [5.9, 3, 0, -60])
def test_a_message_that_would_come_too_late_stays_here(standin: StandIn, seconds: float) -> None:
    assert sent(a_channel(standin), a_text(valid_for=timedelta(seconds=seconds))) == [NotSent("expired")]
    assert not standin.requests()


def test_without_a_public_address_no_reports_are_asked_for(standin: StandIn) -> None:
    sent(a_channel(standin, callback_url=""), a_text())
    assert "StatusCallback" not in fields_of(standin)
    assert not standin.violations


def test_sixteen_hundred_characters_are_the_most(standin: StandIn) -> None:
    outcomes = sent(a_channel(standin), a_text(text="ä" * 1600), a_text(text="ä" * 1601))
    assert [type(each) for each in outcomes] == [Accepted, Rejected]
    assert [taken.content["text"] for taken in standin.providers["twilio"].taken()] == ["ä" * 1600]


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        (a_text("015112345678"), Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)),
        (a_text(""), Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)),
        (a_text("+491511234567890123"), Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)),
        (a_text("+4915112345678&From=x"), Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)),
        (a_text("whatsapp:+4915112345678"), Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)),
        (a_text("+٤٩١٥١١٢٣٤٥٦٧٨"), Rejected("invalid_address", SuppressionReason.INVALID_ADDRESS)),
        (a_text(text="x" * 5000), Rejected("too_long")),
        (a_text(text="half a pair \ud83d"), Rejected("not_unicode")),
        (a_text(body=BODIES[Channel.EMAIL]), Rejected("body_of_another_channel")),
    ],
    ids=lambda value: value.reason if isinstance(value, Rejected) else "",
)
def test_what_twilio_would_never_take_is_not_sent_there(
    standin: StandIn, message: OutgoingMessage, outcome: Outcome
) -> None:
    assert sent(a_channel(standin), message) == [outcome]
    assert not standin.requests()


def test_hostile_text_stays_text(standin: StandIn) -> None:
    text = "&To=%2B19005550100&Body=x\r\nStatusCallback=evil\x00 <b>{{7*7}}</b> \u202e"
    sent(a_channel(standin), a_text(text=text))
    assert (fields_of(standin)["Body"], fields_of(standin)["To"]) == (text, NUMBER)


def test_after_the_channel_stopped_the_rest_is_not_tried(standin: StandIn) -> None:
    standin.providers["twilio"].errors["+4915100000001"] = (400, 21408)
    texts = [a_text(f"+49151{number:08}", delivery=f"5-0-{number}") for number in range(50)]
    with pytest.raises(ChannelStopped, match="Geo permissions") as stopped:
        sent(a_channel(standin), *texts)
    accepted = [each for each in stopped.value.outcomes if isinstance(each, Accepted)]
    assert len(stopped.value.outcomes) == 50
    assert len(accepted) == len(standin.providers["twilio"].taken()) < 30
    assert stopped.value.outcomes[1] == stopped.value.outcomes[-1] == NotSent("channel_stopped")


def test_nothing_personal_is_in_what_stops_a_channel(standin: StandIn) -> None:
    standin.providers["twilio"].errors[NUMBER] = (403, 20003)
    with pytest.raises(ChannelStopped) as stopped:
        sent(a_channel(standin), a_text())
    assert NUMBER not in str(stopped.value)
    assert "auth token" in str(stopped.value)


def test_a_handover_at_the_rate_of_a_long_code_ends_within_its_deadline(standin: StandIn) -> None:
    assert [a_channel(standin, per_second=rate).limits.batch_size for rate in (0.05, 1.0, 12.5, 100.0, None)] == [
        1, 10, 125, 200, 200,
    ]  # fmt: skip


def test_reports_and_replies_come_signed_as_twilio_signs_them(standin: StandIn) -> None:
    twilio = standin.providers["twilio"]
    twilio.undelivered["+4915100000001"] = 30003
    sent(a_channel(standin), a_text(), a_text("+4915100000001", delivery="5-0-18"))
    twilio.reply(NUMBER, "STOP", f"{CALLBACK}/inbound")
    owed = twilio.owed()
    forms = [dict(parse_qsl(callback.body.decode())) for callback in owed]
    assert sorted(form.get("MessageStatus", form.get("OptOutType", "")) for form in forms) == [
        "STOP", "delivered", "queued", "queued", "sent", "sent", "undelivered",
    ]  # fmt: skip
    validator = RequestValidator("stand-in")
    for callback, form in zip(owed, forms, strict=True):
        assert validator.validate(callback.url, form, callback.headers["X-Twilio-Signature"])


def test_twilio_itself_obeys_stop_and_start(standin: StandIn) -> None:
    channel, twilio = a_channel(standin), standin.providers["twilio"]
    twilio.reply(NUMBER, " Stop ", f"{CALLBACK}/inbound")
    assert sent(channel, a_text()) == [Rejected("opted_out", SuppressionReason.STOPPED)]
    twilio.reply(NUMBER, "start", f"{CALLBACK}/inbound")
    assert isinstance(sent(channel, a_text())[0], Accepted)
