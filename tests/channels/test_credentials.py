"""Blocks of credentials, as far as they need no server: what they hold, and what they make of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from prefect.testing.standard_test_suites import BlockStandardTestSuite

from channels.credentials import (
    BLOCKS,
    ProviderCredentials,
    SendGridCredentials,
    SlackCredentials,
    TeamsCredentials,
    TwilioCredentials,
)
from pushpull.learners.vocabulary import Channel
from pushpull.settings import CREDENTIALS, Settings, settings
from tests.channels.installations import KEY, READY, SECRET, settings_with

VARIABLES = settings_with(sendgrid_webhook_key=KEY, slack_signing_secret=SECRET, teams_app_id="app")


@pytest.mark.parametrize("block", BLOCKS.values())
class TestBlocks(BlockStandardTestSuite):
    """What Prefect asks of every block."""

    @pytest.fixture
    def block(self, request: pytest.FixtureRequest) -> type[ProviderCredentials]:
        return request.param

    @pytest.mark.skip(reason="a logo would be a link to a host that is not ours")
    def test_has_a_valid_image(self, block: type[ProviderCredentials]) -> None: ...


@pytest.mark.parametrize("channel", Channel)
def test_every_channel_has_a_block_that_holds_all_it_needs(channel: Channel) -> None:
    block = BLOCKS[channel]
    fields = {f"{block._prefix}{name}" for name in block.model_fields}
    assert set(CREDENTIALS[channel]) <= fields
    assert fields <= set(Settings.model_fields)
    assert all(each.title for each in block.model_fields.values())
    for name, each in block.model_fields.items():
        of_settings = Settings.model_fields[f"{block._prefix}{name}"].annotation
        assert ("SecretStr" in str(of_settings)) == ("SecretStr" in str(each.annotation)), name


@pytest.mark.parametrize("channel", Channel)
def test_variables_saved_as_a_block_and_taken_from_it_are_the_same(channel: Channel) -> None:
    block = BLOCKS[channel].of(VARIABLES)
    assert block is not None
    emptied = settings_with(**dict.fromkeys([name for name in READY if name not in {"base_url", "link_key"}], ""))
    taken = block.over(emptied)
    for name in type(block).model_fields:
        setting = f"{block._prefix}{name}"
        assert getattr(taken, setting) == getattr(VARIABLES, setting), setting
    assert SECRET not in repr(block)


@pytest.mark.parametrize("channel", Channel)
def test_a_channel_without_its_variables_makes_no_block(channel: Channel) -> None:
    assert BLOCKS[channel].of(Settings(_env_file=None)) is None


def test_a_block_makes_an_account_with_the_addresses_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHPULL_SENDGRID_URL", "https://api.eu.sendgrid.com")
    monkeypatch.setenv("PUSHPULL_TWILIO_PER_SECOND", "30")
    monkeypatch.setenv("PUSHPULL_LOGIN_URL", "https://login.microsoftonline.us")
    settings.cache_clear()
    try:
        email = SendGridCredentials(api_key="SG.x").account()
        teams = TeamsCredentials(tenant_id="t", client_id="c", client_secret="s").account()
        sms = TwilioCredentials(account_sid="AC1", auth_token="t", messaging_service_sid="MG1").account()
        slack = SlackCredentials(bot_token="xoxb-1").account()
    finally:
        settings.cache_clear()
    assert email.base_url == "https://api.eu.sendgrid.com"
    assert sms.per_second == 30
    assert sms.auth_token_previous is None
    assert teams.login_url == "https://login.microsoftonline.us"
    assert slack.signing_secret is None


def test_the_clients_are_the_official_ones_and_do_not_wait_for_ever() -> None:
    email = SendGridCredentials(api_key="SG.x").get_client()
    assert type(email).__module__.startswith("sendgrid")
    assert email.client.timeout
    sms = TwilioCredentials(account_sid="AC1", auth_token="t", messaging_service_sid="MG1").get_client()
    assert type(sms).__module__.startswith("twilio")
    assert sms.http_client.timeout
    slack = SlackCredentials(bot_token="xoxb-1").get_client()
    assert type(slack).__module__.startswith("slack_sdk")
    assert slack.timeout


def test_the_module_can_be_loaded_without_a_server() -> None:
    code = "import channels.credentials; from prefect.settings import get_current_settings as s; print('loaded')"
    environment = {"PREFECT_API_URL": "http://127.0.0.1:1/api", "PATH": ""}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert said.stdout.strip() == "loaded", said.stderr
