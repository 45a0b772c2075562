"""Words of consent that were said elsewhere: the latest stands, and nothing is taken for granted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from pushpull.db import reading, writing
from pushpull.importers.consents import import_consents
from pushpull.importers.reading import SourceError
from pushpull.importers.runs import ImportReport
from pushpull.learners.consent import opt_out
from pushpull.learners.tables import consent, learner
from tests.ledger.builders import a_learner

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HEADER = "external_id,channel,granted,recorded_at,family,source\n"


@pytest.fixture
def people(engine: Engine) -> list[int]:
    with writing(engine) as connection:
        return [a_learner(connection, external_id=f"e{number}") for number in range(3)]


def imported(engine: Engine, tmp_path: Path, text: str, *, dry_run: bool = False) -> ImportReport:
    path = tmp_path / "consents.csv"
    path.write_text(text)
    report = import_consents(engine, path, now=NOW, dry_run=dry_run)
    assert report.rows_in == report.accepted + report.rejected + report.duplicate
    return report


def words(engine: Engine) -> list[tuple[str, str, str, bool, str]]:
    with reading(engine) as connection:
        rows = connection.execute(
            select(learner.c.external_id, consent.c.channel, consent.c.family, consent.c.granted, consent.c.source)
            .join(learner, learner.c.id == consent.c.learner_id)
            .order_by(learner.c.external_id, consent.c.channel, consent.c.family)
        )
        return [tuple(row) for row in rows]


@pytest.mark.usefixtures("people")
def test_words_are_recorded_with_their_own_time_and_source(engine: Engine, tmp_path: Path) -> None:
    report = imported(
        engine,
        tmp_path,
        HEADER
        + "e0,sms,yes,2026-02-01T10:00Z,,HR form\ne1,SMS,no,2026-02-01,safety,\ne2,*,no,2026-02-02T08:00+01:00,,\n",
    )
    assert (report.accepted, report.new, report.rejected) == (3, 3, 0)
    assert words(engine) == [
        ("e0", "sms", "*", True, "HR form"),
        ("e1", "sms", "safety", False, "import"),
        ("e2", "*", "*", False, "import"),
    ]


@pytest.mark.usefixtures("people")
def test_importing_again_changes_nothing_and_the_order_does_not_matter(engine: Engine, tmp_path: Path) -> None:
    lines = ["e0,sms,yes,2026-02-03T10:00Z,,\n", "e0,sms,no,2026-02-01T10:00Z,,\n", "e0,sms,no,2026-02-02T10:00Z,,\n"]
    first = imported(engine, tmp_path, HEADER + "".join(lines))
    assert (first.accepted, first.duplicate) == (1, 2)
    again = imported(engine, tmp_path, HEADER + "".join(reversed(lines)))
    assert (again.accepted, again.duplicate) == (0, 3)
    assert words(engine) == [("e0", "sms", "*", True, "import")]


def test_an_older_yes_never_overrules_a_later_no(engine: Engine, tmp_path: Path, people: list[int]) -> None:
    with writing(engine) as connection:
        opt_out(
            connection, people[0], channel="sms", family="*", source="preferences", at=datetime(2026, 3, 1, tzinfo=UTC)
        )
    report = imported(engine, tmp_path, HEADER + "e0,sms,yes,2026-02-01T10:00Z,,\ne0,sms,yes,2026-03-01T00:00Z,,\n")
    assert report.duplicate == 2
    assert words(engine) == [("e0", "sms", "*", False, "preferences")]


@pytest.mark.usefixtures("people")
def test_rows_that_cannot_be_taken_are_counted_by_reason(engine: Engine, tmp_path: Path) -> None:
    bad = "nobody,sms,yes,2026-02-01,,\ne0,fax,yes,2026-02-01,,\ne0,sms,perhaps,2026-02-01,,\ne0,sms,yes,soon,,\n"
    more = f"e0,sms,yes,2027-01-01,,\ne0,sms,,2026-02-01,,\ne0,sms,yes,2026-02-01,{'f' * 65},\ne0,sms\n"
    report = imported(engine, tmp_path, HEADER + bad + more + "e1,sms,yes,2026-02-01,,\n")
    assert report.accepted == 1
    assert dict(report.reasons) == {
        "unknown_person": 1,
        "unknown_value": 1,
        "unreadable_boolean": 1,
        "unreadable_date": 1,
        "out_of_range": 1,
        "missing": 1,
        "too_long": 1,
        "wrong_cell_count": 1,
    }
    assert report.first_rows["unknown_person"] == [2]


@pytest.mark.usefixtures("people")
def test_a_dry_run_says_the_same_and_writes_nothing(engine: Engine, tmp_path: Path) -> None:
    text = HEADER + "e0,sms,yes,2026-02-01,,\nnobody,sms,yes,2026-02-01,,\n"
    foreseen = imported(engine, tmp_path, text, dry_run=True)
    assert words(engine) == []
    done = imported(engine, tmp_path, text)
    assert (foreseen.accepted, foreseen.rejected) == (done.accepted, done.rejected) == (1, 1)


def test_a_file_without_its_columns_names_them(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="granted, recorded_at"):
        imported(engine, tmp_path, "external_id,channel\ne0,sms\n")
