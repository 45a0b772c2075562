"""`pushpull channel`, `setup` and `preflight`: real channels as ops see them, against the providers' stand-in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import Engine, select

from deployments.doctor import Check, Health, examine
from pushpull.db import reading, writing
from pushpull.learners.consent import suppress
from pushpull.learners.vocabulary import Channel, SuppressionReason
from pushpull.ledger.campaigns import paused_channels
from pushpull.ledger.conversations import Reference, learn
from pushpull.ledger.messages import Conversation
from pushpull.ledger.pacing import throttle
from pushpull.ledger.provider_objects import unsubscribe_groups
from pushpull.ledger.replies import UNDECIDED
from pushpull.ledger.tables import audit
from tests.cli.conftest import Command
from tests.ledger.builders import a_learner
from tests.standin.engine import StandIn
from tests.standin.variables import variables

FAMILY = "learning-campaigns"
SECRET = "stand-in"


@pytest.fixture
def real(pushpull: Command, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> Command:
    """An installation that sends for real: to the stand-in."""
    for name, value in variables(standin).items():
        monkeypatch.setenv(name, value)
    return pushpull


def row(said: str, channel: str) -> str:
    return next(line for line in said.splitlines() if f"│ {channel} " in line)


def lines_about(said: str, channel: Channel) -> list[str]:
    return [line for line in said.splitlines() if line[2:].startswith(f"{channel}:")]


def channel_checks() -> dict[str, Check]:
    return {check.name: check for check in examine()}


def test_the_sandbox_has_nothing_to_check(pushpull: Command) -> None:
    said = pushpull("channel", "check")
    assert said.code == 0
    assert "nothing leaves this machine" in said.out
    assert pushpull("channel", "list").out.count("sandbox") == len(Channel)


def test_the_list_says_who_carries_what_how_fast_and_with_whose_credentials(
    real: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHPULL_CHANNELS", "email,sms")
    monkeypatch.setenv("PUSHPULL_TWILIO_PER_SECOND", "7")
    said = real("channel", "list").out
    assert "SendGrid" in row(said, "email")
    assert "PUSHPULL_ variables" in row(said, "email")
    assert "Twilio" in row(said, "sms")
    assert " 7 " in row(said, "sms")
    assert "not set up" in row(said, "teams")
    assert "not set up" in row(said, "slack")
    assert SECRET not in said


def test_a_channel_that_is_paused_or_asked_to_wait_says_so_until_it_is_resumed(real: Command, ledger: Engine) -> None:
    assert real("channel", "pause", "email", "--why", "the [key] is being rotated").code == 0
    with writing(ledger) as connection:
        throttle(connection, "sms", until=datetime.now(UTC) + timedelta(minutes=5))
    said = real("channel", "list").out
    assert "paused: the [key] is being rotated" in said
    assert "email is paused, its messages wait: the [key] is being rotated" in real("wave", "list").out
    assert "asked to wait" in row(said, "sms")
    for channel in ("email", "sms"):
        assert real("channel", "resume", channel).code == 0
    said = real("channel", "list").out
    assert "paused" not in said
    assert "asked to wait" not in said
    with reading(ledger) as connection:
        told = connection.execute(select(audit.c.who, audit.c.what, audit.c.subject).order_by(audit.c.id)).all()
    assert told[0] == ("ada", "channel paused", "email")
    assert told[-1] == ("ada", "channel resumed", "sms")


def test_a_pause_may_end_by_itself(pushpull: Command, ledger: Engine) -> None:
    assert "paused until 2" in pushpull("channel", "pause", "sms", "--why", "night", "--hours", "8").out
    now = datetime.now(UTC)
    assert f"paused until {now + timedelta(hours=8):%Y-%m-%d}" in pushpull("channel", "list").out
    with reading(ledger) as connection:
        assert "sms" in paused_channels(connection, now=now + timedelta(hours=7))
        assert "sms" not in paused_channels(connection, now=now + timedelta(hours=9))


def test_setting_up_sendgrid_makes_a_group_per_family_once(real: Command, standin: StandIn, ledger: Engine) -> None:
    sendgrid: Any = standin.providers["sendgrid"]
    foreseen = real("setup", "sendgrid", "--dry-run")
    assert foreseen.code == 0
    assert "would be looked for" in foreseen.out
    assert standin.exchanges() == []
    first, second = real("setup", "sendgrid"), real("setup", "sendgrid")
    assert (first.code, second.code) == (0, 0)
    assert "made" in first.out
    assert "there already" in second.out
    with reading(ledger) as connection:
        groups = unsubscribe_groups(connection)
    assert groups
    assert set(groups.values()) == sendgrid.settings.group_ids
    assert len(sendgrid.settings.groups) == len(groups)
    assert standin.violations == []


def test_setting_up_sendgrid_without_a_key_says_what_is_missing(pushpull: Command) -> None:
    assert "PUSHPULL_SENDGRID_API_KEY" in pushpull("setup", "sendgrid").error


def test_the_event_webhook_needs_an_address_that_sendgrid_can_reach(
    pushpull: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHPULL_SENDGRID_API_KEY", "SG.x")
    assert "PUSHPULL_BASE_URL" in pushpull("setup", "sendgrid", "--webhook").error


def test_the_event_webhook_is_pointed_at_us_and_its_key_told(
    real: Command, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHPULL_BASE_URL", "https://learn.example")
    said = real("setup", "sendgrid", "--webhook")
    assert said.code == 0
    sendgrid: Any = standin.providers["sendgrid"]
    assert [each["url"] for each in sendgrid.settings.webhooks.values()] == ["https://learn.example/callbacks/sendgrid"]
    (line,) = [line for line in said.out.splitlines() if line.startswith("PUSHPULL_SENDGRID_WEBHOOK_KEY=")]
    monkeypatch.setenv(*line.split("=", 1))
    assert real("channel", "list").code == 0  # it is a key that the settings take


def test_a_channel_that_works_is_ticked(real: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    real("setup", "sendgrid")
    monkeypatch.setenv("PUSHPULL_CHANNELS", "email")
    said = real("channel", "check")
    assert said.out.strip() == "✓ email: SendGrid takes our credentials"
    assert said.code == 0


def test_a_channel_that_does_not_work_says_what_to_do(real: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHPULL_CHANNELS", "email")
    said = real("channel", "check")
    assert said.code == 1
    (line,) = lines_about(said.out, Channel.EMAIL)
    assert line.startswith("✗")
    assert "pushpull setup sendgrid" in line


@pytest.mark.parametrize("channel", Channel)
def test_a_provider_that_cannot_be_reached_is_a_cross_not_a_crash(
    real: Command, monkeypatch: pytest.MonkeyPatch, channel: Channel
) -> None:
    nobody = "http://127.0.0.1:1"
    for name in ("SENDGRID_URL", "LOGIN_URL", "GRAPH_URL", "BOT_URL", "TWILIO_URL"):
        monkeypatch.setenv(f"PUSHPULL_{name}", nobody)
    monkeypatch.setenv("PUSHPULL_SLACK_URL", f"{nobody}/api/")
    said = real("channel", "check", channel)
    assert said.code == 1
    assert "Traceback" not in said.err
    lines = lines_about(said.out, channel)
    assert lines
    assert all(line.startswith("✗") for line in lines)
    assert SECRET not in said.out


@pytest.mark.parametrize("channel", Channel)
def test_a_channel_without_credentials_is_told_where_they_come_from(pushpull: Command, channel: Channel) -> None:
    said = pushpull("channel", "check", channel)
    assert said.code == 1
    assert "docs/channels.md" in said.out


def test_teams_is_checked_by_asking_for_both_tokens(real: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHPULL_CHANNELS", "teams")
    monkeypatch.setenv("PUSHPULL_TEAMS_APP_ID", "")
    assert "PUSHPULL_TEAMS_APP_ID" in real("channel", "check").out
    monkeypatch.setenv("PUSHPULL_TEAMS_APP_ID", "22222222-2222-4333-8444-555555555555")
    said = real("channel", "check")
    assert said.out.strip() == "✓ teams: Microsoft takes our credentials"
    monkeypatch.setenv("PUSHPULL_TEAMS_CLIENT_SECRET", "another")
    refused = real("channel", "check")
    assert refused.code == 1
    assert "AADSTS" in refused.out


def test_a_real_channel_without_credentials_is_an_error_of_every_command(
    pushpull: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHPULL_CHANNELS", "email")
    error = pushpull("wave", "list").error
    assert error.startswith("the channel email needs PUSHPULL_SENDGRID_API_KEY")
    said = pushpull("doctor")
    assert said.code == 1
    assert channel_checks()["settings"].health is Health.BAD


def test_blocks_without_a_prefect_server_are_an_error_in_words(real: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHPULL_CREDENTIALS_BLOCK", "production")
    with temporary_settings(restore_defaults={PREFECT_API_URL}):  # other tests may have a server
        assert "PREFECT_API_URL" in real("channel", "list").error
        assert "PREFECT_API_URL" in real("setup", "blocks").error


def test_the_doctor_has_a_line_per_channel(real: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHPULL_CHANNELS", "email,teams")
    monkeypatch.setenv("PUSHPULL_TEAMS_APP_ID", "")
    monkeypatch.setenv("PUSHPULL_SENDGRID_WEBHOOK_KEY", "")
    said = real("doctor")
    assert said.code == 0
    checks = channel_checks()
    assert checks["email"].health is Health.NOTE
    assert "PUSHPULL_SENDGRID_WEBHOOK_KEY" in checks["email"].fix
    assert "PUSHPULL_TEAMS_APP_ID" in checks["teams"].fix
    assert "messages wait" in checks["sms"].found
    assert SECRET not in said.out


def test_the_preflight_of_a_campaign_is_told_with_an_exit_code(company: Command) -> None:
    said = company("preflight", "two-minutes-a-day")
    assert said.code == 1
    assert "errors" in said.out.splitlines()[-1]
    assert "two-minutes" in company("preflight", "two-minutes-a-dya").error


def test_the_bot_is_installed_for_those_it_cannot_reach_and_for_nobody_twice(
    real: Command, standin: StandIn, ledger: Engine
) -> None:
    with writing(ledger) as connection:
        a_learner(connection, teams_id="AAAAAAAA-0000-4000-8000-000000000001")
        a_learner(connection, teams_id="aaaaaaaa-0000-4000-8000-000000000002")
        a_learner(connection, teams_id="aaaaaaaa-0000-4000-8000-000000000003", active=False)
        known = Conversation(service_url="https://smba.trafficmanager.net/emea", user_id="29:x")
        learn(connection, [Reference("aaaaaaaa-0000-4000-8000-000000000001", known, datetime.now(UTC))])
    assert "1 learners" in real("setup", "teams", "--dry-run").out
    assert standin.exchanges() == []
    said = real("setup", "teams")
    assert (said.code, said.out.strip()) == (0, "installed: 1")
    graph: Any = standin.providers["graph"]
    assert graph.installed == {"aaaaaaaa-0000-4000-8000-000000000002"}
    assert "there already: 1" in real("setup", "teams").out, "until Teams tells us how to reach them"
    assert standin.violations == []


def test_installing_the_bot_needs_an_app_and_credentials(
    real: Command, pushpull: Command, ledger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(ledger) as connection:
        a_learner(connection, teams_id="aaaaaaaa-0000-4000-8000-000000000002")
    monkeypatch.setenv("PUSHPULL_TEAMS_APP_ID", "")
    assert "PUSHPULL_TEAMS_APP_ID" in real("setup", "teams").error
    for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"PUSHPULL_TEAMS_{name}")
    monkeypatch.setenv("PUSHPULL_CHANNELS", "email")
    assert "PUSHPULL_TEAMS_CLIENT_ID" in pushpull("setup", "teams").error


def test_a_reply_that_reads_like_a_refusal_is_decided_by_a_person(pushpull: Command, ledger: Engine) -> None:
    with writing(ledger) as connection:
        person = a_learner(connection, external_id="e-17")
        at = datetime(2026, 3, 2, 9, tzinfo=UTC)
        suppress(connection, person, channel="sms", reason=SuppressionReason.STOPPED, source=UNDECIDED, at=at)
    assert "2026-03-02 09:00 UTC  sms  e-17" in pushpull("replies", "list").out
    said = pushpull("replies", "decide", "e-17", "sms", "--go-on", "--why", "it was a joke")
    assert "messages on sms go on" in said.out
    assert pushpull("replies", "list").out.startswith("0 replies wait")
    assert "no reply of 'e-17'" in pushpull("replies", "decide", "e-17", "sms", "--stop", "--why", "x").error
