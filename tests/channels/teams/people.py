"""Small builders of what the Teams channel sends, and of the channel itself before a stand-in."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from channels.accounts import MicrosoftAccount
from channels.microsoft import BOT_SCOPE, GRAPH_SCOPE, Tokens
from channels.teams import TeamsChannel
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import CardBody, Conversation, OutgoingMessage
from pushpull.ledger.outcomes import Outcome
from tests.standin.engine import StandIn
from tests.standin.microsoft import BotConnector, Graph, Login
from tests.standin.variables import APP, CLIENT, TENANT

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HANDOVER = UUID("12345678-1234-4123-8123-123456789abc").hex
CARD = '{"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "Hello — \\u00e9"}]}'


def an_account(standin: StandIn, **fields: Any) -> MicrosoftAccount:
    """The account the stand-in knows, with an app in the catalogue."""
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "client_id": CLIENT,
        "client_secret": SecretStr("stand-in"),
        "teams_app_id": APP,
        "login_url": standin.url(Login),
        "graph_url": f"{standin.url(Graph)}/v1.0",
        "bot_url": standin.url(BotConnector),
        "service_hosts": ("127.0.0.1",),
        **fields,
    }
    return MicrosoftAccount(**values)


def a_channel(
    standin: StandIn, *, has_tokens: bool = False, feed_per_second: float = 5.0, **fields: Any
) -> TeamsChannel:
    """The channel; with tokens already, where a test measures time."""
    account = an_account(standin, **fields)
    tokens = Tokens(account)
    if has_tokens:
        for scope in (BOT_SCOPE, GRAPH_SCOPE):
            tokens.token(scope, deadline=time.monotonic() + 10)
    return TeamsChannel(account, clock=lambda: NOW, tokens=tokens, feed_per_second=feed_per_second)


def a_conversation(standin: StandIn, name: str = "ada", *, is_open: bool = True) -> Conversation:
    bot = standin.provider(BotConnector)
    return Conversation(
        service_url=f"{standin.url(BotConnector)}/",
        user_id=f"29:{name}",
        conversation_id=bot.conversation_of(f"29:{name}") if is_open else "",
        tenant_id=TENANT,
    )


def a_message(number: int = 1, *, conversation: Conversation | None = None, **fields: Any) -> OutgoingMessage:
    message = OutgoingMessage(
        delivery_id=f"7-0-{number}",
        handover_id=HANDOVER,
        channel=Channel.TEAMS,
        to=f"0b1f1f1e-0000-4000-8000-{number:012d}",
        to_name="Ada",
        family="safety",
        body=CardBody(CARD, "Your course is waiting"),
        conversation=conversation,
    )
    return replace(message, **fields)


def sent(channel: TeamsChannel, *messages: OutgoingMessage, seconds: float = 5.0) -> Sequence[Outcome]:
    return channel.send(messages, deadline=time.monotonic() + seconds)


def taken(standin: StandIn) -> Mapping[str, int]:
    """How many messages each delivery became, by the bot and in feeds."""
    counts: dict[str, int] = {}
    for provider in (BotConnector, Graph):
        for each in standin.provider(provider).taken():
            counts[each.delivery_id] = counts.get(each.delivery_id, 0) + 1
    return counts
