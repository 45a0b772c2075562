"""Small builders for e-mail: templates, handovers, channels to the stand-in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from channels.accounts import SendGridAccount
from channels.email import SendGridChannel
from channels.wire import Wire
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import Body, EmailBody, EmailTemplate, OutgoingMessage, SharedEmail
from pushpull.ledger.outcomes import Outcome
from tests.standin.engine import StandIn
from tests.standin.sendgrid import API_KEY, SendGrid

HANDOVER = UUID("11111111-2222-4333-8444-555555555555")

TEMPLATE = EmailTemplate(
    subject="[name], two minutes for your first step",
    html="<p>Hello [name]</p><a href='[link]'>Go on</a>",
    text="Hello [name]\n[link]\n",
    sender_name="Learning",
    sender_address="learning@example.org",
    tags=("[name]", "[link]"),
    reply_to="help@example.org",
)


def utc_now() -> datetime:
    return datetime.now(UTC)


def a_body(**changes: Any) -> EmailBody:
    said: dict[str, Any] = {
        "subject": "Two minutes for your first step",
        "html": "<p>Hello <b>Ada</b></p>",
        "text": "Hello Ada",
        "sender_name": "Learning",
        "sender_address": "learning@example.org",
        "unsubscribe_url": "https://learn.example/u/abc",
    }
    return EmailBody(**{**said, **changes})


def a_mail(learner: int = 1, *, body: Body | None = None, **changes: Any) -> OutgoingMessage:
    """One e-mail; from the shared template unless it has a body of its own."""
    said: dict[str, Any] = {
        "delivery_id": f"5-0-{learner}",
        "handover_id": HANDOVER.hex,
        "channel": Channel.EMAIL,
        "to": f"learner{learner}@example.org",
        "to_name": f"Learner {learner}",
        "family": "learning",
        "campaign": "security-basics",
        "body": body or shared_body(learner),
    }
    return OutgoingMessage(**{**said, **changes})


def shared_body(learner: int = 1, *, template: EmailTemplate = TEMPLATE, **values: str) -> SharedEmail:
    filled: Mapping[str, str] = {
        "[name]": f"Learner {learner}",
        "[link]": f"https://learn.example/l/{learner}",
        **values,
    }
    return SharedEmail(template, filled, unsubscribe_url=f"https://learn.example/u/{learner}")


def mails(count: int, **changes: Any) -> list[OutgoingMessage]:
    """A handover's e-mails from one template."""
    return [a_mail(learner, **changes) for learner in range(1, count + 1)]


def own_bodies(count: int, **changes: Any) -> list[OutgoingMessage]:
    """A handover's e-mails with a body each."""
    return [a_mail(learner, body=a_body(subject=f"For {learner}"), **changes) for learner in range(1, count + 1)]


def an_account(standin: StandIn, **changes: Any) -> SendGridAccount:
    return SendGridAccount(**{"api_key": SecretStr(API_KEY), "base_url": standin.url(SendGrid), **changes})


def a_channel(
    standin: StandIn, *, clock: Callable[[], datetime] = utc_now, wire: Wire | None = None, **changes: Any
) -> SendGridChannel:
    return SendGridChannel(an_account(standin, **changes), clock=clock, wire=wire)


def send(
    channel: SendGridChannel, messages: Sequence[OutgoingMessage], *, seconds: float = 5.0, **how: Any
) -> Sequence[Outcome]:
    return channel.send(messages, deadline=time.monotonic() + seconds, **how)


def sendgrid(standin: StandIn) -> SendGrid:
    """The SendGrid the stand-in plays."""
    played = standin.provider(SendGrid)
    assert isinstance(played, SendGrid)
    return played


def requests_to(standin: StandIn, path: str = "/v3/mail/send") -> list[Any]:
    """The bodies of the requests made to one path."""
    return [each.json() if each.body else None for each in standin.requests(SendGrid) if each.path == path]


def addresses_taken(standin: StandIn) -> list[str]:
    return sorted(each.to for each in sendgrid(standin).taken())
