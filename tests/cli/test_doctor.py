"""`pushpull doctor` and `pushpull settings`: what is configured, what is not, and what to do."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Timer

import pytest

from deployments.doctor import Health, examine
from pushpull.db import open_database
from tests.cli.conftest import Command

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_working_installation_passes(company: Command) -> None:
    said = company("doctor")
    assert said.code == 0
    assert "12 learners" in said.out
    assert Health.BAD not in said.out


def test_an_installation_without_learners_is_told_how_to_get_some(pushpull: Command) -> None:
    said = pushpull("doctor")
    assert said.code == 0
    assert "pushpull import people FILE" in said.out


def test_what_keeps_everything_from_being_sent_is_told(company: Command) -> None:
    assert "everything is paused" not in company("doctor").out
    company("switch", "pause", "--who", "Ada", "--why", "a drill")
    said = company("doctor")
    assert said.code == 0
    assert "everything is paused" in said.out


def test_a_database_that_is_not_there_yet_is_no_fault(pushpull: Command, database: Path) -> None:
    database.unlink()
    said = pushpull("doctor")
    assert said.code == 0
    assert "not there yet" in said.out
    assert not database.exists()


def test_an_old_schema_is_told_to_upgrade(pushpull: Command, database: Path) -> None:
    engine = open_database(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    engine.dispose()
    said = pushpull("doctor")
    assert "pushpull upgrade" in said.out


def test_a_schema_that_newer_code_has_made_is_no_fault(pushpull: Command, database: Path) -> None:
    engine = open_database(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    said = pushpull("doctor")
    assert said.code == 0
    assert "newer than this release" in said.out
    # Old workers go on while a release is rolled out, and a release can be taken back.
    assert pushpull("wave", "list").code == 0
    assert pushpull("upgrade").code == 0
    assert pushpull("upgrade", "--check").code == 0


def test_whether_the_schema_is_behind_can_be_asked_without_changing_it(pushpull: Command, database: Path) -> None:
    assert pushpull("upgrade", "--check").code == 0
    database.unlink()
    said = pushpull("upgrade", "--check")
    assert said.code == 1
    assert "behind" in said.out
    assert not database.exists()
    upgraded = pushpull("upgrade")
    assert upgraded.code == 0
    assert [line[:5] for line in upgraded.out.splitlines()] == ["0001:", "0002:", "0003:", "0004:", "0005:", "the d"]
    assert "was at nothing" in upgraded.out
    assert pushpull("upgrade", "--check").code == 0
    assert pushpull("upgrade").out == "the database is at 0005: no change\n"


def test_a_doctor_that_waits_sees_what_is_mended_meanwhile(
    pushpull: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = tmp_path / "content"
    monkeypatch.setenv("PUSHPULL_CONTENT_DIR", str(content))
    assert pushpull("doctor").code == 1
    timer = Timer(1.0, content.mkdir)
    timer.start()
    assert pushpull("doctor", "--wait", "30").code == 0
    timer.join()


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql://somebody:secret@127.0.0.1:1/nothing", "refused"),
        ("mysql://somebody:secret@127.0.0.1/nothing", "must start with sqlite:/// or postgresql://"),
        ("sqlite:/one-slash", "Could not parse"),
        ("postgresql://somebody:secret@127.0.0.1:port/nothing", "port"),
    ],
)
def test_a_database_that_cannot_be_used_fails(
    pushpull: Command, monkeypatch: pytest.MonkeyPatch, url: str, found: str
) -> None:
    monkeypatch.setenv("PUSHPULL_DATABASE_URL", url)
    said = pushpull("doctor")
    assert said.code == 1
    assert found in said.out
    assert "PUSHPULL_DATABASE_URL" in said.out
    assert "secret" not in said.out


def test_every_value_that_cannot_be_used_is_named(pushpull: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHPULL_TIMEZONE", "Mars/Olympus")
    monkeypatch.setenv("PUSHPULL_BATCH_SIZE", "9999")
    said = pushpull("doctor")
    assert said.code == 1
    assert "PUSHPULL_TIMEZONE" in said.out
    assert "PUSHPULL_BATCH_SIZE" in said.out
    error = pushpull("wave", "list").error
    assert "PUSHPULL_TIMEZONE: 'Mars/Olympus' is not an IANA time zone" in error
    assert "pushpull doctor" in error


def test_a_call_that_outlives_its_lease_fails(pushpull: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHPULL_CALL_DEADLINE_SECONDS", "90")
    said = pushpull("doctor")
    assert said.code == 1
    assert "PUSHPULL_LEASE_SECONDS" in said.out


def test_broken_content_fails_and_names_the_command_that_says_more(
    pushpull: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = tmp_path / "content"
    shutil.copytree(ROOT / "content", content, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    monkeypatch.setenv("PUSHPULL_CONTENT_DIR", str(content))
    assert pushpull("doctor").code == 0
    campaign = content / "campaigns" / "two-minutes-a-day.yaml"
    campaign.write_text(campaign.read_text().replace("weeks: 6", "weeks: many"))
    said = pushpull("doctor")
    assert said.code == 1
    assert "pushpull lint" in said.out
    linted = pushpull("lint")
    assert linted.code == 1
    assert "two-minutes-a-day.yaml:" in linted.out
    monkeypatch.setenv("PUSHPULL_CONTENT_DIR", str(tmp_path / "nowhere"))
    assert "PUSHPULL_CONTENT_DIR" in pushpull("doctor").out


def test_a_prefect_server_that_does_not_answer_fails(pushpull: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert pushpull("doctor").code == 1
    (prefect,) = (check for check in examine() if check.name == "Prefect")
    assert prefect.health is Health.BAD
    assert "pushpull serve" in prefect.fix


def test_the_shipped_env_example_is_what_the_settings_say(pushpull: Command) -> None:
    said = pushpull("settings")
    assert said.code == 0
    assert said.out.strip() == (ROOT / ".env.example").read_text().strip(), "run: pushpull settings > .env.example"


def test_the_env_example_uncommented_is_an_installation(pushpull: Command, tmp_path: Path) -> None:
    lines = pushpull("settings").out.splitlines()
    (tmp_path / ".env").write_text(
        "\n".join(line.removeprefix("# ") for line in lines if line.startswith("# PUSHPULL"))
    )
    (tmp_path / "content").symlink_to(ROOT / "content")
    assert pushpull("doctor").code == 0


def test_credentials_in_blocks_that_cannot_be_read_are_to_be_fixed(
    pushpull: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHPULL_CHANNELS", "email")
    monkeypatch.setenv("PUSHPULL_BASE_URL", "https://learn.example")
    monkeypatch.setenv("PUSHPULL_LINK_KEY", "a link secret for tests, 32 bytes")
    monkeypatch.setenv("PUSHPULL_CREDENTIALS_BLOCK", "production")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    said = pushpull("doctor")
    assert said.code == 1
    assert "PREFECT_API_URL" in said.out
