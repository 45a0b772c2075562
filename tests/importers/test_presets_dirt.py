"""The same exports as they really come: other encodings, columns moved, totals at the end, days before months."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pushpull.importers.presets import PresetError
from pushpull.importers.reading import SourceError
from pushpull.importers.tabular import import_records
from pushpull.learners.tables import activity, progress
from tests.importers.dirt import table_of, the_last, with_cells, written
from tests.importers.files import LATER, everything_in, quarantined, rows_of
from tests.importers.lms_files import STEPS, a_company

RECORDS = [name for name, steps in STEPS.items() if steps[-1].load is import_records]


@pytest.fixture
def company(engine: Engine) -> Engine:
    return a_company(engine)


@pytest.fixture
def small_company(sqlite_engine: Engine) -> Engine:
    """For what is decided before a database is asked: one of the two is enough."""
    return a_company(sqlite_engine)


# How it is written


@pytest.mark.parametrize(
    ("delimiter", "encoding"),
    [(",", "utf-8-sig"), (";", "cp1252"), ("\t", "utf-16"), ("|", "utf-8")],
    ids=["BOM", "semicolons in Windows-1252", "tabs in UTF-16", "bars"],
)
def test_however_a_file_is_written_the_same_comes_of_it(
    small_company: Engine, tmp_path: Path, delimiter: str, encoding: str
) -> None:
    for name in RECORDS:
        step = the_last(small_company, name)
        path = written(table_of(step), tmp_path / "export.csv", delimiter=delimiter, encoding=encoding)
        assert step.run(small_company, path=path).rejected == 0
        before = everything_in(small_company)
        assert step.run(small_company, now=LATER).accepted == 0, f"{name}: the plain sample says something else"
        assert everything_in(small_company) == before


@pytest.mark.parametrize("name", [name for name in RECORDS if "activity completion" not in name])
def test_columns_may_stand_elsewhere_and_others_among_them(small_company: Engine, tmp_path: Path, name: str) -> None:
    step = the_last(small_company, name)
    moved = [["x" if number else "Cost centre", *reversed(row)] for number, row in enumerate(table_of(step))]
    report = step.run(small_company, path=written(moved, tmp_path / "moved.csv"))
    assert (report.rejected, report.new) == (0, step.new)


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("moodle course log", "Event name", "lacks: Event name"),
        ("moodle course log", "Time", "lacks: Time"),
        ("moodle course completion", "Course complete", "lacks: Course complete"),
        ("linkedin learning", "Percent Completed", "lacks: Percent Completed"),
        ("linkedin learning", "Email", "lacks: Email or Email Address"),
        ("cornerstone", "Transcript Status", "lacks: Transcript Status or Transcript - Transcript Status"),
        ("successfactors histories", "CompletionStatusID", "lacks: CompletionStatusID"),
        ("canvas", "Last Access", "lacks: Last Access"),
        ("workday learning", "Employee_ID", "lacks: Employee_ID or Employee ID"),
    ],
)
def test_a_renamed_column_is_named_before_anything_is_written(
    small_company: Engine, tmp_path: Path, name: str, column: str, said: str
) -> None:
    step = the_last(small_company, name)
    header, *rows = table_of(step)
    renamed = [f"{each} (new)" if each == column else each for each in header]
    before = everything_in(small_company)
    with pytest.raises((PresetError, SourceError), match=said.replace("(", r"\(") if "lacks" in said else said):
        step.run(small_company, path=written([renamed, *rows], tmp_path / "renamed.csv"))
    assert everything_in(small_company) == before


def test_what_is_wrong_is_said_once_and_in_words(small_company: Engine, tmp_path: Path) -> None:
    step = the_last(small_company, "moodle course completion")
    with pytest.raises((PresetError, SourceError)) as caught:
        step.run(small_company, path=written([["Course", "Time"], ["a", "b"]], tmp_path / "other.csv"))
    lacking = str(caught.value).partition("lacks: ")[2].split(", ")
    assert len(lacking) == len(set(lacking)) > 1
    unclear = replace(step, params={**step.params, "date_order": "european"})
    with pytest.raises(PresetError, match="date_order='european' is no order: dmy where"):
        unclear.run(small_company)


# What stands in it


@pytest.mark.parametrize("name", [name for name in RECORDS if "activity completion" not in name])
def test_a_line_of_totals_is_refused_with_its_number_and_the_rest_comes_in(
    small_company: Engine, tmp_path: Path, name: str
) -> None:
    step = the_last(small_company, name)
    header, *rows = table_of(step)
    totals = ["Total", *[""] * (len(header) - 2), str(len(rows))]
    report = step.run(small_company, path=written([header, *rows, totals], tmp_path / "totals.csv"))
    assert report.new == step.new
    if report.rejected:
        assert {row for row, _, _ in quarantined(small_company)} == {len(rows) + 2}
    else:  # a log of events leaves out what is no event, and counts it
        assert report.filtered == step.filtered + 1


def test_a_row_that_is_there_twice_says_nothing_new(company: Engine, tmp_path: Path) -> None:
    for name in RECORDS:
        step = the_last(company, name)
        header, *rows = table_of(step)
        report = step.run(company, path=written([header, *rows, rows[0]], tmp_path / "twice.csv"))
        assert (report.rejected, report.adds_up) == (0, True)
        # Moodle's log cannot tell equal rows apart, so there each is a record.
        assert report.duplicate >= (0 if "log" in name else 1), name


def test_equal_rows_of_a_moodle_log_are_all_kept_and_found_again_in_a_longer_one(
    company: Engine, tmp_path: Path
) -> None:
    step = the_last(company, "moodle course log")
    header, *rows = table_of(step)
    assert step.run(company, path=written([header, *rows[2:]], tmp_path / "first.csv")).new == step.new - 2
    assert step.run(company, path=written([header, *rows], tmp_path / "longer.csv")).new == 2
    assert len(rows_of(company, activity, "id")) == step.new


@pytest.mark.parametrize(
    ("name", "cells", "said"),
    [
        ("moodle course log", {"Time": "11 February 2026"}, ("occurred_at", "unreadable_date")),
        ("moodle course log", {"Time": "31/02/26, 09:20:05"}, ("occurred_at", "unreadable_date")),
        ("moodle course log", {"Time": ""}, ("occurred_at", "missing")),
        ("moodle course log", {"Description": "Somebody did something."}, ("learner", "unknown_value")),
        ("moodle course log", {"Description": "The user with id '99' viewed it."}, ("learner", "unknown_person")),
        ("moodle course completion", {"Course_complete": "11/22/26, 09:20"}, ("completed_at", "unreadable_date")),
        ("moodle course completion", {"Email_address": "somewhere"}, ("learner", "unreadable_email")),
        ("linkedin learning", {"Percent_Completed": "101%"}, ("ratio", "out_of_range")),
        ("linkedin learning", {"Percent_Completed": "most"}, ("ratio", "unreadable_number")),
        ("linkedin learning", {"Email": "nobody@example.com"}, ("learner", "unknown_person")),
        ("linkedin learning", {"Email": ""}, ("learner", "missing")),
        ("linkedin learning", {"Content_ID": "urn:li:lyndaCourse:1"}, ("item_key", "unknown_item")),
        ("linkedin learning", {"Completed_At_(PST/PDT)": "13/02/2026, 4:40 PM"}, ("completed_at", "unreadable_date")),
        ("cornerstone", {"Transcript_Status": "Somewhere"}, ("status", "unknown_status")),
        ("cornerstone", {"Transcript_Status": ""}, ("status", "missing")),
        ("cornerstone", {"Transcript_Due_Date": "27/2/2026"}, ("due_at", "unreadable_date")),
        ("successfactors histories", {"CompletionStatusID": "OUR-OWN"}, ("verb", "unknown_value")),
        ("successfactors histories", {"ComponentID": ""}, ("item_key", "missing")),
        ("successfactors histories", {"CompletionDate": ""}, ("occurred_at", "missing")),
        ("canvas", {"Last_Access": "", "First_Access": ""}, ("occurred_at", "missing")),
        ("canvas", {"Action": "glance"}, ("verb", "unknown_value")),
        ("workday learning", {"Completion_Date": "02/03/2026"}, ("completed_at", "unreadable_date")),
        ("workday learning", {"Employee_ID": "E9999"}, ("learner", "unknown_person")),
    ],
)
def test_a_cell_that_cannot_be_read_is_refused_with_its_row_and_field(
    small_company: Engine, tmp_path: Path, name: str, cells: dict[str, str], said: tuple[str, str]
) -> None:
    step = the_last(small_company, name)
    table = with_cells(table_of(step), 1, **cells)
    report = step.run(small_company, path=written(table, tmp_path / "dirty.csv"))
    assert report.rejected in (1, 2)  # a row may be two records
    assert set(quarantined(small_company)) == {(2, *said)}
    assert report.new >= step.new - 2


def test_an_empty_cell_changes_nothing_that_is_known(company: Engine, tmp_path: Path) -> None:
    step = the_last(company, "linkedin learning")
    step.run(company)
    before = everything_in(company)
    emptied = table_of(step)
    for row in range(1, len(emptied)):
        emptied = with_cells(emptied, row, **{"Completed_At_(PST/PDT)": "", "Percent_Completed": "", "Name": ""})
    assert step.run(company, path=written(emptied, tmp_path / "emptied.csv")).accepted == 0
    assert everything_in(company) == before


# Day and month


def test_the_order_of_day_and_month_has_to_be_said(small_company: Engine) -> None:
    for name in ("moodle course log", "moodle course completion", "linkedin learning", "cornerstone", "canvas"):
        step = the_last(small_company, name)
        unsaid = replace(step, params={k: v for k, v in step.params.items() if k != "date_order"})
        with pytest.raises(PresetError, match=r"give --param date_order=… \(.*dmy"):
            unsaid.run(small_company)


def test_who_asks_for_a_guess_gets_none(small_company: Engine, tmp_path: Path) -> None:
    step = the_last(small_company, "moodle course log")
    report = replace(step, params={**step.params, "date_order": "auto"}).run(small_company)
    assert (report.accepted, report.rejected) == (0, step.new)
    assert {(field, reason) for _, field, reason in quarantined(small_company)} == {("occurred_at", "ambiguous_date")}


@pytest.mark.parametrize(
    ("order", "expected"),
    [("dmy", datetime(2026, 3, 2, 12, tzinfo=UTC)), ("mdy", datetime(2026, 2, 3, 12, tzinfo=UTC))],
)
def test_a_date_that_could_be_both_is_read_as_it_was_said(
    company: Engine, tmp_path: Path, order: str, expected: datetime
) -> None:
    step = the_last(company, "cornerstone")
    header, first, *_ = table_of(step)
    row = dict(zip(header, first, strict=True)) | dict.fromkeys(
        ("Transcript Assigned Date", "Transcript Due Date", "Transcript Completed Date"), "02/03/2026"
    )
    path = written([header, list(row.values())], tmp_path / "both.csv")
    assert replace(step, params={"date_order": order}).run(company, path=path).new == 1
    assert rows_of(company, progress, "completed_at", "assigned_at") == [(expected, expected)]
