from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pushpull.importers.people import TooManyLeaversError
from pushpull.importers.presets import PresetError
from pushpull.importers.runs import ImportReport
from pushpull.importers.tables import import_run, quarantine
from pushpull.importers.tabular import import_people
from pushpull.learners.consent import draw_for
from pushpull.learners.tables import learner, learner_identity, learner_tag
from tests.importers.files import LATER, NOW, a_file, a_table, everything_in, quarantined, rows_of

HEADER = ["external_id", "given_name", "email", "active", "tags"]


@pytest.fixture
def people(tmp_path: Path) -> object:
    def write(*rows: Sequence[str], header: Sequence[str] = HEADER) -> Path:
        return a_table(tmp_path / "people.csv", header, rows)

    return write


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.rows_in, report.accepted, report.rejected, report.duplicate


def test_people_come_in_with_identities_tags_and_a_draw_that_sticks(engine: Engine, people) -> None:
    path = people(["e1", "Ann", "Ann@Example.org", "yes", "sales;new"], ["e2", "Bea", "", "", ""])
    report = import_people(engine, path, now=NOW)
    assert counts(report) == (2, 2, 0, 0)
    assert report.new == 2
    assert rows_of(engine, learner, "external_id", "email", "active", "draw", "created_at") == [
        ("e1", "ann@example.org", True, draw_for("e1"), NOW),
        ("e2", None, True, draw_for("e2"), NOW),
    ]
    sha1 = hashlib.sha1(b"mailto:ann@example.org").hexdigest()
    assert rows_of(engine, learner_identity, "kind", "value") == [
        ("mbox", "mailto:ann@example.org"),
        ("mbox_sha1sum", sha1),
    ]
    assert rows_of(engine, learner_tag, "tag") == [("new",), ("sales",)]


def test_a_second_import_changes_nothing(engine: Engine, people) -> None:
    path = people(
        ["e1", "Ann", "ann@example.org", "1", "a;b"],
        ["e2", "Bea", "bea@example.org", "0", ""],
        ["e1", "Ann", "ann@example.org", "1", "b;a"],
        ["e1", "Anna", "ann@example.org", "1", ""],
        ["e3", "Cid", "ann@example.org", "1", ""],
    )
    first = import_people(engine, path, now=NOW)
    assert counts(first) == (5, 2, 2, 1)
    before = everything_in(engine)
    second = import_people(engine, path, now=LATER)
    assert counts(second) == (5, 0, 2, 3)
    assert everything_in(engine) == before


def test_what_changed_is_changed_and_what_the_file_does_not_have_is_left_alone(engine: Engine, people) -> None:
    import_people(engine, people(["e1", "Ann", "ann@example.org", "1", "a"]), now=NOW)
    path = people(["e1", "Anne", "anne@example.org"], header=["externalId", "givenName", "mail"])
    report = import_people(engine, path, now=LATER)
    assert (report.new, report.changed) == (0, 1)
    assert rows_of(engine, learner, "given_name", "email", "updated_at") == [("Anne", "anne@example.org", LATER)]
    assert rows_of(engine, learner_tag, "tag") == [("a",)]
    assert ("mbox", "mailto:anne@example.org") in rows_of(engine, learner_identity, "kind", "value")
    assert len(rows_of(engine, learner_identity, "kind")) == 2


def test_a_change_of_tags_alone_is_a_change(engine: Engine, people) -> None:
    import_people(engine, people(["e1", "Ann", "", "", "a;b"]), now=NOW)
    report = import_people(engine, people(["e1", "Ann", "", "", "b;c"]), now=LATER)
    assert report.changed == 1
    assert rows_of(engine, learner_tag, "tag") == [("b",), ("c",)]


def test_one_address_belongs_to_one_person(engine: Engine, people) -> None:
    import_people(engine, people(["e1", "Ann", "desk@example.org", "1", ""]), now=NOW)
    report = import_people(engine, people(["e2", "Bea", "desk@example.org", "1", ""]), now=LATER)
    assert report.reasons == {"email_taken": 1}
    assert quarantined(engine) == [(2, "email", "email_taken")]


def test_the_address_of_somebody_who_left_may_go_to_a_colleague(engine: Engine, people) -> None:
    import_people(engine, people(["e1", "Ann", "desk@example.org", "1", ""]), now=NOW)
    path = people(["e2", "Bea", "desk@example.org", "1", ""], ["e1", "Ann", "desk@example.org", "0", ""])
    report = import_people(engine, path, now=LATER, confirmed=True)
    assert counts(report) == (2, 2, 0, 0)
    before = everything_in(engine)
    assert counts(import_people(engine, path, now=LATER)) == (2, 0, 0, 2)
    assert everything_in(engine) == before


def test_two_people_may_swap_their_addresses(engine: Engine, people) -> None:
    import_people(engine, people(["e1", "", "a@example.org", "", ""], ["e2", "", "b@example.org", "", ""]), now=NOW)
    path = people(["e1", "", "b@example.org", "", ""], ["e2", "", "a@example.org", "", ""])
    assert import_people(engine, path, now=LATER).changed == 2


