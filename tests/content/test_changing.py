"""A change of a campaign's file: comments and formatting stay, and it is written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from content.campaign import changing, load_campaign
from content.campaign.changing import CannotChangeError, FileChangedError, ReadOnlyError, draft, file_hash, write
from pushpull.insights.loop import Change, Setting, Value
from tests.content.conftest import EXAMPLE, Edit


def to(*settings: tuple[str, Value]) -> Change:
    return Change(tuple(Setting(place, value) for place, value in settings), "because")


def lines_of(diff: str) -> list[str]:
    return [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def test_a_diff_holds_what_is_changed_and_nothing_else(copied: Path) -> None:
    change = to(
        ("stages.launch.waves.reminder.hour", 14),
        ("stages.launch.waves.reminder.channels", ("email", "teams", "slack")),
        ("stages.launch.waves.reminder.prefer_learner_hour", True),
        ("stages.onboarding.waves.invitation.variants", {"standard": 1, "question": 3}),
        ("stop.opt_outs", 0.04),
    )
    made = draft(EXAMPLE, change, copied)
    assert lines_of(made.diff) == [
        "-  opt_outs: 0.05",
        "+  opt_outs: 0.04",
        "-        hour: 10",
        "-        channels: [teams, slack, email]",
        "+        hour: 14",
        "+        channels: [email, teams, slack]",
        "+        prefer_learner_hour: true",
        "-        variants: {standard: 1, question: 1}",
        "+        variants: {standard: 1, question: 3}",
    ]
    assert made.diff.startswith(f"--- a/campaigns/{EXAMPLE}.yaml\n+++ b/campaigns/{EXAMPLE}.yaml\n")
    assert made.base_hash == file_hash(EXAMPLE, copied)
    write(made)
    assert file_hash(EXAMPLE, copied) == made.new_hash
    waves = {wave.key: wave for _, wave in load_campaign(EXAMPLE, copied).waves()}
    assert (waves["reminder"].hour, waves["reminder"].prefer_learner_hour) == (14, True)
    assert "# a Monday" in (copied / "campaigns" / f"{EXAMPLE}.yaml").read_text()


def test_a_change_that_is_made_already_is_needless(copied: Path) -> None:
    change = to(("intensity.eased", {"up": 0.6, "down": 0.4}), ("holdout", 0.2))
    write(draft(EXAMPLE, change, copied))
    again = draft(EXAMPLE, change, copied)
    assert again.is_needless
    assert (again.diff, again.new_hash) == ("", again.base_hash)


def test_a_place_that_is_not_there_is_refused_and_a_new_field_of_a_place_is_not(copied: Path) -> None:
    for place in ("stages.launch.waves.gone.hour", "stages.gone.waves", "items.focus-time", "name.first.letter"):
        with pytest.raises(CannotChangeError):
            draft(EXAMPLE, to((place, 1)), copied)
    assert lines_of(draft(EXAMPLE, to(("second_approval_above", 5000)), copied).diff) == [
        "+second_approval_above: 5000"
    ]


def test_a_change_the_file_could_not_be_used_with_is_refused(copied: Path) -> None:
    with pytest.raises(CannotChangeError, match="hour"):
        draft(EXAMPLE, to(("stages.launch.waves.reminder.hour", 25)), copied)
    with pytest.raises(CannotChangeError, match="variants"):
        draft(EXAMPLE, to(("stages.onboarding.waves.invitation.variants", {"no-such-text": 1})), copied)


def test_a_file_laid_out_in_another_way_keeps_its_lines(copied: Path, edit: Edit) -> None:
    edit(f"campaigns/{EXAMPLE}.yaml", "caps: {day: 1, week: 3, month: 10}", "caps: { day: 1,  week: 3, month: 10 }")
    path = edit(f"campaigns/{EXAMPLE}.yaml", "items: [feedback-101", "items:    [feedback-101")
    made = draft(EXAMPLE, to(("stages.launch.waves.reminder.hour", 14)), copied)
    kept = path.read_text()
    write(made)
    assert path.read_text().replace("hour: 14", "hour: 10") == kept


def test_windows_line_ends_stay(copied: Path) -> None:
    path = copied / "campaigns" / f"{EXAMPLE}.yaml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    write(draft(EXAMPLE, to(("holdout", 0.2)), copied))
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")
    assert load_campaign(EXAMPLE, copied).holdout == 0.2


def test_a_file_that_was_changed_meanwhile_is_left_alone(copied: Path, edit: Edit) -> None:
    made = draft(EXAMPLE, to(("holdout", 0.2)), copied)
    path = edit(f"campaigns/{EXAMPLE}.yaml", "holdout: 0.1", "holdout: 0.15")
    theirs = path.read_bytes()
    with pytest.raises(FileChangedError, match="changed since"):
        write(made)
    assert path.read_bytes() == theirs


def test_writing_is_all_or_nothing_and_keeps_the_file_s_rights(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = draft(EXAMPLE, to(("holdout", 0.2)), copied)
    path = copied / "campaigns" / f"{EXAMPLE}.yaml"
    path.chmod(0o640)
    before, names = path.read_bytes(), sorted(path.parent.iterdir())

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(changing.os, "fsync", full)
    with pytest.raises(ReadOnlyError, match="No space left"):
        write(made)
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == (before, names)
    monkeypatch.undo()
    write(made)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(path.parent.iterdir()) == names


def test_a_folder_that_cannot_be_written_says_what_to_do(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = draft(EXAMPLE, to(("holdout", 0.2)), copied)

    def refused(**_where: object) -> tuple[int, str]:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(changing.tempfile, "mkstemp", refused)
    with pytest.raises(ReadOnlyError, match="apply the diff where the file is kept"):
        write(made)
