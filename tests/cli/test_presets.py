"""`pushpull presets`: what can be imported, how, and samples that come in as the words say."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushpull.importers.presets import preset_names
from tests.cli.conftest import Command


def test_all_presets_are_listed_with_what_they_read(pushpull: Command) -> None:
    said = pushpull("presets")
    assert said.code == 0
    assert all(name in said.out for name in preset_names())
    assert "Cornerstone: transcripts" in said.out


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_says_what_to_type_and_where_its_columns_are_documented(pushpull: Command, name: str) -> None:
    said = pushpull("presets", "show", name)
    assert said.code == 0
    assert "documented at https://" in said.out
    assert f"--preset {name}" in said.out


def test_parameters_that_must_be_given_are_part_of_what_to_type(pushpull: Command) -> None:
    said = pushpull("presets", "show", "cornerstone").out
    assert "pushpull import records FILE --preset cornerstone --param date_order=…\n" in said
    assert "timezone (zone): Zone of the times in the file. Default: UTC." in said


def test_samples_come_in_by_what_is_said(pushpull: Command, tmp_path: Path) -> None:
    assert pushpull("presets", "sample", "generic", "--to", "samples").code == 0
    assert pushpull("presets", "sample", "linkedin-learning", "--to", "samples").code == 0
    assert pushpull("import", "people", "samples/people.csv").code == 0
    report = ("samples/learner-detail.csv", "--preset", "linkedin-learning")
    assert "--param date_order=…" in pushpull("import", "records", *report).error
    assert "2 accepted (2 new" in pushpull("import", "catalogue", *report).out
    dry = pushpull("import", "records", *report, "--param", "date_order=mdy", "--dry-run").out
    assert "new ada.fenwick@example.com: " in dry
    assert "3 accepted (3 new" in pushpull("import", "records", *report, "--param", "date_order=mdy").out
    assert "+ 3 duplicate" in pushpull("import", "records", *report, "--param", "date_order=mdy").out


def test_a_sample_never_overwrites_a_file_of_somebody(pushpull: Command, tmp_path: Path) -> None:
    (tmp_path / "transcript.csv").write_text("mine\n")
    assert "choose another folder" in pushpull("presets", "sample", "cornerstone").error
    assert (tmp_path / "transcript.csv").read_text() == "mine\n"
    assert pushpull("presets", "sample", "cornerstone", "--to", "elsewhere").code == 0
    assert pushpull("presets", "sample", "cornerstone", "--to", "elsewhere").code == 0


def test_an_unknown_preset_names_the_known_ones(pushpull: Command) -> None:
    assert "canvas, cornerstone, generic" in pushpull("presets", "show", "nothing").error


def test_a_preset_of_ones_own_is_a_file(pushpull: Command, tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(
        "name: ours\ndescription: Ours\nsource: ours\n"
        "shapes: [{name: staff, writes: people, fields: {external_id: {column: Personalnummer}}}]\n"
    )
    (tmp_path / "staff.csv").write_text("Personalnummer;Kostenstelle\n77;1\n")
    assert "external_id  ← Personalnummer" in pushpull("presets", "show", "ours.yaml").out
    assert "1 accepted (1 new" in pushpull("import", "people", "staff.csv", "--preset", "ours.yaml").out
    assert "has no sample files" in pushpull("presets", "sample", "ours.yaml").out
