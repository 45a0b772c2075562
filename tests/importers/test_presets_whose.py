"""Whose row it is, and reports of other shapes: addresses of several people, wide columns, files taken up again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, update

from pushpull.db import writing
from pushpull.importers import tabular
from pushpull.importers.presets import PresetError
from pushpull.importers.reading import SourceError
from pushpull.importers.runs import ImportReport
from pushpull.importers.tabular import import_people
from pushpull.learners.consent import draw_for
from pushpull.learners.tables import learner, progress
from pushpull.ledger import erased
from tests.importers.dirt import table_of, the_last, with_cells, written
from tests.importers.files import LATER, NOW, everything_in, quarantined, rows_of
from tests.importers.lms_files import SAMPLES, STEPS, a_company


@pytest.fixture
def company(engine: Engine) -> Engine:
    return a_company(engine)


@pytest.fixture
def small_company(sqlite_engine: Engine) -> Engine:
    """For what is decided before a database is asked: one of the two is enough."""
    return a_company(sqlite_engine)


# Whose it is


def somebody(engine: Engine, key: str, email: str, *, is_active: bool = True) -> None:
    with writing(engine) as connection:
        connection.execute(
            insert(learner).values(
                external_id=key,
                email=email,
                active=is_active,
                draw=draw_for(key),
                created_at=NOW,
                updated_at=NOW,
            )
        )


def test_an_address_that_two_people_have_is_of_neither(company: Engine) -> None:
    step = the_last(company, "linkedin learning")
    somebody(company, "E2001", "ada.fenwick@example.com")
    report = step.run(company)
    assert report.reasons == {"ambiguous_person": 1}
    assert quarantined(company) == [(2, "learner", "ambiguous_person")]
    assert report.new == step.new - 1


def test_an_address_that_was_given_on_is_of_who_has_it_now(company: Engine) -> None:
    step = the_last(company, "linkedin learning")
    somebody(company, "E0001", "ada.fenwick@example.com", is_active=False)
    assert step.run(company).rejected == 0
    owners = {owner for (owner,) in rows_of(company, progress, "learner_id")}
    assert dict(rows_of(company, learner, "external_id", "id"))["E0001"] not in owners


def test_what_is_said_of_people_who_were_erased_is_refused_as_such(company: Engine) -> None:
    step = the_last(company, "linkedin learning")
    pepper = b"p" * 32
    with writing(company) as connection:
        erased.remember(connection, {"email": "ada.fenwick@example.com"}, pepper, at=NOW)
        connection.execute(update(learner).where(learner.c.external_id == "E1001").values(email=None, active=False))
    report = step.run(company, peppers=[pepper])
    assert report.reasons == {"erased": 1}
    assert quarantined(company) == [(2, "learner", "erased")]
    assert "ada.fenwick" not in str(everything_in(company)["progress"])


def test_a_number_of_another_moodle_is_of_nobody_here(company: Engine) -> None:
    step = the_last(company, "moodle course log")
    elsewhere = replace(step, params={**step.params, "site": "https://other.example.com"})
    assert elsewhere.run(company).reasons == {"unknown_person": step.new}


# Moodle's wide report


def test_a_wide_report_whose_columns_do_not_pair_up_is_refused(small_company: Engine, tmp_path: Path) -> None:
    step = the_last(small_company, "moodle activity completion")
    cut = [row[:-1] for row in table_of(step)]
    with pytest.raises(SourceError, match="columns must come in pairs, and there are 5"):
        step.run(small_company, path=written(cut, tmp_path / "cut.csv"))
    bare = [row[:2] for row in table_of(step)]
    with pytest.raises(SourceError, match="there are 0"):
        step.run(small_company, path=written(bare, tmp_path / "bare.csv"))


def test_activities_of_the_same_name_and_date_are_no_repeated_columns(company: Engine, tmp_path: Path) -> None:
    step = the_last(company, "moodle activity completion")
    table = table_of(step)
    twins = [[*row, *row[4:6]] for row in table]
    twins[1][-1] = "2026-02-12 10:00:00"
    report = step.run(company, path=written(twins, tmp_path / "twins.csv"))
    assert (report.rejected, report.new) == (0, step.new + 1)


def test_a_repeated_column_is_refused_in_every_other_report(small_company: Engine, tmp_path: Path) -> None:
    for name in ("moodle course completion", "linkedin learning"):
        step = the_last(small_company, name)
        twice = [[*row, row[1]] for row in table_of(step)]
        with pytest.raises(SourceError, match="names a column twice"):
            step.run(small_company, path=written(twice, tmp_path / "twice.csv"))


def test_a_broken_row_of_a_wide_report_is_refused_once(company: Engine, tmp_path: Path) -> None:
    step = the_last(company, "moodle activity completion")
    table = table_of(step)
    report = step.run(company, path=written([*table, ["Farah", "farah.quillon@example.com"]], tmp_path / "torn.csv"))
    assert (report.rejected, report.new) == (1, step.new)
    assert quarantined(company) == [(len(table) + 1, None, "wrong_cell_count")]


# Headings of the other kind of report


def test_headings_of_cornerstone_with_a_section_in_front_are_read_too(small_company: Engine, tmp_path: Path) -> None:
    step = the_last(small_company, "cornerstone")
    header, *rows = table_of(step)
    report = step.run(
        small_company, path=written([[f"{name.split()[0]} - {name}" for name in header], *rows], tmp_path / "r2.csv")
    )
    assert (report.rejected, report.new) == (0, step.new)


def test_a_completed_item_stays_completed_whatever_an_older_export_says(company: Engine, tmp_path: Path) -> None:
    step = the_last(company, "workday learning")
    older = with_cells(table_of(step), 1, Completion_Status="In Progress", Completion_Date="", Score="")
    step.run(company)
    before = everything_in(company)
    report: ImportReport = step.run(company, path=written(older, tmp_path / "older.csv"), now=LATER)
    assert report.duplicate == report.rows_in
    assert everything_in(company) == before


def test_leavers_of_workday_have_to_be_confirmed_when_they_are_many(company: Engine, tmp_path: Path) -> None:
    *_, step = STEPS["workday workers"]
    table = [[*row[:-1], "Terminated"] if number else row for number, row in enumerate(table_of(step))]
    path = written(table, tmp_path / "leavers.csv")
    with pytest.raises(ValueError, match="2 of 6 active people would leave"):
        import_people(company, path, preset="workday-raas", now=NOW)
    assert import_people(company, path, preset="workday-raas", now=NOW, confirmed=True).changed == 2


def test_whoever_waits_for_a_long_file_hears_of_it_even_when_nothing_is_let_in(
    small_company: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabular, "_ROWS_UNHEARD", 100)
    step = the_last(small_company, "moodle course log")
    header, *rows = table_of(step)
    background = [*rows[-1]]
    heard: list[tuple[int, int | None]] = []
    report = step.run(
        small_company,
        path=written([header, *[background] * 250, *rows], tmp_path / "long.csv"),
        on_progress=lambda done, total: heard.append((done, total)),
    )
    assert [done for done, _ in heard] == [100, 200, 258]
    assert {total for _, total in heard} == {258}
    assert (report.new, report.filtered) == (step.new, 251)


def test_two_moodles_may_write_the_same_and_both_are_kept(company: Engine) -> None:
    step = the_last(company, "moodle course log")
    step.run(company)
    elsewhere = {**step.params, "site": "https://other.example.com"}
    import_people(company, SAMPLES / "moodle-logs" / "users.csv", preset="moodle-logs", params=elsewhere, now=NOW)
    assert replace(step, params=elsewhere).run(company).new == step.new


def test_a_report_that_begins_with_its_name_says_what_to_do(small_company: Engine, tmp_path: Path) -> None:
    step = the_last(small_company, "cornerstone")
    titled = written([["Transcript report"], ["Run at", "3 March"], *table_of(step)], tmp_path / "titled.csv")
    with pytest.raises(PresetError, match="delete the lines above them"):
        step.run(small_company, path=titled)


def test_a_training_that_was_taken_again_is_refused_and_not_mixed_up(company: Engine, tmp_path: Path) -> None:
    step = the_last(company, "cornerstone")
    table = table_of(step)
    again = with_cells(table, 1, Transcript_Completed_Date="1/9/2026 8:00 AM", Transcript_Score="95")[1]
    report = step.run(company, path=written([*table, again], tmp_path / "again.csv"))
    assert (report.new, report.reasons) == (step.new, {"repeated_key": 1})
    assert quarantined(company) == [(len(table) + 1, "learner", "repeated_key")]
