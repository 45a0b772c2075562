"""Small builders of text message channels that speak to the stand-in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from channels.accounts import TwilioAccount
from channels.sms import SmsChannel
from channels.sms.evidence import by_links
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.links import LinkSigner
from pushpull.ledger.messages import OutgoingMessage, SmsBody
from pushpull.ledger.outcomes import Outcome
from tests.channels.letters import a_message
from tests.standin.engine import StandIn
from tests.standin.twilio import ACCOUNT_SID, AUTH_TOKEN, SERVICE_SID

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CALLBACK = "https://learn.example/callbacks/twilio"
NUMBER = "+4915112345678"
SIGNER = LinkSigner("a link secret for tests, 32 bytes", None, "https://learn.example")


def an_account(base_url: str, **other: Any) -> TwilioAccount:
    account = TwilioAccount(
        account_sid=ACCOUNT_SID,
        auth_token=SecretStr(AUTH_TOKEN),
        messaging_service_sid=SERVICE_SID,
        base_url=base_url,
        callback_url=CALLBACK,
        per_second=None,
    )
    return replace(account, **other)


def a_channel(standin: StandIn, *, base_url: str = "", **other: Any) -> SmsChannel:
    account = an_account(base_url or standin.url("twilio"), **other)
    return SmsChannel(account, clock=lambda: NOW, delivery_of=by_links(SIGNER))


def a_text(number: str = NUMBER, *, delivery: str = "5-0-17", text: str = "", **other: Any) -> OutgoingMessage:
    """A text message with the link of its delivery in it."""
    body = SmsBody(text=text or f"Hello Ada, two minutes: {link_of(delivery)}")
    return replace(a_message(Channel.SMS, delivery=delivery, to=number, body=body), **other)


def link_of(delivery: str) -> str:
    wave, rotation, learner = map(int, delivery.split("-"))
    return SIGNER.landing_url(learner, 3, None, wave, rotation, NOW + timedelta(days=30))


def sent(channel: SmsChannel, *messages: OutgoingMessage, seconds: float = 5.0) -> list[Outcome]:
    return list(channel.send(messages, deadline=time.monotonic() + seconds))


def fields_of(standin: StandIn) -> Mapping[str, str]:
    """The form of the last request that reached Twilio."""
    return standin.requests("twilio")[-1].form()
