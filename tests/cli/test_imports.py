"""`pushpull import`: counts that add up, reasons with row numbers, and one line when a file cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from pushpull.db import reading
from pushpull.importers.tables import quarantine
from pushpull.learners.tables import activity, learner
from tests.cli.conftest import ITEMS, PEOPLE, Command


def _count(engine: Engine, table: Any) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_people_come_in_once(company: Command, ledger: Engine) -> None:
    assert _count(ledger, learner) == 12
    again = company("import", "people", "people.csv")
    assert again.code == 0
    assert "12 rows in" in again.out
    assert "0 accepted (0 new, 0 changed) + 0 rejected + 12 duplicate" in again.out


def test_a_dry_run_shows_what_would_change_and_changes_nothing(
    company: Command, ledger: Engine, tmp_path: Path
) -> None:
    (tmp_path / "more.csv").write_text(PEOPLE.replace("Given3", "Grace") + "e99,New,e99@example.org,en,UTC\n")
    said = company("import", "people", "more.csv", "--dry-run")
    assert said.code == 0
    assert "dry run: nothing was written" in said.out
    assert "2 accepted (1 new, 1 changed)" in said.out
    assert "'Given3' → 'Grace'" in said.out
    assert _count(ledger, learner) == 12


def test_rejected_rows_are_named_with_their_reason_and_number(company: Command, ledger: Engine, tmp_path: Path) -> None:
    header = "external_id,email,timezone,hire_date\n"
    rows = ["n1,n1@example.org,UTC,2020-01-31", "n2,n2@example.org,Mars/Olympus,", "n3,no address,UTC,"]
    (tmp_path / "people[new].csv").write_text(header + "\n".join([*rows, "n4,,UTC,03/04/2020"]) + "\n")
    said = company("import", "people", "people[new].csv")
    assert said.code == 0
    assert "people[new].csv: 4 rows in" in said.out  # brackets in a name are no markup
    assert "1 accepted (1 new, 0 changed) + 3 rejected" in said.out
    assert "rejected 1: unknown_timezone (row 3)" in said.out
    assert "rejected 1: unreadable_email (row 4)" in said.out
    assert "rejected 1: ambiguous_date (row 5)" in said.out
    assert _count(ledger, quarantine) == 3


def test_many_leavers_need_a_confirmation(company: Command, tmp_path: Path, ledger: Engine) -> None:
    header, *rows = PEOPLE.splitlines()
    leaving = [f"{row},{'false' if number < 6 else 'true'}" for number, row in enumerate(rows)]
    (tmp_path / "leavers.csv").write_text("\n".join([f"{header},active", *leaving]) + "\n")
    assert "--confirm" in company("import", "people", "leavers.csv", "--dry-run").out
    assert "--confirm" in company("import", "people", "leavers.csv").error
    assert company("import", "people", "leavers.csv", "--confirm").code == 0
    with reading(ledger) as connection:
        active = connection.execute(select(func.count()).where(learner.c.active)).scalar_one()
    assert active == 6


def test_records_of_unknown_people_are_quarantined(company: Command, tmp_path: Path) -> None:
    (tmp_path / "records.csv").write_text(
        "external_id,item_key,status\ne1,feedback-101,completed\nnobody,feedback-101,completed\ne2,focus-time,asleep\n"
    )
    said = company("import", "records", "records.csv")
    assert said.code == 0
    assert "1 accepted (1 new, 0 changed) + 2 rejected" in said.out
    assert "unknown_person (row 3)" in said.out
    assert "unknown_status (row 4)" in said.out


def test_statements_come_from_a_file(company: Command, tmp_path: Path, ledger: Engine) -> None:
    statement = {
        "id": "7f9f4c2c-6f3a-4a7b-9a53-1f2e3d4c5b6a",
        "actor": {"mbox": "mailto:e1@example.org"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/launched"},
        "object": {"id": "https://learning.example.org/xapi/feedback-101"},
        "timestamp": "2026-01-12T10:00:00Z",
        "stored": "2026-01-12T10:00:01Z",
    }
    invalid = {**statement, "id": "not-a-uuid"}
    (tmp_path / "statements.json").write_text(json.dumps([statement, invalid]))
    dry = company("import", "xapi", "statements.json", "--dry-run")
    assert dry.code == 0
    assert _count(ledger, activity) == 0
    said = company("import", "xapi", "statements.json")
    assert "1 accepted (1 new, 0 changed) + 1 rejected" in said.out
    assert _count(ledger, activity) == 1
    assert "1 duplicate" in company("import", "xapi", "statements.json").out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("people", "nul.csv"), "nul.csv: the header row cannot be read"),
        (("people", "empty.csv"), "empty.csv is empty"),
        (("people", "items.csv"), "lacks: external_id"),
        (("records", "items.csv"), "lacks: learner"),
        (("catalogue", "items.csv", "--preset", "nope"), "there is no preset 'nope'; there are: canvas, cornerstone"),
        (("people", "people.csv", "--param", "wrong=1"), "has no parameter 'wrong'; it has: source"),
        (("xapi", "nowhere.json"), "there is no file nowhere.json"),
        (("xapi", "people.csv"), "people.csv holds no statements"),
        (("xapi", "http://127.0.0.1:1/statements"), "http://127.0.0.1:1/statements could not be read"),
        (("xapi", "items.csv", "--since", "yesterday"), "ISO 8601"),
    ],
)
def test_a_source_that_cannot_be_used_is_one_line(
    pushpull: Command, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    (tmp_path / "nul.csv").write_bytes(b"\x00\x01\x02")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "items.csv").write_text(ITEMS)
    (tmp_path / "people.csv").write_text(PEOPLE)
    assert expected in pushpull("import", *arguments).error


@pytest.mark.parametrize("arguments", [("people", "nofile.csv"), ("people", "people.csv", "--param", "novalue")])
def test_a_mistyped_command_is_exit_code_two(pushpull: Command, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE)
    said = pushpull("import", *arguments)
    assert said.code == 2
    assert "Traceback" not in said.err
