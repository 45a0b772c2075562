from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert

from pushpull.catalogue.tables import item
from pushpull.db import writing
from pushpull.importers.tabular import Window, import_records, split_by_day
from pushpull.learners.consent import draw_for
from pushpull.learners.tables import activity, learner, progress
from tests.importers.files import LATER, NOW, a_table, everything_in, quarantined, rows_of

HEADER = ["user_id", "course_id", "status", "enrolled_at", "completion_date", "score", "withdrawn_at", "due_date"]


@pytest.fixture
def known(engine: Engine) -> Engine:
    with writing(engine) as connection:
        connection.execute(
            insert(learner),
            [
                {"external_id": key, "draw": draw_for(key), "created_at": NOW, "updated_at": NOW}
                for key in ("e1", "e2", "e3")
            ],
        )
        connection.execute(
            insert(item),
            [
                {"key": "c1", "title": "One", "created_at": NOW, "updated_at": NOW},
                {"key": "c2", "title": "Two", "created_at": NOW, "updated_at": NOW},
            ],
        )
    return engine


def noon(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(hour=12, tzinfo=UTC)


def lms(path: Path, *rows: Sequence[str]) -> Path:
    return a_table(path / "lms.csv", HEADER, [[*row, *[""] * (len(HEADER) - len(row))] for row in rows])


def test_progress_comes_in_and_a_completion_is_activity_too(known: Engine, tmp_path: Path) -> None:
    path = lms(
        tmp_path,
        ["e1", "c1", "Completed", "2026-01-02", "2026-01-04", "80"],
        ["e1", "c2", "in progress", "2026-01-02"],
        ["e2", "c1", "", "2026-01-03"],
    )
    report = import_records(known, path, now=NOW, params={"source": "lms"})
    assert (report.rows_in, report.new) == (3, 3)
    assert rows_of(known, progress, "status", "assigned_at", "completed_at", "score") == [
        ("assigned", noon("2026-01-03"), None, None),
        ("completed", noon("2026-01-02"), noon("2026-01-04"), 0.8),
        ("started", noon("2026-01-02"), None, None),
    ]
    assert rows_of(known, activity, "verb", "occurred_at", "source", "score") == [
        ("completed", noon("2026-01-04"), "lms", 0.8)
    ]


def test_unknown_people_items_and_status_are_quarantined(known: Engine, tmp_path: Path) -> None:
    path = lms(
        tmp_path,
        ["nobody", "c1", "completed"],
        ["e1", "nothing", "completed"],
        ["e1", "c1", "schwebend"],
        ["e1", "c1", "completed", "", "03/04/2026"],
        ["e1", "c1", "completed", "", "", "101"],
        ["e1", "c1", "assigned"],
        ["e1", "c1", "completed", "", "2026-01-01"],
        ["e1", "c1", "assigned"],
    )
    report = import_records(known, path, now=NOW)
    assert (report.rows_in, report.accepted, report.rejected, report.duplicate) == (8, 1, 6, 1)
    assert sorted(quarantined(known)) == [
        (2, "learner", "unknown_person"),
        (3, "item_key", "unknown_item"),
        (4, "status", "unknown_status"),
        (5, "completed_at", "ambiguous_date"),
        (6, "score", "out_of_range"),
        (8, "learner", "repeated_key"),
    ]


def test_a_second_import_changes_nothing_whatever_came_in_between(known: Engine, tmp_path: Path) -> None:
    first = lms(tmp_path, ["e1", "c1", "assigned", "2026-01-02", "", "", "", "2026-02-01"])
    import_records(known, first, now=NOW)
    assert import_records(known, first, now=LATER).duplicate == 1
    import_records(known, lms(tmp_path, ["e1", "c1", "completed", "2026-01-02", "2026-01-20", "90"]), now=NOW)
    before = everything_in(known)
    older = lms(tmp_path, ["e1", "c1", "assigned", "2026-01-02", "", "", "", "2026-02-01"])
    assert import_records(known, older, now=LATER).duplicate == 1
    assert everything_in(known) == before


def test_a_status_only_rises_but_somebody_may_be_assigned_again_after_withdrawing(
    known: Engine, tmp_path: Path
) -> None:
    import_records(known, lms(tmp_path, ["e1", "c1", "withdrawn", "2026-01-02", "", "", "2026-01-10"]), now=NOW)
    stale = lms(tmp_path, ["e1", "c1", "assigned", "2026-01-02"])
    assert import_records(known, stale, now=NOW).duplicate == 1
    import_records(known, lms(tmp_path, ["e1", "c1", "assigned", "2026-02-01"]), now=NOW)
    assert rows_of(known, progress, "status", "withdrawn_at") == [("assigned", None)]


def test_a_moved_due_date_is_a_change(known: Engine, tmp_path: Path) -> None:
    import_records(known, lms(tmp_path, ["e1", "c1", "", "2026-01-02", "", "", "", "2026-02-01"]), now=NOW)
    moved = lms(tmp_path, ["e1", "c1", "", "2026-01-02", "", "", "", "2026-03-01"])
    dry = import_records(known, moved, now=LATER, dry_run=True)
    assert [change.fields for change in dry.examples] == [{"due_at": (noon("2026-02-01"), noon("2026-03-01"))}]
    assert import_records(known, moved, now=LATER).changed == 1
    assert rows_of(known, progress, "due_at") == [(noon("2026-03-01"),)]


def test_activity_without_ids_is_told_apart_by_who_what_where_and_when(known: Engine, tmp_path: Path) -> None:
    path = a_table(
        tmp_path / "events.csv",
        ["user_id", "event", "timestamp", "course_id", "duration"],
        [
            ["e1", "Progressed", "2026-01-02T10:00:00Z", "c1", "5"],
            ["e1", "Progressed", "2026-01-02T10:00:00Z", "c1", "5"],
            ["e1", "Progressed", "2026-01-02T11:00:00Z", "c1", "5"],
            ["e1", "Logged-in", "2026-01-02T09:00:00Z", "", ""],
            ["e9", "Progressed", "2026-01-02T11:00:00Z", "c1", "5"],
        ],
    )
    report = import_records(known, path, now=NOW)
    assert (report.rows_in, report.accepted, report.rejected, report.duplicate) == (5, 3, 1, 1)
    before = everything_in(known)
    assert import_records(known, path, now=LATER).duplicate == 4
    assert everything_in(known) == before


def test_times_without_an_offset_are_in_the_declared_zone(known: Engine, tmp_path: Path) -> None:
    path = a_table(tmp_path / "events.csv", ["user_id", "verb", "timestamp"], [["e1", "launched", "2026-07-01 09:00"]])
    import_records(known, path, now=NOW, params={"timezone": "Europe/Berlin"})
    assert rows_of(known, activity, "occurred_at") == [(datetime(2026, 7, 1, 7, tzinfo=UTC),)]


def test_a_window_lets_in_what_happened_within_it_and_hides_what_is_still_to_come(
    known: Engine, tmp_path: Path
) -> None:
    path = lms(tmp_path, ["e1", "c1", "", "2026-01-02", "2026-01-20"], ["e2", "c1", "", "2026-01-09"])
    until = Window(until=datetime(2026, 1, 8, tzinfo=UTC))
    report = import_records(known, path, now=NOW, window=until)
    assert (report.rows_in, report.filtered) == (1, 1)
    assert rows_of(known, progress, "status", "completed_at") == [("assigned", None)]
    assert rows_of(known, activity, "id") == []
    import_records(known, path, now=LATER, window=Window(since=until.until))
    assert rows_of(known, progress, "status", "completed_at") == [
        ("assigned", None),
        ("completed", noon("2026-01-20")),
    ]


def test_importing_day_by_day_ends_where_importing_at_once_does(known: Engine, tmp_path: Path) -> None:
    path = lms(
        tmp_path,
        ["e1", "c1", "", "2026-01-02", "2026-01-20", "70"],
        ["e2", "c1", "", "2026-01-02", "", "", "2026-01-05"],
        ["e3", "c2", "", "2026-01-03"],
        ["e9", "c2", "", "2026-01-03"],
    )
    days = split_by_day(path, preset="generic")
    for day in sorted(day for day in days if day is not None):
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        report = import_records(known, days[day], now=NOW, window=Window(midnight, midnight + timedelta(days=1)))
        assert report.adds_up
    before = everything_in(known)
    assert import_records(known, path, now=LATER).accepted == 0
    assert everything_in(known) == before
