"""A campaign begun from another one."""

from __future__ import annotations

import difflib
import shutil
from datetime import date
from pathlib import Path

import pytest

from content.campaign import load_campaign
from content.campaign.copying import CannotCopyError, copy_campaign
from pushpull.settings import Settings

SOURCE = "two-minutes-a-day"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(Settings.model_fields["content_dir"].default, tmp_path / "content")
    return tmp_path / "content"


def test_a_copy_differs_from_its_source_in_key_and_start_alone(folder: Path) -> None:
    file = copy_campaign(SOURCE, "winter", date(2026, 12, 7), folder)
    before = (folder / "campaigns" / f"{SOURCE}.yaml").read_text().splitlines()
    changed = [line for line in difflib.ndiff(before, file.read_text().splitlines()) if line[0] in "+-"]
    assert [line for line in changed if line[0] == "+"] == [
        "+ key: winter",
        "+ start: 2026-12-07",
    ]
    assert len(changed) == 4
    copy, source = load_campaign("winter", folder), load_campaign(SOURCE, folder)
    assert copy.ends_on - copy.start == source.ends_on - source.start


def test_dates_move_along(folder: Path) -> None:
    source = folder / "campaigns" / f"{SOURCE}.yaml"
    text = source.read_text().replace("weeks: 6\n", "end: 2026-02-22\n", 1)
    source.write_text(text.replace("due: {after_start: {days: 4}}", "due: {on: 2026-01-16}", 1))
    copy_campaign(SOURCE, "winter", date(2026, 12, 7), folder, name="Winter")
    copy = load_campaign("winter", folder)
    assert (copy.name, copy.ends_on) == ("Winter", date(2027, 1, 17))
    assert copy.goals[0].due.on == date(2026, 12, 11)


@pytest.mark.parametrize("key", ["Winter", "win ter", "../winter", "", "w--x", "x" * 61, SOURCE])
def test_a_key_that_cannot_be_used_or_is_taken_is_refused(folder: Path, key: str) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(CannotCopyError):
        copy_campaign(SOURCE, key, date(2026, 12, 7), folder)
    assert sorted(folder.rglob("*")) == before
