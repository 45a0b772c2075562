"""Real learner data through the flows: the weeks around the first assessment, with a worker killed in mid-wave."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from rich.console import Console

from deployments.replay import Check, ReplayReport, dataset, main, run_replay, show
from deployments.replay.dataset import CLICKS, DEFAULT_FOLDER, REGISTRATIONS, SUBMISSIONS
from deployments.replay.evidence import against_the_raw_data, letters
from tests import postgres

pytestmark = [pytest.mark.needs_shared, pytest.mark.xdist_group("replay")]

#: The first assessment is due on day 19; by day 23 everybody who was late has been told.
DAYS = 24


@pytest.fixture(scope="module")
def folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data, its clicks cut off after the days that are played: most of a short replay would be reading the rest."""
    folder = tmp_path_factory.mktemp("oulad")
    for path in (shared / "data" / "oulad").iterdir():
        if path.name != CLICKS:
            (folder / path.name).symlink_to(path)
    with (
        gzip.open(shared / "data" / "oulad" / CLICKS, "rt", newline="") as whole,
        gzip.open(folder / CLICKS, "wt", newline="", compresslevel=1) as short,
    ):
        rows = csv.reader(whole)
        header = next(rows)
        csv.writer(short).writerows([header, *(row for row in rows if int(row[header.index("date")]) < DAYS)])
    return folder


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replay")


@pytest.fixture(scope="module")
def report(folder: Path, work_dir: Path) -> ReplayReport:
    return run_replay(data_dir=folder, work_dir=work_dir, days=DAYS)


def broken(report: ReplayReport) -> list[Check]:
    return [check for check in report.checks if not check.holds]


def test_every_promise_is_kept(report: ReplayReport) -> None:
    assert broken(report) == []
    assert report.learners == 383
    assert report.messages > 1000


def test_the_worker_died_with_messages_out_that_the_ledger_did_not_know_of(report: ReplayReport) -> None:
    kill = report.kill
    assert kill.exit_code == -9
    assert 0 < kill.unrecorded <= kill.handed_over < kill.planned
    assert kill.settled == kill.unrecorded


def test_three_days_run_again_send_nothing_and_change_nothing(report: ReplayReport) -> None:
    assert [(each.new_messages, each.changed_rows, each.new_records) for each in report.reruns] == [(0, 0, 0)] * 3
    assert [each.messages > 0 for each in report.reruns] == [True] * 3


def test_rows_in_are_accepted_rejected_or_duplicate_file_by_file(report: ReplayReport) -> None:
    files = {each.name: each for each in report.files}
    assert all(each.rows_in == each.accepted + each.rejected + each.duplicate for each in files.values())
    assert all(each.again is not None and each.again.accepted == 0 for each in files.values())
    assert files[CLICKS].accepted > 40_000
    assert files[SUBMISSIONS].accepted > 300
    assert files[REGISTRATIONS].accepted >= 380


def test_those_who_handed_in_by_noon_were_spared_the_reminder_of_the_afternoon(report: ReplayReport) -> None:
    series = {each.name: each for each in report.series}
    assert series["launch.second-reminder"].skipped["completed"] > 0
    assert series["launch.overdue"].skipped["completed"] > series["launch.second-reminder"].skipped["completed"]
    assert series["recommendations.picks"].accepted == 0
    assert series["launch.announcement"].skipped["withdrawn"] == 7


def test_the_checks_see_a_reminder_after_completion_and_a_message_twice(
    report: ReplayReport, folder: Path, work_dir: Path
) -> None:
    data = dataset.read(folder)
    found = letters(work_dir / "outbox")
    assert len(found) == report.messages
    reminder = next(letter for letter in found if letter.subject.startswith("TMA 1752"))
    data.submitted[reminder.student, "1752"] = (reminder.sent_at - dataset.noon(0)).days - 1  # type: ignore[index]
    checks = against_the_raw_data(data, [*found, reminder], {})
    seen = {check.promise: check.found for check in checks}
    assert seen["no message twice"] == 1
    assert seen["no learner twice in a wave"] == 1
    assert seen["no reminder after completion"] >= 1


def test_the_table_says_it_all(report: ReplayReport) -> None:
    page = io.StringIO()
    show(report, Console(file=page, width=200))
    for wanted in ("CC BY 4.0", "simulated", "no reminder after completion", "kill -9", "peak memory"):
        assert wanted in page.getvalue()
    assert "BROKEN" not in page.getvalue()


def test_a_database_in_use_and_a_missing_folder_are_refused(folder: Path, work_dir: Path, report: ReplayReport) -> None:
    page = io.StringIO()
    used = f"sqlite:///{work_dir / 'replay.db'}"
    console = Console(file=page, width=300)
    other = work_dir.parent / "other"
    assert main(data_dir=folder, work_dir=other, database_url=used, days=1, console=console) == 2
    assert "already holds learners" in page.getvalue()
    assert main(data_dir=other / "nowhere", work_dir=other, days=1, console=console) == 2
    assert "missing: studentInfo.csv" in page.getvalue()


def test_the_data_is_looked_for_beside_the_checkout(shared: Path) -> None:
    assert shared / "data" / "oulad" == DEFAULT_FOLDER


def test_a_few_days_on_postgresql(folder: Path, tmp_path: Path, postgres_url: str) -> None:
    server, _ = postgres_url.split("#")
    with postgres.database(server) as url:
        report = run_replay(data_dir=folder, work_dir=tmp_path, database_url=url, days=3)
    assert broken(report) == []
    assert report.database == "postgresql"
