"""Which adapter carries which channel, and what is loaded for it."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.accounts import Accounts, accounts_of
from channels.base import ChannelAdapter
from channels.not_set_up import NotSetUp
from channels.registry import NoAccount, adapters
from channels.sandbox import SandboxChannel
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.outcomes import ChannelStopped
from pushpull.settings import Settings
from tests.channels.installations import settings_with
from tests.channels.letters import HANDOVER, a_message, a_question

SDKS = {"sendgrid", "python_http_client", "twilio", "msal", "slack_sdk", "jwt", "prefect", "dns"}


def now() -> datetime:
    return datetime(2026, 1, 12, 9, tzinfo=UTC)


def real(channels: str) -> dict[Channel, ChannelAdapter]:
    chosen = settings_with(channels=channels)
    return dict(adapters(chosen, clock=now, accounts=accounts_of(chosen)))


def loaded_by(code: str) -> set[str]:
    said = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(said.stdout.split()) & SDKS


def test_in_the_sandbox_every_channel_stays_here(tmp_path: Path) -> None:
    found = adapters(Settings(_env_file=None, outbox_dir=tmp_path))
    assert {channel: type(adapter) for channel, adapter in found.items()} == dict.fromkeys(Channel, SandboxChannel)


def test_a_process_of_the_sandbox_loads_no_sdk() -> None:
    code = """
from pathlib import Path
from channels.registry import adapters
from channels import checking
from pushpull.settings import Settings
adapters(Settings(_env_file=None, outbox_dir=Path('nowhere')))
"""
    assert loaded_by(code) == set()


@pytest.mark.parametrize("channel", Channel)
def test_a_listed_channel_speaks_to_its_provider_and_the_others_wait(channel: Channel) -> None:
    found = real(channel.value)
    assert set(found) == set(Channel)
    for each, adapter in found.items():
        assert adapter.channel is each
        assert isinstance(adapter, NotSetUp) is (each is not channel)
        assert not isinstance(adapter, SandboxChannel)


def test_a_speed_that_is_set_is_the_channels_speed() -> None:
    chosen = settings_with(channels="email,sms", sendgrid_per_second=9.5, twilio_per_second=0)
    found = adapters(chosen, clock=now, accounts=accounts_of(chosen))
    assert found[Channel.EMAIL].limits.per_second == 9.5
    assert found[Channel.SMS].limits.per_second is None


def test_a_channel_that_nobody_set_up_says_how_to_and_sends_nothing() -> None:
    missing = NotSetUp(Channel.SMS)
    with pytest.raises(ChannelStopped, match=r"PUSHPULL_CHANNELS.*pushpull channel resume sms") as stopped:
        missing.send([a_message(Channel.SMS)], deadline=time.monotonic() + 5)
    assert stopped.value.outcomes == ()
    assert missing.send([], deadline=0) == []
    assert missing.look_up([a_question(HANDOVER, "5-0-17")]) == []


@pytest.mark.parametrize("channel", Channel)
def test_a_listed_channel_without_an_account_is_an_error_in_words(channel: Channel) -> None:
    chosen = settings_with(channels=channel.value)
    with pytest.raises(NoAccount, match=f"PUSHPULL_CHANNELS lists {channel}"):
        adapters(chosen, clock=now, accounts=Accounts())


def test_real_channels_need_a_clock() -> None:
    with pytest.raises(TypeError):
        adapters(settings_with(channels="email"), accounts=Accounts())
