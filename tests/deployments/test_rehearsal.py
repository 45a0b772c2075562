"""The rehearsal behind `make demo`: nobody is left waiting, whatever zone they live in."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from content.campaign import load_campaign
from deployments.demo import CAMPAIGN, NotADemoFolderError, _clear
from deployments.rehearsal import Clock, Rehearsal, days_of, midnight
from pushpull.db import reading, writing
from pushpull.insights.sample import make_company
from pushpull.insights.simulate import SimulatedLearners
from pushpull.ledger.results import wave_results
from pushpull.settings import Settings
from tasks.installation import assemble, installed


def test_the_first_days_reach_every_zone_and_hold_nothing(tmp_path: Path) -> None:
    campaign = load_campaign(CAMPAIGN)
    clock = Clock(midnight(campaign.start) - timedelta(days=1))
    chosen = Settings(database_url=f"sqlite:///{tmp_path / 'pushpull.db'}", outbox_dir=tmp_path / "outbox")
    here = assemble(chosen, clock=clock)
    with writing(here.engine) as connection:
        make_company(connection, seed=7, size=60, now=clock.now, family=campaign.family)
    rehearsal = Rehearsal(here, CAMPAIGN, SimulatedLearners(seed=7), clock)
    with installed(here):
        for day in days_of(campaign.start, campaign.start + timedelta(days=3)):
            asyncio.run(rehearsal.day(day))
    with reading(here.engine) as connection:
        waves = wave_results(connection, campaign_key=CAMPAIGN)
    assert waves
    assert {wave.status for wave in waves} == {"open"}
    assert [wave.key for wave in waves if not wave.is_finished] == []
    announcement = next(wave for wave in waves if wave.key.startswith("launch.announcement"))
    assert announcement.accepted == announcement.audience - announcement.states["skipped"] > 40
    assert rehearsal.answers["sessions"] > 0
    here.engine.dispose()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(NotADemoFolderError, match="not from a demo"):
        _clear(tmp_path)
    assert (tmp_path / "thesis.txt").exists()
