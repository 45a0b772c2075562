"""What a request to SendGrid says, and that SendGrid's own objects would say the same."""

from __future__ import annotations

import dataclasses
import logging
import time
from datetime import UTC, datetime, timedelta
from logging.config import dictConfig
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from sendgrid.helpers.mail import (
    Asm,
    BatchId,
    Category,
    ClickTracking,
    Content,
    CustomArg,
    Email,
    Ganalytics,
    Header,
    Mail,
    OpenTracking,
    Personalization,
    ReplyTo,
    SendAt,
    SubscriptionTracking,
    Substitution,
    To,
    TrackingSettings,
)

from channels.accounts import SendGridAccount
from channels.email import SendGridChannel
from channels.email.addresses import sendable
from channels.email.transport import sdk
from channels.wire import Wire
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import CardBody, EmailBody, EmailTemplate, OutgoingMessage, SharedEmail, SmsBody
from pushpull.ledger.outcomes import Accepted, NotSent, Rejected
from tests.channels.email.mailing import (
    TEMPLATE,
    a_body,
    a_channel,
    a_mail,
    an_account,
    mails,
    own_bodies,
    requests_to,
    send,
    sendgrid,
    shared_body,
    utc_now,
)
from tests.standin.engine import StandIn
from tests.standin.sendgrid import SendGrid


