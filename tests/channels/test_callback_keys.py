"""The accounts of an installation are the keys its callbacks are verified with."""

from __future__ import annotations

import pytest

from channels.accounts import Accounts, accounts_of
from channels.callbacks.of_accounts import keys_of
from tests.channels.installations import READY, SECRET, a_webhook_key, settings_with

WEB = "https://learn.example"


def test_without_accounts_nobody_can_call() -> None:
    assert keys_of(Accounts(), public_url=WEB) is None


def test_every_account_brings_its_keys_and_the_former_ones() -> None:
    now, before = a_webhook_key(), a_webhook_key()
    chosen = settings_with(
        sendgrid_webhook_key=now,
        sendgrid_webhook_key_previous=before,
        twilio_auth_token_previous="before",
        slack_signing_secret="sign",
    )
    keys = keys_of(accounts_of(chosen), public_url=WEB)
    assert keys is not None
    assert keys.sendgrid == (now, before)
    assert keys.twilio == (SECRET, "before")
    assert keys.slack == ("sign",)
    assert keys.microsoft is not None
    assert keys.microsoft_keys is not None
    assert keys.public_url == WEB


@pytest.mark.parametrize("missing", ["sendgrid_api_key", "teams_client_id", "twilio_account_sid", "slack_bot_token"])
def test_an_account_that_is_not_there_has_no_keys_and_the_others_do(missing: str) -> None:
    assert missing in READY
    keys = keys_of(accounts_of(settings_with(**{missing: ""}, slack_signing_secret="sign")), public_url=WEB)
    assert keys is not None
    assert bool(keys.twilio) is (missing != "twilio_account_sid")
    assert (keys.microsoft is None) is (missing == "teams_client_id")
    assert bool(keys.slack) is (missing != "slack_bot_token")
    assert keys.sendgrid == ()
