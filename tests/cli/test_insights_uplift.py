"""`pushpull insights uplift`, `… experiments` and `… verdicts`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from pushpull.db import reading, writing
from pushpull.insights.tables import verdict
from pushpull.ledger.tables import campaign, wave
from tests.cli.conftest import CAMPAIGN, Command
from tests.content.conftest import CONTENT

LATER = "2026-02-20T12:00+01:00"
TRIED = """
experiments:
  - key: question-in-the-subject
    hypothesis: A question brings more people to open their page.
    wave: onboarding.invitation
    metric: clicked
    variants: [standard, question]
    decides_after: {weeks: 4}
    allocation: thompson
"""


def test_uplift_says_plainly_what_a_small_company_cannot_tell(launched: Command) -> None:
    said = launched("insights", "uplift", CAMPAIGN, "--as-of", LATER).out
    assert "completed all of it" in said
    assert f"{CAMPAIGN}: cannot tell so far:" in said
    found = json.loads(launched("insights", "uplift", CAMPAIGN, "--as-of", LATER, "--json").out)
    assert found["outcomes"][0]["said"] == "cannot tell"
    everything = launched("insights", "uplift", "--since", "2026-01-12T00:00Z", "--as-of", LATER).out
    assert "everything: cannot tell so far: 12 treated and 0 held out" in everything


def test_uplift_needs_to_know_of_what(launched: Command) -> None:
    assert launched("insights", "uplift").code != 0
    assert "nothing-like-this" in launched("insights", "uplift", "nothing-like-this").error


def test_a_campaign_that_tries_nothing_says_so(launched: Command, ledger: Engine) -> None:
    said = launched("insights", "experiments", CAMPAIGN, "--as-of", LATER).out
    assert "invitation-question: An invitation that asks a question" in said
    assert "cannot tell" in said
    with writing(ledger) as connection:
        definition = connection.scalars(select(campaign.c.definition)).one()
        connection.execute(update(campaign).values(definition={**definition, "experiments": []}))
    assert "tries nothing" in launched("insights", "experiments", CAMPAIGN, "--as-of", LATER).out


def test_verdicts_are_kept_and_come_out_the_same_again(launched: Command, ledger: Engine) -> None:
    assert "no verdict" in launched("insights", "verdicts", CAMPAIGN).out
    said = launched("insights", "verdicts", CAMPAIGN, "--keep", "--as-of", LATER).out
    rows = [line.split("│") for line in said.splitlines() if "uplift" in line]
    assert [cell.strip() for cell in rows[0][2:6]] == ["uplift", "cannot tell", "", "yes"]
    with reading(ledger) as connection:
        kept = connection.scalars(select(verdict.c.subject).order_by(verdict.c.subject)).all()
        assert kept == ["experiment:invitation-question", "uplift"]


def test_an_experiment_is_planned_by_lot_and_looked_at(
    company: Command, ledger: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(CONTENT, tmp_path / "content")
    path = tmp_path / "content" / "campaigns" / f"{CAMPAIGN}.yaml"
    before, _, own = path.read_text(encoding="utf-8").partition("\nexperiments:")
    path.write_text(f"{before}\nstages:" + own.partition("\nstages:")[2] + TRIED, encoding="utf-8")
    monkeypatch.setenv("PUSHPULL_CONTENT_DIR", str(tmp_path / "content"))
    assert company("run", "launch", CAMPAIGN, "--as-of", "2026-01-12T05:05+01:00").code == 0
    company("run", "dispatch", "--as-of", "2026-01-12T09:05+01:00")
    company("run", "onboarding", CAMPAIGN, "--as-of", "2026-01-15T05:05+01:00")
    said = company("insights", "experiments", CAMPAIGN, "--as-of", LATER).out
    assert "question-in-the-subject: A question brings more people" in said
    assert "cannot tell" in said
    with reading(ledger) as connection:
        spec = connection.scalars(select(wave.c.spec).where(wave.c.series == "onboarding.invitation")).one()
    assert spec["lot"] == "question-in-the-subject@2026-01-15"
    assert sum(weight for _, weight in spec["variants"]) == 1000  # the chances are kept with the wave
    assert all(450 < weight < 550 for _, weight in spec["variants"])  # of which nothing is known yet


def test_a_side_is_told_as_a_share_or_a_mean_and_of_how_many() -> None:
    from cli.insights_uplift import _side

    assert _side(263, 0.202, 100.0) == "20.2 % (n = 263)"
    assert _side(263, 1.9, 1.0) == "1.9 (n = 263)"
    assert _side(0, None, 100.0) == "0"
