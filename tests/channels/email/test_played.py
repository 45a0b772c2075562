"""The SendGrid that is played keeps to the real one's rules: events are signed, shuffled, doubled; limits hold."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sendgrid.helpers.eventwebhook import EventWebhook

from channels.wire import Wire
from tests.channels.email.mailing import HANDOVER, a_channel, mails, send, sendgrid
from tests.standin.engine import StandIn
from tests.standin.provider import Callback
from tests.standin.sendgrid import API_KEY, SIGNATURE, TIMESTAMP, SendGrid


def events(callbacks: list[Callback]) -> list[dict[str, Any]]:
    return [event for callback in callbacks for event in orjson.loads(callback.body)]


def test_events_carry_our_ids_and_verify_with_sendgrids_own_helper(standin: StandIn) -> None:
    played = sendgrid(standin)
    send(a_channel(standin), mails(2))
    [callback] = played.owed()
    said = events([callback])
    assert sorted((each["event"], each["delivery"]) for each in said) == [
        ("delivered", "5-0-1"),
        ("delivered", "5-0-2"),
        ("processed", "5-0-1"),
        ("processed", "5-0-2"),
    ]
    assert {each["handover"] for each in said} == {HANDOVER.hex}
    helper = EventWebhook(played.webhook_key)
    signature, timestamp = callback.headers[SIGNATURE], callback.headers[TIMESTAMP]
    assert helper.verify_signature(callback.body.decode(), signature, timestamp)
    assert not helper.verify_signature(callback.body.decode() + " ", signature, timestamp)
    assert not played.owed()


def test_a_callback_holds_no_more_events_than_fit(standin: StandIn) -> None:
    send(a_channel(standin), mails(1000))
    owed = sendgrid(standin).owed()
    assert len(events(owed)) == 2000
    assert max(len(each.body) for each in owed) < 768_000


def test_events_come_twice_and_out_of_order_on_demand(standin: StandIn) -> None:
    played = sendgrid(standin)
    played.is_doubled = played.is_shuffled = True
    send(a_channel(standin), mails(10))
    said = [each["event"] for each in events(played.owed())]
    assert len(said) == 40
    assert said != sorted(said)


@pytest.mark.parametrize("event", ["bounce", "dropped", "deferred", "spamreport", "group_unsubscribe", "open", "click"])
def test_any_event_is_owed_on_demand(standin: StandIn, event: str) -> None:
    played = sendgrid(standin)
    send(a_channel(standin), mails(1))
    played.owed()
    played.report(event, "5-0-1")
    [said] = events(played.owed())
    assert (said["event"], said["delivery"], said["email"]) == (event, "5-0-1", "learner1@example.org")


def test_a_late_bounce_comes_without_our_ids(standin: StandIn) -> None:
    played = sendgrid(standin)
    send(a_channel(standin), mails(1))
    played.owed()
    played.report("bounce", "5-0-1", with_custom_args=False)
    [said] = events(played.owed())
    assert "delivery" not in said


def test_how_a_message_ends_is_chosen_by_address(standin: StandIn) -> None:
    played = sendgrid(standin)
    played.endings = {"learner1@example.org": "bounce", "learner2@example.org": ""}
    send(a_channel(standin), mails(2))
    assert sorted((each["event"], each["delivery"]) for each in events(played.owed())) == [
        ("bounce", "5-0-1"),
        ("processed", "5-0-1"),
        ("processed", "5-0-2"),
    ]


def test_a_cancelled_batch_is_dropped_when_its_time_comes(standin: StandIn) -> None:
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    played = sendgrid(standin)
    played.now = lambda: now
    channel = a_channel(standin, clock=lambda: now)
    [name] = channel.reserve(1)
    send(channel, mails(2, send_at=now + timedelta(hours=1), request_id=name))
    ask(standin, "/v3/user/scheduled_sends", {"batch_id": name, "status": "cancel"})
    played.now = lambda: now + timedelta(hours=1)
    assert not played.taken()
    assert {each["event"] for each in events(played.owed())} == {"dropped"}


def test_a_batch_cancelled_too_late_is_sent_all_the_same(standin: StandIn) -> None:
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    played = sendgrid(standin)
    played.now = lambda: now
    channel = a_channel(standin, clock=lambda: now)
    [name] = channel.reserve(1)
    send(channel, mails(2, send_at=now + timedelta(minutes=9), request_id=name))
    ask(standin, "/v3/user/scheduled_sends", {"batch_id": name, "status": "cancel"})
    played.now = lambda: now + timedelta(hours=1)
    assert len(played.taken()) == 2


def ask(standin: StandIn, path: str, body: Any, key: str = API_KEY) -> tuple[int, Any]:
    """One request as anybody might make it."""
    answer = Wire(standin.url(SendGrid)).request(
        "POST",
        path,
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        body=orjson.dumps(body),
        deadline=time.monotonic() + 5,
    )
    return answer.status, orjson.loads(answer.body) if answer.body else None


GOOD: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "ada@example.org"}]}],
    "from": {"email": "learning@example.org"},
    "subject": "Hello",
    "content": [{"type": "text/plain", "value": "Hello"}],
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (
            {"personalizations": [{"to": [{"email": f"a{each}@example.org"}]} for each in range(1001)]},
            "personalizations",
        ),
        ({"personalizations": [{"to": [{"email": "ada@example.org"}]}] * 2}, "personalizations"),
        ({"personalizations": [{"to": [{"email": "nobody"}]}]}, "personalizations.0.to.0.email"),
        ({"personalizations": [{"to": [{"email": "a@b.org", "name": "A, B"}]}]}, "personalizations.0.to.0.name"),
        (
            {"personalizations": [{"to": [{"email": "a@b.org"}], "substitutions": {"x": "y" * 10_000}}]},
            "personalizations.0.substitutions",
        ),
        ({"subject": ""}, "subject"),
        ({"content": []}, "content.0.value"),
        ({"asm": {"group_id": 7}}, "asm.group_id"),
        ({"batch_id": "unknown"}, "batch_id"),
    ],
)
def test_it_refuses_what_sendgrid_refuses(standin: StandIn, change: dict[str, Any], field: str) -> None:
    assert ask(standin, "/v3/mail/send", GOOD) == (202, None)
    status, said = ask(standin, "/v3/mail/send", GOOD | change)
    assert (status, said["errors"][0]["field"]) == (400, field)
    assert len(sendgrid(standin).taken()) == 1


def test_it_wants_a_key_it_knows(standin: StandIn) -> None:
    assert ask(standin, "/v3/mail/send", GOOD, key="SG.other")[0] == 401


def test_it_forgets_everything_for_the_next_test(standin: StandIn) -> None:
    played = sendgrid(standin)
    key = played.webhook_key
    played.keys, played.refused_field = set(), "from"
    played.settings.add_group("learning")
    standin.forget()
    assert played.webhook_key == key
    assert not played.settings.groups
    assert send(a_channel(standin), [dataclasses.replace(mails(1)[0], to_name="")])
