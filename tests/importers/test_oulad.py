"""The real presentation AAA-2013J through the `oulad` preset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from pushpull.catalogue.tables import item, section
from pushpull.importers.reading import read_csv
from pushpull.importers.runs import ImportReport
from pushpull.importers.tabular import Window, import_catalogue, import_people, import_records, split_by_day
from pushpull.learners.tables import activity, learner, progress
from tests.importers.files import LATER, NOW, everything_in

PARAMS = {"day_zero": "2013-10-01", "module": "AAA", "presentation": "2013J"}


@pytest.fixture(scope="session")
def oulad(shared: Path) -> Path:
    return shared / "data" / "oulad"


def counts(report: ImportReport) -> tuple[int, int, int, int, int]:
    return report.rows_in, report.accepted, report.rejected, report.duplicate, report.filtered


def import_all_but_clicks(engine: Engine, folder: Path, *, now: datetime) -> dict[str, tuple[int, int, int, int, int]]:
    named = {"preset": "oulad", "params": PARAMS, "now": now}
    return {
        "people": counts(import_people(engine, folder / "studentInfo.csv", **named)),
        "courses": counts(import_catalogue(engine, folder / "courses.csv", **named)),
        "assessments": counts(import_catalogue(engine, folder / "assessments.csv", **named)),
        "sites": counts(import_catalogue(engine, folder / "vle.csv", **named)),
        "registrations": counts(import_records(engine, folder / "studentRegistration.csv", **named)),
        "submissions": counts(import_records(engine, folder / "studentAssessment.csv", **named)),
    }


@pytest.mark.needs_shared
def test_the_whole_presentation_comes_in_and_a_second_import_changes_nothing(engine: Engine, oulad: Path) -> None:
    clicks = oulad / "studentVle_AAA_2013J.csv.gz"
    assert import_all_but_clicks(engine, oulad, now=NOW) == {
        "people": (383, 383, 0, 0, 0),
        "courses": (1, 1, 0, 0, 21),
        "assessments": (6, 6, 0, 0, 200),
        "sites": (211, 211, 0, 0, 6153),
        "registrations": (383, 383, 0, 0, 0),
        "submissions": (1633, 1633, 0, 0, 0),
    }
    report = import_records(engine, clicks, preset="oulad", params=PARAMS, now=NOW)
    assert counts(report) == (180_982, 180_982, 0, 0, 0)

    with engine.connect() as connection:

        def count(table: object, *where: object) -> int:
            return connection.scalar(select(func.count()).select_from(table).where(*where))  # type: ignore[arg-type]

        assert count(learner) == 383
        assert count(section) == 211
        assert count(activity, activity.c.verb == "completed") == 1633
        assert count(activity, activity.c.verb == "interacted") == 180_982
        course = connection.scalar(select(item.c.id).where(item.c.key == "AAA-2013J"))
        assert count(progress, progress.c.item_id == course, progress.c.withdrawn_at.is_not(None)) == 60
        dated = select(item.c.key, item.c.due_at).where(item.c.due_at.is_not(None)).order_by(item.c.due_at)
        assert connection.execute(dated).first() == ("assessment-1752", datetime(2013, 10, 20, 12, tzinfo=UTC))
        # Everybody registered has every assessment, with its date.
        assert count(progress) == 383 * 7
        without_date = select(item.c.id).where(item.c.due_at.is_(None))
        assert count(progress, progress.c.item_id.not_in(without_date), progress.c.due_at.is_(None)) == 0

    if engine.dialect.name == "sqlite":  # what it says is the same on both; the dump is not cheap
        before = everything_in(engine)
    again = import_records(engine, clicks, preset="oulad", params=PARAMS, now=LATER)
    assert counts(again) == (180_982, 0, 0, 180_982, 0)
    assert all(accepted == 0 for _, accepted, _, _, _ in import_all_but_clicks(engine, oulad, now=LATER).values())
    if engine.dialect.name == "sqlite":
        assert everything_in(engine) == before


@pytest.mark.needs_shared
def test_a_month_of_days_one_by_one_equals_the_month_at_once(sqlite_engine: Engine, oulad: Path) -> None:
    engine = sqlite_engine
    import_all_but_clicks(engine, oulad, now=NOW)
    clicks = oulad / "studentVle_AAA_2013J.csv.gz"
    days = split_by_day(read_csv(clicks), preset="oulad", params=PARAMS)
    assert None not in days
    assert sum(len(list(rows.rows)) for rows in days.values()) == 180_982
    start = datetime(2013, 10, 1, tzinfo=UTC)
    imported = 0
    for offset in range(10):
        report = import_records(
            engine, days[(start + timedelta(days=offset)).date()], preset="oulad", params=PARAMS, now=NOW
        )
        assert report.adds_up
        imported += report.accepted
    month = Window(start, start + timedelta(days=10))
    at_once = import_records(engine, clicks, preset="oulad", params=PARAMS, now=LATER, window=month)
    assert (at_once.accepted, at_once.duplicate, at_once.rows_in) == (0, imported, imported)
    assert at_once.filtered == 180_982 - imported


@pytest.mark.needs_shared
def test_registrations_day_by_day_never_see_a_later_withdrawal(sqlite_engine: Engine, oulad: Path) -> None:
    engine = sqlite_engine
    named = {"preset": "oulad", "params": PARAMS, "now": NOW}
    import_people(engine, oulad / "studentInfo.csv", **named)
    import_catalogue(engine, oulad / "courses.csv", **named)
    import_catalogue(engine, oulad / "assessments.csv", **named)
    day_zero = datetime(2013, 10, 1, tzinfo=UTC)
    import_records(engine, oulad / "studentRegistration.csv", **named, window=Window(until=day_zero))
    with engine.connect() as connection:
        later = select(func.count()).where(progress.c.withdrawn_at >= day_zero)
        assert connection.scalar(later) == 0
        assert connection.scalar(select(func.count()).where(progress.c.withdrawn_at.is_not(None))) > 0
