"""`pushpull lint`, `preview` and `outbox`: what authors look at before and after sending."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import CAMPAIGN, Command


def test_the_shipped_content_is_clean(pushpull: Command) -> None:
    said = pushpull("lint")
    assert said.code == 0
    assert said.out.strip().splitlines()[-1].startswith("0 errors")


def test_a_preview_needs_no_learners(pushpull: Command, tmp_path: Path) -> None:
    said = pushpull("preview", CAMPAIGN, "--out-dir", "gallery")
    assert said.code == 0
    page = Path(said.out.strip().removeprefix("gallery: "))
    assert "Two minutes a day" in (tmp_path / page).read_text()


def test_a_preview_shows_what_a_learner_would_see(company: Command, tmp_path: Path) -> None:
    said = company("preview", CAMPAIGN, "--learner", "e1", "--out-dir", "gallery")
    assert said.code == 0
    page = tmp_path / said.out.strip().removeprefix("gallery: ")
    text = "".join(each.read_text() for each in page.parent.rglob("*.html"))
    assert "Given1" in text
    assert "e1" in text


def test_a_preview_of_an_unknown_learner_is_told(company: Command) -> None:
    assert "'nobody'" in company("preview", CAMPAIGN, "--learner", "nobody", "--out-dir", "gallery").error


def test_the_outbox_is_made_browsable(launched: Command, tmp_path: Path) -> None:
    launched("run", "dispatch", "--as-of", "2026-01-12T09:30+01:00")
    said = launched("outbox")
    assert said.code == 0
    assert Path(said.out.strip().removeprefix("outbox: ")).is_file()


def test_an_empty_outbox_is_no_fault(pushpull: Command) -> None:
    assert pushpull("outbox").code == 0