def by_the_sdk(messages: list[OutgoingMessage], group: int) -> Mail:
    """The same messages, written with the SDK's own objects; it puts the last that was added first."""
    first = messages[0]
    body = first.body
    written: Any = body.template if isinstance(body, SharedEmail) else body
    mail = Mail(
        from_email=Email(written.sender_address, written.sender_name),
        subject=written.subject,
        plain_text_content=Content("text/plain", written.text),
        html_content=Content("text/html", written.html),
    )
    if written.reply_to:
        mail.reply_to = ReplyTo(written.reply_to)
    for message in reversed(messages):
        each = Personalization()
        each.add_to(To(message.to, message.to_name))
        assert isinstance(message.body, SharedEmail | EmailBody)
        url = message.body.unsubscribe_url
        each.add_header(Header("List-Unsubscribe", f"<{url}>"))
        each.add_header(Header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
        each.add_custom_arg(CustomArg("delivery", message.delivery_id))
        each.add_custom_arg(CustomArg("handover", message.handover_id))
        if isinstance(message.body, SharedEmail):
            for tag, value in message.body.values.items():
                each.add_substitution(Substitution(tag, value))
        mail.add_personalization(each)
    mail.category = [Category("wave-5"), Category(first.campaign)]
    mail.asm = Asm(group)
    mail.tracking_settings = TrackingSettings(
        ClickTracking(False, False), OpenTracking(False), SubscriptionTracking(False), Ganalytics(False)
    )
    if first.send_at is not None:
        mail.send_at = SendAt(int(first.send_at.timestamp()))
        mail.batch_id = BatchId(first.request_id)
    return mail


@pytest.mark.parametrize("kind", ["shared", "own", "planned"])
def test_sendgrids_own_client_makes_the_same_request(standin: StandIn, kind: str) -> None:
    group = sendgrid(standin).settings.add_group("learning")
    account = an_account(standin, groups={"learning": group})
    channel = SendGridChannel(account, clock=utc_now)
    planned: dict[str, Any] = {}
    if kind == "planned":
        planned = {
            "send_at": utc_now().replace(microsecond=0) + timedelta(hours=1),
            "request_id": channel.reserve(1)[0],
        }
    messages = own_bodies(1) if kind == "own" else mails(3, **planned)
    assert {type(each) for each in send(channel, messages)} == {Accepted}
    answer = sdk(account, Wire(account.base_url)).send(by_the_sdk(messages, group))
    assert answer.status_code == 202
    assert answer.headers["X-Message-Id"]
    ours, theirs = (each for each in standin.requests(SendGrid) if each.path == "/v3/mail/send")
    assert ours.json() == theirs.json()
    for header in ("authorization", "content-type", "accept", "user-agent"):
        assert ours.headers[header] == theirs.headers[header]
    assert not standin.violations


def test_everybody_gets_the_shared_text_with_their_own_values(standin: StandIn) -> None:
    channel = a_channel(standin)
    outcomes = send(channel, mails(1000))
    assert len({id(each) for each in outcomes}) == 1
    assert len(requests_to(standin)) == 1
    taken = {each.delivery_id: each for each in sendgrid(standin).taken()}
    assert len(taken) == 1000
    whole = shared_body(77).filled()
    assert taken["5-0-77"].content == {"subject": whole.subject, "html": whole.html, "text": whole.text}
    assert taken["5-0-77"].to == "learner77@example.org"
    assert not standin.violations


def test_messages_of_several_templates_travel_in_a_request_each(standin: StandIn) -> None:
    other = dataclasses.replace(TEMPLATE, subject="Another")
    outcomes = send(a_channel(standin), [*mails(2), a_mail(3, body=shared_body(3, template=other))])
    assert {type(each) for each in outcomes} == {Accepted}
    assert sorted(len(each["personalizations"]) for each in requests_to(standin)) == [1, 2]


def test_mail_without_a_group_or_an_address_to_unsubscribe_says_nothing_about_it(standin: StandIn) -> None:
    body = SharedEmail(TEMPLATE, {"[name]": "Ada", "[link]": "x"})
    send(a_channel(standin), [a_mail(1, body=body, campaign="", to_name="")])
    [said] = requests_to(standin)
    assert "asm" not in said
    assert said["categories"] == ["wave-5"]
    [recipient] = said["personalizations"]
    assert "headers" not in recipient
    assert recipient["to"] == [{"email": "learner1@example.org"}]


def test_sendgrid_counts_no_clicks_and_changes_no_links(standin: StandIn) -> None:
    send(a_channel(standin), mails(1))
    [said] = requests_to(standin)
    assert {each["enable"] for each in said["tracking_settings"].values()} == {False}


@pytest.mark.parametrize("name", ["Lovelace, Ada", "Ada; Countess", "Ada\r\nBcc: x@y.z", "Ada\0", ";,;"])
def test_no_name_breaks_out_of_its_header(standin: StandIn, name: str) -> None:
    outcomes = send(a_channel(standin), [a_mail(1, to_name=name), a_mail(2, to_name=name, body=a_body())])
    assert {type(each) for each in outcomes} == {Accepted}
    assert not standin.violations


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (a_mail(2, to_name="\ud800"), "not_unicode"),
        (a_mail(2, body=shared_body(2, **{"[link]": "\ud800"})), "not_unicode"),
        (a_mail(2, body=shared_body(2, **{"[name]": "Ada\r\nBcc: x@y.z"})), "unsafe_header"),
        (a_mail(2, body=a_body(html="\ud800")), "not_unicode"),
        (a_mail(2, body=a_body(subject="Hello\nBcc: x@y.z")), "unsafe_header"),
        (a_mail(2, body=a_body(sender_name="Learning\r\nX: y")), "unsafe_header"),
        (a_mail(2, body=a_body(unsubscribe_url="https://x.y/>\r\nX: y")), "unsafe_header"),
        (a_mail(2, body=a_body(subject="")), "empty_message"),
        (a_mail(2, body=a_body(html="", text="")), "empty_message"),
        (a_mail(2, body=SmsBody("Hello")), "body_of_another_channel"),
        (a_mail(2, body=CardBody("{}", "Hello")), "body_of_another_channel"),
    ],
)
def test_a_message_no_provider_would_take_is_rejected_and_spoils_nothing(
    standin: StandIn, message: OutgoingMessage, reason: str
) -> None:
    outcomes = send(a_channel(standin), [a_mail(1), message, a_mail(3)])
    assert outcomes[1] == Rejected(reason)
    assert {type(each) for each in (outcomes[0], outcomes[2])} == {Accepted}
    assert len(sendgrid(standin).taken()) == 2


def test_a_template_nobody_could_read_is_rejected_for_everybody(standin: StandIn) -> None:
    empty = EmailTemplate("", "", "", "Learning", "learning@example.org", ())
    messages = [a_mail(each, body=SharedEmail(empty, {})) for each in range(3)]
    assert set(send(a_channel(standin), messages)) == {Rejected("empty_message")}
    assert not standin.requests()


def test_ids_travel_inside_the_message_as_text_and_nothing_personal_does(standin: StandIn) -> None:
    send(a_channel(standin), mails(1))
    [recipient] = requests_to(standin)[0]["personalizations"]
    assert recipient["custom_args"] == {"delivery": "5-0-1", "handover": "11111111222243338444555555555555"}


