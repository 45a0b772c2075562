"""A wave may draw by lot which channel is tried first; an obligation is drawn by nothing that follows success."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from content.campaign import load_campaign, stage_waves
from content.source import ContentError, Problem
from pushpull.ledger.specs import ChannelsBy
from tests.content.conftest import EXAMPLE, Edit

FILE = f"campaigns/{EXAMPLE}.yaml"
SMALL = "state: [dormant]\n        when: {inactive_days: 7, inactive_rhythm: 2, from_week: 2}"
OWN = "channels: [teams, slack, email, sms]\n        prefer_learner_channel: true"


def problems_of(copied: Path) -> tuple[Problem, ...]:
    with pytest.raises(ContentError) as refused:
        load_campaign(EXAMPLE, copied)
    return refused.value.problems


def test_the_wave_says_that_its_first_channel_is_drawn_and_planning_adds_the_chances(edit: Edit, copied: Path) -> None:
    edit(FILE, SMALL, f"channels_by: thompson\n        {SMALL}")
    (small,) = stage_waves(load_campaign(EXAMPLE, copied), "reengagement", date(2026, 2, 3), "small")
    assert small.channels_by is ChannelsBy.THOMPSON
    assert small.channel_weights == ()
    (choice,) = stage_waves(load_campaign(EXAMPLE, copied), "reengagement", date(2026, 2, 3), "choice")
    assert choice.channels_by is ChannelsBy.WRITTEN


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (f"{OWN}\n        channels_by: thompson", "write one of them"),
        ("channels: [teams]\n        channels_by: thompson", "name two or more"),
        ("channels: [teams, slack]\n        channels_by: luck", "'written' or 'thompson'"),
    ],
)
def test_what_does_not_fit_is_refused_with_words(edit: Edit, copied: Path, new: str, said: str) -> None:
    edit(FILE, OWN, new)
    assert said in "\n".join(each.message for each in problems_of(copied))


def test_an_obligation_is_drawn_by_no_lot_that_follows_success(edit: Edit, copied: Path) -> None:
    edit(FILE, SMALL, f"channels_by: thompson\n        {SMALL}")
    edit(FILE, "decides_after: {weeks: 5}", "allocation: thompson\n    decides_after: {weeks: 5}")
    edit(FILE, "class: nudge", "class: mandatory")
    edit(FILE, "holdout: 0.1", "holdout: 0")
    found = {each.field: each.message for each in problems_of(copied)}
    assert "follows success" in found["experiments[0].allocation"]
    assert "drawn by lot" in found["stages.reengagement.waves[0].channels_by"]
