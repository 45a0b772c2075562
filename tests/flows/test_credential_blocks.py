"""Blocks of credentials on a Prefect server: registered, saved, loaded in place of variables, and never readable."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    get_current_settings,
    temporary_settings,
)
from pydantic import SecretStr
from typer.testing import CliRunner

import cli
from channels.accounts import accounts_of
from channels.credentials import (
    BLOCKS,
    CredentialsMissing,
    SendGridCredentials,
    TeamsCredentials,
    save_blocks,
    with_blocks,
)
from channels.not_set_up import NotSetUp
from pushpull.learners.vocabulary import Channel
from pushpull.settings import Settings, settings
from tasks.installation import assemble
from tests.channels.installations import SECRET, settings_with
from tests.standin.engine import StandIn
from tests.standin.variables import variables

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("runs"), pytest.mark.usefixtures("prefect")]


def blocks_only(channels: str, name: str = "production") -> Settings:
    """An installation without a single credential in its variables."""
    return Settings(
        _env_file=None,
        channels=channels,
        credentials_block=name,
        base_url="https://learn.example",
        link_key="a link key of the tests alone",
        slack_per_second=3,
    )


def test_the_documented_command_registers_every_type() -> None:
    url = str(get_current_settings().api.url)
    command = [str(Path(sys.executable).parent / "prefect"), "block", "register", "-m", "channels.credentials"]
    said = subprocess.run(
        command, env={"PREFECT_API_URL": url}, capture_output=True, text=True, check=False, timeout=90
    )
    assert said.returncode == 0, said.stderr
    assert "Successfully registered 4 blocks" in said.stdout
    with get_client(sync_client=True) as client:
        for block in BLOCKS.values():
            found = client.read_block_type_by_slug(block.get_block_type_slug())
            assert found.description == block._description


def test_saved_variables_are_credentials_wherever_the_server_is_reached() -> None:
    variables = settings_with()
    assert set(save_blocks(variables, "production")) == set(Channel)
    found = with_blocks(blocks_only("email,teams,sms,slack"))
    mine, theirs = accounts_of(found), accounts_of(variables)
    assert mine.sendgrid == theirs.sendgrid
    assert mine.twilio == theirs.twilio
    assert mine.microsoft == theirs.microsoft
    assert mine.slack is not None
    assert theirs.slack is not None
    assert mine.slack.bot_token == theirs.slack.bot_token
    assert mine.slack.per_second == 3  # speeds stay settings


def test_saving_again_replaces_what_was_saved() -> None:
    save_blocks(settings_with(), "rotated")
    save_blocks(settings_with(sendgrid_api_key="SG.the-next-one"), "rotated")
    loaded = SendGridCredentials.load("rotated")
    assert loaded.api_key.get_secret_value() == "SG.the-next-one"


def test_only_what_has_its_variables_is_saved() -> None:
    assert save_blocks(settings_with(slack_bot_token="", teams_client_secret=""), "some") == [
        Channel.EMAIL,
        Channel.SMS,
    ]
    with pytest.raises(CredentialsMissing, match=r"'some'.*'Pushpull Slack Credentials'.*pushpull setup blocks"):
        with_blocks(blocks_only("email,slack", "some"))
    assert with_blocks(blocks_only("email,sms", "some"))


def test_blocks_load_inside_a_running_loop_too() -> None:
    save_blocks(settings_with(), "production")

    async def load() -> Settings:
        return with_blocks(blocks_only("email"))

    assert asyncio.run(load()).sendgrid_api_key == settings_with().sendgrid_api_key


def test_secrets_are_not_readable_where_blocks_are_listed() -> None:
    save_blocks(settings_with(), "production")
    with get_client(sync_client=True) as client:
        slug = SendGridCredentials.get_block_type_slug()
        listed = client.read_block_documents_by_type(slug, include_secrets=False)  # as the UI asks
        assert listed
        assert SECRET not in str([document.model_dump() for document in listed])


def test_a_loaded_block_says_whether_it_works(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    said = dict(variables(standin))
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    try:
        save_blocks(settings(), "stand-in")
        good = SendGridCredentials.load("stand-in")
        assert good.check() == []
        wrong = TeamsCredentials.load("stand-in").model_copy(update={"client_secret": SecretStr("another")})
        (problem,) = wrong.check()
        assert "AADSTS" in problem
        assert "another" not in problem
    finally:
        settings.cache_clear()


def test_the_command_line_saves_the_variables_and_says_what_to_set(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(standin).items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    try:
        said = CliRunner().invoke(cli.app, ["setup", "blocks", "--name", "from-here"])
    finally:
        settings.cache_clear()
    assert said.exit_code == 0, said.output
    assert "pushpull-sendgrid-credentials/from-here" in said.output
    assert "PUSHPULL_CREDENTIALS_BLOCK=from-here" in said.output
    assert SendGridCredentials.load("from-here").api_key.get_secret_value() == "SG.stand-in"


def test_a_server_that_is_not_there_is_told_in_words() -> None:
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0}),
        pytest.raises(CredentialsMissing, match="PREFECT_API_URL"),
    ):
        with_blocks(blocks_only("email"))


def test_an_installation_is_assembled_from_blocks(tmp_path: Path) -> None:
    save_blocks(settings_with(), "production")
    chosen = blocks_only("sms").model_copy(update={"database_url": f"sqlite:///{tmp_path / 'pushpull.db'}"})
    here = assemble(chosen)
    try:
        assert here.accounts.twilio is not None
        assert here.settings.twilio_auth_token == settings_with().twilio_auth_token
        assert not isinstance(here.adapters[Channel.SMS], NotSetUp)
        assert isinstance(here.adapters[Channel.EMAIL], NotSetUp)
    finally:
        here.engine.dispose()
