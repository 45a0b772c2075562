"""`pushpull insights`: what was found, what is proposed, and a yes that changes the campaign's file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from pushpull.db import writing
from pushpull.insights.loop import Change, Found, InsightKind, Metric, MetricKind, Setting
from pushpull.insights.loop.insights import note
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.tables import audit
from tasks.proposals import propose_change
from tests.cli.conftest import CAMPAIGN, Command

CONTENT = Path(__file__).resolve().parents[2] / "content"
AT = ("--as-of", "2026-01-26T09:30+01:00")
CHANGE = Change((Setting("stages.launch.waves.reminder.hour", 14),), "Send the reminder at two.")
FOUND = Found(
    InsightKind.SEND_HOUR,
    "launch.reminder",
    "Two is better than ten.",
    {"hour": 14},
    CHANGE,
    Metric(MetricKind.ANSWERED, "launch.reminder"),
)


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Content of its own."""
    folder = tmp_path / "content"
    shutil.copytree(CONTENT, folder)
    monkeypatch.setenv("PUSHPULL_CONTENT_DIR", str(folder))
    return folder / "campaigns" / f"{CAMPAIGN}.yaml"


@pytest.fixture
def proposed(pushpull: Command, content: Path, company: Command, ledger: Engine) -> Command:
    """A launched campaign with a planted insight and what follows from it."""
    from datetime import UTC, datetime

    at = datetime(2026, 1, 20, tzinfo=UTC)
    assert company("run", "launch", CAMPAIGN, "--as-of", "2026-01-12T05:05+01:00").code == 0
    with writing(ledger) as connection:
        insight_id = note(connection, campaign_id_of(connection, CAMPAIGN), FOUND, at=at)
    assert propose_change(CAMPAIGN, insight_id, CHANGE, at) == 1
    return company


def test_a_proposal_is_shown_approved_and_in_the_file(proposed: Command, content: Path, ledger: Engine) -> None:
    assert "Send the reminder at two." in proposed("insights", "proposals").out
    assert "+        hour: 14" in proposed("insights", "show", "1").out
    said = proposed("insights", "approve", "1", "--who", "ada", "--why", "fits", "--yes", *AT)
    assert (said.code, "was applied" in said.out) == (0, True)
    assert "hour: 14" in content.read_text()
    with writing(ledger) as connection:
        told = {tuple(each) for each in connection.execute(select(audit.c.who, audit.c.what))}
    assert {("ada", "proposal approved"), ("ada", "proposal applied")} <= told
    (found,) = json.loads(proposed("insights", "list", CAMPAIGN, "--json").out)
    assert (found["kind"], found["proposals"][0]["state"]) == ("send_hour", "applied")
    again = proposed("insights", "approve", "1", "--who", "ada", "--why", "fits", "--yes", *AT)
    assert "nothing is asked about it any more" in again.error


def test_a_rejected_one_leaves_the_file_and_a_number_of_none_is_said(proposed: Command, content: Path) -> None:
    before = content.read_bytes()
    assert "rejected" in proposed("insights", "reject", "1", "--who", "ada", "--why", "no", "--yes", *AT).out
    assert content.read_bytes() == before
    assert "there is no proposal 9" in proposed("insights", "show", "9").error


def test_a_look_by_hand_and_the_pull_share(proposed: Command) -> None:
    assert f"{CAMPAIGN}: " in proposed("insights", "look", "--quick", *AT).out
    assert "fewer than 5 learners" in proposed("insights", "pull", CAMPAIGN, *AT).out
    weeks = json.loads(proposed("insights", "pull", CAMPAIGN, "--json", *AT).out)
    assert (weeks[0]["from"], weeks[0]["share"], weeks[0]["intensity"]) == ("2026-01-12", None, "full")
    assert "no campaign 'nothing'" in proposed("insights", "list", "nothing").error
