"""Experiments in a campaign file: what they may say, and by which lots their waves are drawn."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from content.campaign import campaign_spec, load_campaign, stage_waves
from content.source import ContentError, Problem
from tests.content.conftest import EXAMPLE, Edit

FILE = f"campaigns/{EXAMPLE}.yaml"
WRITTEN = """
experiments:
  - key: subject-line
    hypothesis: A question brings more people to open their page.
    wave: {wave}
    metric: clicked
    variants: [{variants}]
    {decides}
    {allocation}
"""


def with_experiments(edit: Edit, *written: str) -> Path:
    path = edit(FILE, "key: ", "key: ")
    before, _, own = path.read_text(encoding="utf-8").partition("\nexperiments:")
    stages = own.partition("\nstages:")[2]
    path.write_text(f"{before}\nstages:{stages}\n{''.join(written)}", encoding="utf-8")
    return path


def one(
    wave: str = "onboarding.first-step",
    variants: str = "standard, question",
    decides: str = "decides_after: {weeks: 4}",
    allocation: str = "allocation: fixed",
) -> str:
    return WRITTEN.format(wave=wave, variants=variants, decides=decides, allocation=allocation)


def problems_of(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(ContentError) as caught:
        load_campaign(path.stem, path.parent.parent)
    return caught.value.problems


def split_wave(content_dir: Path) -> tuple[str, str]:
    """The first wave of the example that has variants, and their names."""
    for stage, wave in load_campaign(EXAMPLE, content_dir).waves():
        if wave.variants:
            return f"{stage}.{wave.key}", ", ".join(wave.variants)
    raise AssertionError("no wave of the example has variants")


def test_an_experiment_names_the_lot_of_its_wave_and_is_kept_with_the_campaign(edit: Edit, content_dir: Path) -> None:
    series, variants = split_wave(content_dir)
    path = with_experiments(edit, one(series, variants))
    campaign = load_campaign(path.stem, path.parent.parent)
    days = [campaign.start + timedelta(days=number) for number in range(42)]
    lots = {
        each.lot for day in days for each in stage_waves(campaign, series.split(".")[0], day) if each.series == series
    }
    assert lots == {"subject-line"}
    kept = campaign_spec(campaign).definition["experiments"]
    assert isinstance(kept, list)
    assert kept[0]["wave"] == series


def test_a_lot_that_follows_success_is_drawn_anew_for_each_message(edit: Edit, content_dir: Path) -> None:
    series, variants = split_wave(content_dir)
    path = with_experiments(edit, one(series, variants, allocation="allocation: thompson"))
    campaign = load_campaign(path.stem, path.parent.parent)
    days = [campaign.start + timedelta(days=number) for number in range(42)]
    found = [each for day in days for each in stage_waves(campaign, series.split(".")[0], day) if each.series == series]
    assert [each.lot for each in found] == [f"subject-line@{each.on}" for each in found]


def test_what_does_not_fit_is_said_at_its_line(edit: Edit, content_dir: Path) -> None:
    series, variants = split_wave(content_dir)
    path = with_experiments(
        edit,
        one("launch.nowhere", variants),
        *(part.replace("experiments:\n", "") for part in (one(series, "standard, nothing"), one(series, variants))),
        one(series, variants, decides="decides_on: 2030-01-01").replace("experiments:\n", ""),
    )
    assert {each.field for each in problems_of(path)} == {
        "experiments[0].wave",
        "experiments[1]",
        "experiments[0]",
        "experiments[2]",
        "experiments[3]",
        "experiments[1].variants",
        "experiments[2].wave",
        "experiments[3].wave",
        "experiments[3].decides_on",
    }


@pytest.mark.parametrize(
    ("decides", "said"),
    [
        ("decides_after: {weeks: 2}\n    decides_on: 2026-02-01", "exactly one of"),
        ("within_days: 5", "exactly one of"),
    ],
)
def test_an_experiment_is_decided_on_one_day(edit: Edit, content_dir: Path, decides: str, said: str) -> None:
    path = with_experiments(edit, one(*split_wave(content_dir), decides=decides))
    assert any(said in each.message for each in problems_of(path))
