"""What PUSHPULL_CHANNELS may say, and what has to be set before anything really leaves."""

from __future__ import annotations

import base64
from dataclasses import fields
from typing import Any

import pytest
from pydantic import ValidationError

from channels.accounts import (
    Accounts,
    MicrosoftAccount,
    SendGridAccount,
    SlackAccount,
    TwilioAccount,
    accounts_of,
)
from pushpull.settings import Settings
from tests.channels.installations import KEY, SECRET, settings_with


def complaint(**values: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        settings_with(**values)
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(refused.value)
    return "; ".join(each["msg"] for each in refused.value.errors())


def test_nothing_leaves_the_machine_unless_somebody_says_so() -> None:
    chosen = Settings(_env_file=None)
    assert chosen.is_sandbox
    assert chosen.real_channels == ()
    assert accounts_of(chosen) == Accounts()


def test_channels_are_listed_in_any_case_and_spacing() -> None:
    chosen = settings_with(channels=" Email, sms ,")
    assert chosen.channels == "email,sms"
    assert chosen.real_channels == ("email", "sms")
    assert not chosen.is_sandbox


@pytest.mark.parametrize(
    ("channels", "found"),
    [
        ("fax", "'fax' is no channel; write sandbox, or one or more of email, teams, sms, slack"),
        ("", "nothing is no channel"),
        ("sandbox,email", "sandbox stands alone"),
        ("email,email", "named twice"),
    ],
)
def test_a_channel_that_cannot_be_is_named(channels: str, found: str) -> None:
    assert found in complaint(channels=channels)


@pytest.mark.parametrize(
    ("channel", "names"),
    [
        ("email", ["sendgrid_api_key"]),
        ("teams", ["teams_tenant_id", "teams_client_id", "teams_client_secret"]),
        ("sms", ["twilio_account_sid", "twilio_auth_token", "twilio_messaging_service_sid"]),
        ("slack", ["slack_bot_token"]),
    ],
)
def test_a_channel_without_its_credentials_names_every_variable_it_needs(channel: str, names: list[str]) -> None:
    said = complaint(channels=channel, **dict.fromkeys(names, ""))
    for name in names:
        assert f"PUSHPULL_{name.upper()}" in said
        assert f"PUSHPULL_{name.upper()}" in complaint(channels=channel, **{name: ""})
    settings_with(channels=channel)
    assert settings_with(channels=channel, credentials_block="production", **dict.fromkeys(names, ""))


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("sendgrid_api_key", "email"),
        ("twilio_account_sid", "sms"),
        ("twilio_messaging_service_sid", "sms"),
        ("slack_bot_token", "slack"),
    ],
)
def test_the_value_of_another_variable_is_found_out_before_anything_is_sent(name: str, channel: str) -> None:
    assert f"PUSHPULL_{name.upper()} must begin with" in complaint(channels=channel, **{name: SECRET})


def test_real_messages_need_links_that_nobody_can_forge_and_everybody_can_open() -> None:
    assert "PUSHPULL_LINK_KEY" in complaint(channels="email", link_key="sandbox-only-not-a-secret")
    assert "https://" in complaint(channels="email", base_url="http://learn.example")
    for here in ("http://127.0.0.1:8080", "http://localhost", "http://[::1]:1"):
        assert "of this machine alone" in complaint(channels="sms", base_url=here)


def test_a_rehearsal_against_a_stand_in_may_use_the_public_key() -> None:
    rehearsal = {"base_url": "http://127.0.0.1:8080", "link_key": "sandbox-only-not-a-secret"}
    standin = "http://127.0.0.1:9000"
    addresses = {"sendgrid_url": standin, "bot_url": standin, "twilio_url": standin, "slack_url": standin}
    assert "teams" in complaint(channels="email,teams,sms,slack", **rehearsal, **addresses)
    rehearsed = settings_with(channels="email,teams,sms,slack", **rehearsal, **addresses, graph_url=standin)
    assert rehearsed.real_channels
    assert rehearsed.outward_channels == ()
    assert "PUSHPULL_BASE_URL" in complaint(channels="email,sms", **rehearsal, sendgrid_url=standin)


@pytest.mark.parametrize("name", ["sendgrid_url", "login_url", "graph_url", "bot_url", "twilio_url", "slack_url"])
def test_credentials_never_travel_unencrypted(name: str) -> None:
    assert "https://" in complaint(**{name: "http://api.example"})
    assert "address" in complaint(**{name: "api.example"})
    assert settings_with(**{name: "http://127.0.0.1:1"})


def test_a_webhook_key_is_a_public_key() -> None:
    assert "verification key" in complaint(sendgrid_webhook_key="no base64!")
    assert "verification key" in complaint(sendgrid_webhook_key_previous=base64.b64encode(b"short").decode())
    account = accounts_of(settings_with(sendgrid_webhook_key=KEY, sendgrid_webhook_key_previous=KEY)).sendgrid
    assert account is not None
    assert account.webhook_keys == (KEY, KEY)


@pytest.mark.parametrize("minutes", [-1, 1, 15, 4321])
def test_mail_is_planned_as_sendgrid_can(minutes: int) -> None:
    assert complaint(email_plan_ahead_minutes=minutes)
    assert settings_with(email_plan_ahead_minutes=16).email_plan_ahead_minutes == 16


def test_an_error_of_settings_never_repeats_a_secret() -> None:
    assert "PUSHPULL_TWILIO_AUTH_TOKEN" not in complaint(channels="email", base_url="nowhere")
    assert SECRET not in repr(settings_with(channels="email"))
    complaint(batch_size=SECRET)


def test_an_empty_secret_is_none_at_all() -> None:
    chosen = settings_with(twilio_auth_token_previous="", slack_signing_secret="", link_key_previous="")
    assert chosen.twilio_auth_token_previous is chosen.slack_signing_secret is chosen.link_key_previous is None


def test_accounts_say_what_the_settings_say() -> None:
    accounts = accounts_of(settings_with(sendgrid_per_second=7, slack_per_second=0), groups={"learning": 12})
    assert accounts.sendgrid is not None
    assert (accounts.sendgrid.per_second, accounts.sendgrid.groups) == (7, {"learning": 12})
    assert accounts.slack is not None
    assert accounts.slack.per_second is None
    assert accounts.twilio is not None
    assert accounts.twilio.callback_url == "https://learn.example/callbacks/twilio"
    assert SECRET not in repr(accounts)


def test_what_an_account_is_without_settings_is_what_the_settings_say_without_variables() -> None:
    accounts = accounts_of(settings_with())
    for account in (accounts.sendgrid, accounts.microsoft, accounts.twilio, accounts.slack):
        assert isinstance(account, SendGridAccount | MicrosoftAccount | TwilioAccount | SlackAccount)
        for each in fields(account):
            if isinstance(each.default, str | float | tuple) and each.name != "callback_url":
                assert getattr(account, each.name) == each.default, each.name
