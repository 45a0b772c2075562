"""How somebody new begins: invented people, and a campaign of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pushpull.settings import Settings
from tests.cli.conftest import CAMPAIGN, Command


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(Settings.model_fields["content_dir"].default, tmp_path / "content")
    monkeypatch.setenv("PUSHPULL_CONTENT_DIR", str(tmp_path / "content"))
    return tmp_path / "content"


def test_a_copied_campaign_can_be_planned_for_invented_people(pushpull: Command, content: Path) -> None:
    assert "60 invented learners" in pushpull("import", "sample", "--learners", "60").out
    again = pushpull("import", "sample", "--learners", "60")
    assert again.code == 0
    made = pushpull("campaign", "copy", CAMPAIGN, "winter", "--start", "2026-12-07")
    assert "Monday 2026-12-07 to 2027-01-17" in made.out
    assert "another day" not in made.out
    planned = pushpull("run", "launch", "winter", "--as-of", "2026-12-07T05:05+01:00")
    assert "launch.announcement@2026-12-07" in planned.out


def test_another_day_of_the_week_is_told(pushpull: Command, content: Path) -> None:
    said = pushpull("campaign", "copy", CAMPAIGN, "winter", "--start", "2026-12-08")
    assert "starts on another day of the week" in said.out


def test_what_must_be_corrected_in_a_copy_is_told(pushpull: Command, content: Path) -> None:
    said = pushpull("campaign", "copy", CAMPAIGN, "later", "--start", "2029-12-03")
    assert said.code == 1
    assert "later.yaml is written" in said.out
    assert "ended on 2027-12-31" in said.out


def test_a_copy_over_another_campaign_is_refused(pushpull: Command, content: Path) -> None:
    assert "already" in pushpull("campaign", "copy", CAMPAIGN, CAMPAIGN, "--start", "2026-12-07").error


def test_invented_people_do_not_mix_with_real_ones(company: Command) -> None:
    assert "12 learners who are not invented" in company("import", "sample").error


def test_invented_people_are_not_put_where_messages_leave(pushpull: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CHANNELS": "slack",
        "SLACK_BOT_TOKEN": "xoxb-of-nobody",
        "LINK_KEY": "0123456789abcdef0123456789abcdef",
        "BASE_URL": "https://learn.example",
    }.items():
        monkeypatch.setenv(f"PUSHPULL_{name}", value)
    assert "messages really leave over slack" in pushpull("import", "sample").error
