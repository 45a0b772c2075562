"""The whole round: the app is installed, Teams tells us how to reach the person, and the bot does."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from sqlalchemy import Engine

from channels.accounts import MicrosoftAccount
from channels.callbacks import teams
from channels.callbacks.openid import PublishedKeys
from channels.callbacks.verdict import Verdict
from channels.microsoft import Tokens
from channels.teams.install import AppInstaller, Installation
from pushpull.db import reading, writing
from pushpull.ledger.conversations import conversations_of, forget, learn
from pushpull.ledger.news import BotInstalled, BotRemoved
from pushpull.ledger.outcomes import Accepted
from tests.channels.teams.people import a_channel, a_message, an_account, sent
from tests.standin.engine import StandIn
from tests.standin.microsoft import BotConnector, Graph, Login, an_installation, signed
from tests.standin.provider import Callback

OPENID = "/v1/.well-known/openidconfiguration"
OURS = "https://learning.example/callbacks/teams"


def verdict_on(standin: StandIn, account: MicrosoftAccount, callback: Callback) -> Verdict:
    return teams.verify(
        callback.body,
        authorization=callback.headers["Authorization"],
        account=account,
        keys=PublishedKeys(standin.url(Login) + OPENID),
        now=datetime.now(UTC),
    )


def test_from_installing_the_app_to_the_first_card(engine: Engine, standin: StandIn) -> None:
    account = an_account(standin)
    message = a_message()
    installer = AppInstaller(account, tokens=Tokens(account))
    assert installer.install(message.to, deadline=time.monotonic() + 5) is Installation.INSTALLED

    told = signed(standin.provider(Login), OURS, an_installation(message.to, standin.url(BotConnector)))
    assert verdict_on(standin, account, told).is_accepted
    [news] = teams.read(told.body.decode(), received_at=datetime.now(UTC))
    assert isinstance(news, BotInstalled)
    with writing(engine) as connection:
        learn(connection, [news.reference])
    with reading(engine) as connection:
        person = conversations_of(connection, [message.to])[message.to]

    [outcome] = sent(a_channel(standin), a_message(conversation=person))
    assert isinstance(outcome, Accepted)
    assert [each.to for each in standin.provider(BotConnector).taken()] == [message.to]
    assert standin.provider(Graph).taken() == []
    assert standin.violations == []


def test_who_removes_the_bot_is_reached_in_the_feed_from_then_on(engine: Engine, standin: StandIn) -> None:
    message, at = a_message(), datetime(2026, 3, 2, 8, tzinfo=UTC)
    told = an_installation(
        message.to, standin.url(BotConnector), is_added=False, at=(at + timedelta(hours=1)).isoformat()
    )
    [news] = teams.read(signed(standin.provider(Login), OURS, told).body.decode(), received_at=at)
    assert isinstance(news, BotRemoved)
    with writing(engine) as connection:
        forget(connection, message.to, at=at + timedelta(hours=1))
    with reading(engine) as connection:
        person = conversations_of(connection, [message.to]).get(message.to)
    sent(a_channel(standin), a_message(conversation=person))
    assert [each.delivery_id for each in standin.provider(Graph).taken()] == ["7-0-1"]


@pytest.mark.parametrize(
    "claims",
    [{"aud": "somebody else"}, {"iss": "https://evil.example"}, {"serviceurl": "https://evil.example"}, {"exp": 1}],
)
def test_what_another_said_is_not_believed(standin: StandIn, claims: dict[str, object]) -> None:
    activity = an_installation(a_message().to, standin.url(BotConnector))
    told = signed(standin.provider(Login), OURS, activity, claims=claims)
    assert not verdict_on(standin, an_account(standin), told).is_accepted


def test_what_is_signed_with_a_key_of_ones_own_is_not_believed(standin: StandIn) -> None:
    activity = an_installation(a_message().to, standin.url(BotConnector))
    told = signed(standin.provider(Login), OURS, activity, key=generate_private_key(65537, 2048))
    assert not verdict_on(standin, an_account(standin), told).is_accepted
