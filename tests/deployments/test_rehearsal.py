"""The rehearsal behind `make demo`: nobody is left waiting, whatever zone they live in."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from content.campaign import STAGES, load_campaign
from deployments.demo import CAMPAIGN, NotADemoFolderError, _clear
from flows import rehearsal as played
from flows.rehearsal import Clock, Rehearsal, days_of, midnight
from pushpull.db import reading, writing
from pushpull.insights.sample import make_company
from pushpull.insights.simulate import SimulatedLearners
from pushpull.learners.choices import choose_habit
from pushpull.learners.tables import learner
from pushpull.ledger.results import WaveResult, wave_results
from pushpull.settings import Settings
from tasks.installation import assemble, installed


def a_rehearsal(folder: Path, *, size: int) -> Rehearsal:
    """Of the example campaign, from the evening before its first day on."""
    campaign = load_campaign(CAMPAIGN)
    clock = Clock(midnight(campaign.start) - timedelta(days=1))
    chosen = Settings(database_url=f"sqlite:///{folder / 'pushpull.db'}", outbox_dir=folder / "outbox")
    here = assemble(chosen, clock=clock)
    with writing(here.engine) as connection:
        make_company(connection, seed=7, size=size, now=clock.now, family=campaign.family)
    return Rehearsal(here, CAMPAIGN, SimulatedLearners(seed=7), clock)


def play(rehearsal: Rehearsal, *, days: int) -> list[WaveResult]:
    """What became of the waves in so many days."""
    start = load_campaign(CAMPAIGN).start
    with installed(rehearsal.here):
        for day in days_of(start, start + timedelta(days=days - 1)):
            asyncio.run(rehearsal.day(day))
    with reading(rehearsal.here.engine) as connection:
        waves = wave_results(connection, campaign_key=CAMPAIGN)
    rehearsal.here.engine.dispose()
    return waves


def test_the_first_days_reach_every_zone_and_hold_nothing(tmp_path: Path) -> None:
    rehearsal = a_rehearsal(tmp_path, size=60)
    waves = play(rehearsal, days=4)
    assert waves
    assert {wave.status for wave in waves} == {"open"}
    assert [wave.key for wave in waves if not wave.is_finished] == []
    announcement = next(wave for wave in waves if wave.key.startswith("launch.announcement"))
    assert announcement.accepted == announcement.audience - announcement.states["skipped"] > 40
    assert rehearsal.answers["sessions"] > 0


def test_every_stage_is_rehearsed() -> None:
    assert {stage.name for stage in played.STAGES} == set(STAGES)


def test_nudges_are_planned_on_the_day_before_as_they_are_when_deployed(tmp_path: Path) -> None:
    rehearsal = a_rehearsal(tmp_path, size=12)
    with writing(rehearsal.here.engine) as connection:
        for learner_id in connection.execute(select(learner.c.id)).scalars().all():
            choose_habit(connection, learner_id, is_wanted=True, rest_days=[], at=rehearsal.clock.now)
    nudges = {each.key: each.accepted for each in play(rehearsal, days=2) if each.key.startswith("habit.daily")}
    assert list(nudges) == ["habit.daily@2026-01-12", "habit.daily@2026-01-13", "habit.daily@2026-01-14"]
    assert nudges["habit.daily@2026-01-13"] > 0


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(NotADemoFolderError, match="not from a demo"):
        _clear(tmp_path)
    assert (tmp_path / "thesis.txt").exists()
