"""Tests that need the same costly thing run in one test process."""

from __future__ import annotations

from tests.spreading import ROOT, group_of, turn

FILES = sorted((ROOT / "tests").rglob("test_*.py"))


def test_whoever_starts_prefect_is_in_a_group() -> None:
    ungrouped = [
        path.name
        for path in FILES
        if "pytest.mark" + ".prefect" in path.read_text(encoding="utf-8") and not group_of(str(path.relative_to(ROOT)))
    ]
    assert ungrouped == []


def test_a_group_is_read_from_the_marks_of_its_file() -> None:
    assert group_of("tests/flows/test_approval.py") == group_of("tests/flows/test_watching.py") == "runs"
    assert group_of("tests/test_architecture.py") == ""


def test_groups_come_first() -> None:
    files = [
        "tests/browser/test_walking.py::a",
        "tests/flows/test_watching.py::a",
        "tests/end_to_end/test_prefect.py::a",
    ]
    assert sorted(files, key=turn) == [files[1], files[2], files[0]]
