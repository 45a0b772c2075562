"""Whether the organisation's accounts work: each provider is asked, nothing is sent."""

from __future__ import annotations

import time
from collections.abc import Callable

from channels.accounts import Accounts, MicrosoftAccount
from channels.wire import Failure
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.outcomes import ChannelStopped


def check(
    channel: Channel, accounts: Accounts, *, seconds: float = 15.0, monotonic: Callable[[], float] = time.monotonic
) -> list[str]:
    """Ask a channel's provider about the account.

    Args:
        seconds: how long that may take.

    Returns:
        What is wrong, each with what to do about it; empty: messages can be sent.
    """
    match channel:
        case Channel.EMAIL if accounts.sendgrid:
            from channels.email import check as check_email

            return check_email(accounts.sendgrid, seconds=seconds, monotonic=monotonic)
        case Channel.TEAMS if accounts.microsoft:
            return _tokens(accounts.microsoft, monotonic() + seconds, monotonic)
        case Channel.SMS if accounts.twilio:
            from channels.sms import check as check_sms

            return check_sms(accounts.twilio, seconds=seconds, monotonic=monotonic)
        case Channel.SLACK if accounts.slack:
            from channels.slack import check as check_slack

            return check_slack(accounts.slack, seconds=seconds, monotonic=monotonic)
    return [f"There are no credentials for {channel}: see docs/channels.md."]


def _tokens(account: MicrosoftAccount, deadline: float, monotonic: Callable[[], float]) -> list[str]:
    """Whether Entra gives both tokens, asked anew: what is kept proves nothing about now."""
    from channels.microsoft import BOT_SCOPE, GRAPH_SCOPE, Tokens

    tokens = Tokens(account, monotonic=monotonic)
    for service, scope in {"the Bot Connector": BOT_SCOPE, "Graph": GRAPH_SCOPE}.items():
        try:
            tokens.token(scope, deadline=deadline)
        except ChannelStopped as refused:
            return [f"No token for {service}. {refused}"]
        except Failure as failure:
            return [f"{account.login_url} gives no token for {service} ({failure.code}): check address and network."]
    if not account.teams_app_id:
        return ["PUSHPULL_TEAMS_APP_ID is not set: the bot is not installed for anybody, and nobody is notified."]
    return []
