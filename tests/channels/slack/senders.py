"""Small builders of Slack channels that speak to the stand-in."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from channels.accounts import SlackAccount
from channels.slack import SlackChannel
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import CardBody, OutgoingMessage
from pushpull.ledger.outcomes import Outcome
from tests.channels.letters import a_message
from tests.standin.engine import StandIn
from tests.standin.slack import BOT_TOKEN

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ADA = "U0ADA"
BLOCKS = [{"type": "section", "text": {"type": "plain_text", "text": "Grüße & <two> minutes"}}]


def an_account(base_url: str, **other: Any) -> SlackAccount:
    return replace(SlackAccount(bot_token=SecretStr(BOT_TOKEN), base_url=base_url, per_second=None), **other)


def a_channel(standin: StandIn, *, base_url: str = "", **other: Any) -> SlackChannel:
    account = an_account(base_url or address(standin), **other)
    return SlackChannel(account, clock=lambda: NOW)


def address(standin: StandIn) -> str:
    return standin.url("slack") + "/api/"


def a_card(blocks: object = BLOCKS, summary: str = "Two minutes") -> CardBody:
    return CardBody(json=json.dumps({"blocks": blocks}), summary=summary)


def a_direct_message(user: str = ADA, *, delivery: str = "5-0-17", **other: Any) -> OutgoingMessage:
    return replace(a_message(Channel.SLACK, delivery=delivery, to=user, body=a_card()), **other)


def sent(channel: SlackChannel, *messages: OutgoingMessage, seconds: float = 5.0) -> list[Outcome]:
    return list(channel.send(messages, deadline=time.monotonic() + seconds))


def methods(standin: StandIn) -> list[str]:
    """The methods that were called, in order."""
    return [request.path.removeprefix("/api/") for request in standin.requests("slack")]
