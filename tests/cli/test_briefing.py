"""`pushpull preflight --wave`: the briefing of a planned wave, in the terminal."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from pushpull.db import reading
from pushpull.ledger.tables import delivery
from pushpull.settings import Settings
from tests.cli.conftest import ANNOUNCEMENT, CAMPAIGN, Command

MORNING = ("--as-of", "2026-01-12T05:30+01:00")


def test_a_planned_wave_is_described_before_it_is_sent(launched: Command, ledger: Engine) -> None:
    said = launched("preflight", CAMPAIGN, "--wave", ANNOUNCEMENT, *MORNING)
    assert said.code == 0
    with reading(ledger) as connection:
        planned = connection.execute(
            select(func.count()).select_from(delivery).where(delivery.c.state == "planned")
        ).scalar_one()
    assert f"{planned} of 12 people get this message" in said.out
    for part in ("Who gets it", "When", "What it costs", "What effect it can show", "What the checks say", "Alex"):
        assert part in said.out, part


def test_an_error_of_the_checks_is_told_and_is_the_exit_code(
    launched: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = tmp_path / "content"
    shutil.copytree(Settings().content_dir, content)
    words = content / "templates" / "messages" / "launch-announcement" / "en.yaml"
    said_once = "call_to_action: Open my page"
    assert said_once in words.read_text()
    words.write_text(words.read_text().replace(said_once, "call_to_action: [Open my page, Open it]"))
    monkeypatch.setenv("PUSHPULL_CONTENT_DIR", str(content))
    said = launched("preflight", CAMPAIGN, "--wave", ANNOUNCEMENT, *MORNING)
    assert said.code == 1
    assert "Look at this first" in said.out
    assert "calls to action" in said.out


def test_a_wave_that_was_never_planned_has_no_briefing(launched: Command) -> None:
    error = launched("preflight", CAMPAIGN, "--wave", "launch.announcement@1999-01-01", *MORNING).error
    assert "`pushpull wave list`" in error
