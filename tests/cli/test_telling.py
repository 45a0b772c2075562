"""`pushpull explain` and `pushpull report`: what became of one person, and of a campaign."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import ANNOUNCEMENT, CAMPAIGN, Command

MORNING = ("--as-of", "2026-01-12T09:30+01:00")
EVENING = ("--as-of", "2026-01-12T20:00+01:00")


def test_a_learners_path_is_told_with_its_rules(launched: Command) -> None:
    launched("run", "dispatch", *MORNING)
    tales = [launched("explain", f"e{number}", "--campaign", CAMPAIGN, *EVENING) for number in range(12)]
    assert {tale.code for tale in tales} == {0}
    assert all(ANNOUNCEMENT in tale.out for tale in tales)
    assert any("holdout" in tale.out for tale in tales)
    assert not all("holdout: nothing is sent" in tale.out for tale in tales)


def test_explaining_somebody_unknown_is_told(launched: Command) -> None:
    assert "'nobody'" in launched("explain", "nobody", "--campaign", CAMPAIGN).error
    assert "'nope'" in launched("explain", "e1", "--campaign", "nope").error
    assert launched("explain", "e1").code == 2


def test_explaining_before_anything_was_planned_is_told(company: Command) -> None:
    assert f"`pushpull run launch {CAMPAIGN}`" in company("explain", "e1", "--campaign", CAMPAIGN).error


def test_a_report_is_one_page(launched: Command, tmp_path: Path) -> None:
    launched("run", "dispatch", *MORNING)
    said = launched("report", CAMPAIGN, "--page", "out/report.html", *EVENING)
    assert said.code == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Two minutes a day" in page
    assert "e1@example.org" not in page


def test_a_report_on_an_unknown_campaign_is_told(pushpull: Command) -> None:
    assert "`pushpull run launch nope`" in pushpull("report", "nope").error