def test_a_message_leaves_no_earlier_than_its_slot_and_not_after_the_deadline(standin: StandIn) -> None:
    begun = time.monotonic()
    slots = [begun + 0.2, begun + 0.3, begun + 1.3, begun + 30]
    outcomes = send(a_channel(standin), mails(4), seconds=5, not_before=slots)
    assert [type(each) for each in outcomes] == [Accepted] * 3 + [NotSent]
    assert outcomes[3] == NotSent("deadline_passed")
    left = [each.at - begun for each in standin.exchanges(SendGrid)]
    sizes = [len(each["personalizations"]) for each in requests_to(standin)]
    assert sizes == [2, 1]
    assert left[0] >= 0.3
    assert left[1] >= 1.3


def test_planned_mail_waits_at_sendgrid_until_its_time(standin: StandIn) -> None:
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    played = sendgrid(standin)
    played.now = lambda: now
    channel = a_channel(standin, clock=lambda: now)
    [name] = channel.reserve(1)
    outcomes = send(channel, mails(3, send_at=now + timedelta(hours=2), request_id=name))
    assert {type(each) for each in outcomes} == {Accepted}
    assert not played.taken()
    assert {(each.batch_id, each.send_at) for each in played.waiting()} == {(name, now + timedelta(hours=2))}
    played.now = lambda: now + timedelta(hours=2)
    assert len(played.taken()) == 3


def test_mail_planned_further_ahead_than_sendgrid_plans_waits_here(standin: StandIn) -> None:
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    later = now + timedelta(hours=80)
    outcomes = send(a_channel(standin, clock=lambda: now), mails(2, send_at=later))
    assert set(outcomes) == {NotSent("too_far_ahead", retry_at=now + timedelta(hours=8))}
    assert not standin.requests()


def test_a_batch_id_sendgrid_does_not_know_is_no_fault_of_the_messages(standin: StandIn) -> None:
    outcomes = send(a_channel(standin), mails(2, send_at=utc_now() + timedelta(hours=1), request_id="unknown"))
    assert set(outcomes) == {NotSent("batch_refused")}


@pytest.mark.parametrize("key", ["", "SG.a b", "SG.a\n", "SG.ä"])
def test_what_cannot_be_a_key_is_said_so_at_once(key: str) -> None:
    with pytest.raises(ValueError, match="API key") as failure:
        SendGridChannel(SendGridAccount(api_key=SecretStr(key)), clock=utc_now)
    assert not key or key not in str(failure.value)


@pytest.mark.parametrize(
    ("address", "sent_as"),
    [
        ("Ada@Example.org", "Ada@Example.org"),
        ("o'brien+x@sub.example.co.uk", "o'brien+x@sub.example.co.uk"),
        ("ada@exämple.org", "ada@xn--exmple-cua.org"),
        ("ädä@example.org", None),
        ("a..b@example.org", None),
        ("ada@-example.org", None),
        ('"a b"@example.org', None),
        ("a" * 65 + "@example.org", None),
        ("ada@" + "a." * 130 + "org", None),
        ("ada@\ud800.org", None),
        ("ada@example.org\n", None),
    ],
)
def test_addresses_are_spelt_as_sendgrid_takes_them(address: str, sent_as: str | None) -> None:
    assert sendable(address) == sent_as


def test_the_channel_says_what_it_takes(standin: StandIn) -> None:
    channel = a_channel(standin, per_second=50.0)
    assert channel.channel is Channel.EMAIL
    assert channel.limits.batch_size == 1000
    assert channel.limits.per_second == 50.0
    assert channel.limits.can_plan_ahead
    assert channel.limits.takes_shared_bodies
    assert send(channel, []) == []


def test_the_debug_log_of_the_sdk_holds_no_key(standin: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    dictConfig({"version": 1, "disable_existing_loggers": False, "root": {"level": "DEBUG"}})  # as Prefect does
    logging.getLogger().addHandler(caplog.handler)
    with caplog.at_level("DEBUG"):
        a_channel(standin).reserve(1)
        logging.getLogger("a.test").debug("heard")
    logging.getLogger().removeHandler(caplog.handler)
    assert "heard" in caplog.text
    assert "SG.stand-in" not in caplog.text


def test_a_request_is_plain_json(standin: StandIn) -> None:
    send(a_channel(standin), mails(2))
    [request] = standin.requests(SendGrid)
    assert orjson.loads(request.body)["from"] == {"email": "learning@example.org", "name": "Learning"}
