"""The keys callbacks are verified with, as the organisation's accounts hold them."""

from __future__ import annotations

from channels.accounts import Accounts
from channels.callbacks.keys import CallbackKeys
from channels.callbacks.openid import PublishedKeys


def keys_of(accounts: Accounts, *, public_url: str) -> CallbackKeys | None:
    """What the accounts' providers sign with; None where there is no account, so that nobody can call.

    Nothing is asked over the network: Microsoft's keys are fetched when first needed.

    Args:
        public_url: where providers reach the web app.

    Raises:
        ValueError: a key of SendGrid's, or the address of Microsoft's keys, cannot be used.
    """
    if accounts == Accounts():
        return None
    microsoft, twilio, slack = accounts.microsoft, accounts.twilio, accounts.slack
    tokens = (twilio.auth_token, twilio.auth_token_previous) if twilio else ()
    return CallbackKeys(
        public_url=public_url,
        sendgrid=accounts.sendgrid.webhook_keys if accounts.sendgrid else (),
        twilio=tuple(token.get_secret_value() for token in tokens if token),
        microsoft=microsoft,
        microsoft_keys=PublishedKeys(microsoft.openid_url) if microsoft else None,
        slack=(slack.signing_secret.get_secret_value(),) if slack and slack.signing_secret else (),
    )
