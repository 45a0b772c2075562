"""`pushpull explain` and `pushpull report`: what became of one person, and of a campaign."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, select

from pushpull.db import reading
from pushpull.learners.tables import learner
from pushpull.ledger.tables import delivery
from pushpull.ledger.vocabulary import DeliveryState
from tests.cli.conftest import ANNOUNCEMENT, CAMPAIGN, Command

MORNING = ("--as-of", "2026-01-12T09:30+01:00")
EVENING = ("--as-of", "2026-01-12T20:00+01:00")


def _one(ledger: Engine, state: DeliveryState) -> str:
    with reading(ledger) as connection:
        found = connection.execute(
            select(learner.c.external_id)
            .join(delivery, delivery.c.learner_id == learner.c.id)
            .where(delivery.c.state == state)
            .limit(1)
        ).scalar_one()
    return str(found)


def test_a_learners_path_is_told_with_its_rules(launched: Command, ledger: Engine) -> None:
    launched("run", "dispatch", *MORNING)
    for state, rule in ((DeliveryState.ACCEPTED, "sent"), (DeliveryState.SKIPPED, "holdout: nothing is sent")):
        tale = launched("explain", _one(ledger, state), "--campaign", CAMPAIGN, *EVENING)
        assert tale.code == 0
        assert ANNOUNCEMENT in tale.out
        assert rule in tale.out


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
    assert 'href="report-executive.html"' in page
    sheet = (tmp_path / "out" / "report-executive.html").read_text()
    assert "What is not known" in sheet
    assert launched("report", CAMPAIGN, "--executive", "--page", "out/sheet.html", *EVENING).code == 0
    alone = (tmp_path / "out" / "sheet.html").read_text()
    assert "What is not known" in alone
    assert 'href="report.html"' not in alone


def test_a_report_on_an_unknown_campaign_is_told(pushpull: Command) -> None:
    assert "`pushpull run launch nope`" in pushpull("report", "nope").error
