"""Whether the organisation's accounts work: each provider is asked, nothing is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from channels.accounts import Accounts, MicrosoftAccount, SendGridAccount
from channels.wire import Failure, Wire
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.outcomes import ChannelStopped
from pushpull.settings import is_this_machine


def check(
    channel: Channel,
    accounts: Accounts,
    *,
    families: Collection[str] = (),
    seconds: float = 15.0,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[str]:
    """Ask a channel's provider about the account.

    Args:
        families: of messages that e-mails are sent of: each needs its unsubscribe group.
        seconds: how long one answer may take.

    Returns:
        What is wrong, each with what to do about it; empty: messages can be sent.
    """
    match channel:
        case Channel.EMAIL if accounts.sendgrid:
            return _sendgrid(accounts.sendgrid, families, seconds, monotonic)
        case Channel.TEAMS if accounts.microsoft:
            return _tokens(accounts.microsoft, monotonic() + seconds, monotonic)
        case Channel.SMS if accounts.twilio:
            from channels.sms import check as check_sms

            anywhere = is_this_machine(accounts.twilio.base_url)
            return check_sms(accounts.twilio, deadline=monotonic() + seconds, calls_anywhere=anywhere)
        case Channel.SLACK if accounts.slack:
            from channels.slack import check as check_slack

            return check_slack(accounts.slack, deadline=monotonic() + seconds)
    return [f"There are no credentials for {channel}: see docs/channels.md."]


def _sendgrid(
    account: SendGridAccount, families: Collection[str], seconds: float, monotonic: Callable[[], float]
) -> list[str]:
    from channels.email.setup import check as check_account
    from channels.email.transport import sdk

    wire = Wire(account.base_url, monotonic=monotonic)
    try:
        client = sdk(account, wire, monotonic=monotonic, seconds=seconds).client
        return [trouble.advice for trouble in check_account(client, families, account.groups)]
    finally:
        wire.close()


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