def test_many_leavers_need_a_confirmation(engine: Engine, people) -> None:
    import_people(engine, people(*([f"e{n}", "", "", "1", ""] for n in range(10))), now=NOW)
    before = everything_in(engine)
    path = people(*([f"e{n}", "", "", "0", ""] for n in range(3)))
    with pytest.raises(TooManyLeaversError, match="3 of 10"):
        import_people(engine, path, now=LATER)
    assert everything_in(engine) == before
    dry = import_people(engine, path, now=LATER, dry_run=True)
    assert (dry.leavers, dry.needs_confirmation) == (3, True)
    assert import_people(engine, path, now=LATER, confirmed=True).changed == 3


def test_a_fifth_of_leavers_needs_no_confirmation(engine: Engine, people) -> None:
    import_people(engine, people(*([f"e{n}", "", "", "1", ""] for n in range(10))), now=NOW)
    path = people(*([f"e{n}", "", "", "0", ""] for n in range(2)))
    assert import_people(engine, path, now=LATER).leavers == 2


def test_a_dry_run_shows_what_would_change_and_changes_nothing(engine: Engine, people) -> None:
    import_people(engine, people(["e1", "Ann", "", "", ""], ["e2", "Bea", "", "", ""]), now=NOW)
    before = everything_in(engine)
    path = people(
        ["e1", "Anne", "", "", ""], ["e2", "Bea", "", "", ""], ["e3", "Cid", "", "", ""], ["", "x", "", "", ""]
    )
    report = import_people(engine, path, now=LATER, dry_run=True)
    assert (report.new, report.changed, report.unchanged, report.rejected) == (1, 1, 1, 1)
    assert report.run_id is None
    shown = {change.key: (change.is_new, change.fields.get("given_name")) for change in report.examples}
    assert shown == {"e1": (False, ("Ann", "Anne")), "e3": (True, (None, "Cid"))}
    assert everything_in(engine) == before
    assert len(rows_of(engine, import_run, "id")) == 1
    assert rows_of(engine, quarantine, "id") == []


def test_bad_values_are_quarantined_with_row_field_and_reason_but_without_the_value(
    engine: Engine, tmp_path: Path
) -> None:
    path = a_table(
        tmp_path / "people.csv",
        ["external_id", "email", "phone", "timezone", "language", "hire_date", "active", "name"],
        [
            ["e1", "not an address", "", "", "", "", "", ""],
            ["e2", "", "call me", "", "", "", "", ""],
            ["e3", "", "", "Mars/Olympus", "", "", "", ""],
            ["e4", "", "", "", "Deutsch!", "", "", ""],
            ["e5", "", "", "", "", "03/04/2024", "", ""],
            ["e6", "", "", "", "", "", "perhaps", ""],
            ["e7", "", "", "", "", "", "", "x" * 65_536],
            ["", "", "", "", "", "", "", "nobody"],
            ["e9", "", "+49 (170) 123-456", "Europe/Berlin", "de_DE", "2024-04-03", "no", "fine"],
        ],
    )
    report = import_people(engine, path, now=NOW)
    assert counts(report) == (9, 1, 8, 0)
    assert quarantined(engine) == [
        (2, "email", "unreadable_email"),
        (3, "phone", "unreadable_phone"),
        (4, "timezone", "unknown_timezone"),
        (5, "preferred_language", "unreadable_language"),
        (6, "hired_on", "ambiguous_date"),
        (7, "active", "unreadable_boolean"),
        (8, "display_name", "too_long"),
        (9, "external_id", "missing"),
    ]
    kept = " ".join(str(row) for row in rows_of(engine, quarantine, "field", "reason", "detail"))
    assert not any(value in kept for value in ("address", "call me", "Mars", "perhaps", "xxx"))


def test_a_declared_order_settles_ambiguous_dates(engine: Engine, people) -> None:
    path = people(["e1", "03/04/2024"], header=["external_id", "hire_date"])
    report = import_people(engine, path, now=NOW, params={"date_order": "dmy"})
    assert report.accepted == 1
    assert str(rows_of(engine, learner, "hired_on")[0][0]) == "2024-04-03"


def test_formula_cells_stay_text(engine: Engine, people) -> None:
    formula = '=HYPERLINK("http://evil.example","x")'
    import_people(engine, people(["e1", formula, "", "", "+cmd|' /C calc'!A0"]), now=NOW)
    assert rows_of(engine, learner, "given_name") == [(formula,)]


def test_wrong_columns_are_a_clear_error_and_leave_no_trace(engine: Engine, tmp_path: Path) -> None:
    path = a_file(tmp_path / "people.csv", "colour,size\nred,1\n")
    with pytest.raises(PresetError, match="fit no shape"):
        import_people(engine, path, now=NOW)
    assert rows_of(engine, import_run, "id") == []


def test_a_header_alone_is_an_import_of_nobody(engine: Engine, tmp_path: Path) -> None:
    report = import_people(engine, a_file(tmp_path / "people.csv", "external_id,name\n"), now=NOW)
    assert counts(report) == (0, 0, 0, 0)
    assert report.run_id is not None


def test_progress_is_told_after_each_batch(engine: Engine, people) -> None:
    told: list[tuple[int, int | None]] = []
    path = people(*([f"e{n}", "", "", "", ""] for n in range(10_001)))
    import_people(engine, path, now=NOW, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(10_000, 10_001), (10_001, 10_001)]
