"""`pushpull learner`: one person's data, looked after on the command line."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from pushpull.db import reading, writing
from pushpull.learners.declared import declare
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import FactKind
from pushpull.ledger.tables import audit, delivery
from tests.cli.conftest import Command
from tests.personal.somebody import everything, holding

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
WHY = ("--why", "they asked for it")


@pytest.fixture
def spoken(launched: Command, ledger: Engine) -> Command:
    """Somebody has a message waiting, and said what they learn for."""
    with writing(ledger) as connection:
        who = connection.execute(select(learner.c.id).where(learner.c.external_id == "e3")).scalar_one()
        declare(connection, who, FactKind.WHY, ["to sleep [bold]"], at=NOW)
        declare(connection, who, FactKind.GOAL, ["rest [bold]"], at=NOW)
    return launched


def test_what_is_known_is_shown_but_not_the_words_for_their_own_eyes(spoken: Command) -> None:
    said = spoken("learner", "show", "e3").out
    for part in ("e3@example.org", "Given3", "rest [bold]", "you", "hr", "2026-03-18", "delivery"):
        assert part in said
    assert "to sleep" not in said
    assert spoken("learner", "show", "e99").error == "no learner has the external id 'e99'"


def test_a_profile_is_shown_with_how_much_of_it_is_known(spoken: Command, ledger: Engine) -> None:
    with writing(ledger) as connection:
        who = connection.execute(select(learner.c.id).where(learner.c.external_id == "e3")).scalar_one()
        declare(connection, who, FactKind.BARRIER, ["exposure"], at=NOW)
    said = spoken("learner", "profile", "e3", "--as-of", "2026-03-20T12:00:00+00:00").out
    for part in ("rest [bold]", "declared", "hr", "90%", "35% of the profile is known", "unknown: need"):
        assert part in said
    assert "to sleep" not in said
    assert "exposure" not in said
    assert "exposure" not in spoken("learner", "show", "e3").out


def test_learning_from_behaviour_says_what_it_came_to(spoken: Command) -> None:
    for option in ((), ("--dry-run",)):
        said = spoken("insights", "learn", *option, "--as-of", "2026-03-20T12:00:00+00:00").out
        assert "people looked at" in said
        assert "12" in said


def test_everything_is_exported_to_a_file_that_others_cannot_read(spoken: Command, tmp_path: Path) -> None:
    said = spoken("learner", "export", "e3", "--file", "out/e3.json").out
    file = tmp_path / "out" / "e3.json"
    tables = json.loads(file.read_text())["tables"]
    assert said.startswith(f"{sum(map(len, tables.values()))} entries of {len(tables)} tables")
    assert tables["learner"][0]["email"] == "e3@example.org"
    assert {row["value"] for row in tables["profile_fact"]} >= {"to sleep [bold]"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "e3.json" in spoken("learner", "export", "e3", "--file", "out/e3.json").error  # nothing is written over


def test_a_dry_run_of_erasing_tells_and_changes_nothing(spoken: Command, ledger: Engine) -> None:
    before = list(everything(ledger))
    said = spoken("learner", "erase", "e3", "--dry-run", *WHY).out
    assert "nothing was changed; erasing would do this. Messages not sent: 1, addresses blocked" in said
    assert "profile_fact" in said
    assert list(everything(ledger)) == before


def test_erasing_asks_first(spoken: Command, ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(everything(ledger))
    monkeypatch.setattr("typer.confirm", lambda *_, **__: (_ for _ in ()).throw(SystemExit(1)))
    assert spoken("learner", "erase", "e3", *WHY).code == 1
    assert list(everything(ledger)) == before


def test_somebody_is_erased_stays_away_and_is_taken_in_again(spoken: Command, ledger: Engine) -> None:
    said = spoken("learner", "erase", "e3", "--yes", *WHY).out
    assert "erased. Messages not sent: 1, addresses blocked as keyed hashes: 2" in said
    for mine in ("e3@example.org", "Given3", "to sleep"):
        assert holding(ledger, mine) == set()
    with reading(ledger) as connection:
        state = connection.execute(
            select(delivery.c.state)
            .join(learner, learner.c.id == delivery.c.learner_id)
            .where(learner.c.external_id.like("erased-%"))
        ).scalar_one()
        log = connection.execute(select(audit.c.who, audit.c.what, audit.c.why).order_by(audit.c.id.desc())).first()
    assert state == "skipped"
    assert log is not None
    assert tuple(log) == ("ada", "learner erased", "they asked for it")
    assert "no learner has the external id" in spoken("learner", "erase", "e3", "--yes", *WHY).error

    assert "erased" in spoken("import", "people", "people.csv").out
    assert holding(ledger, "e3@example.org") == set()
    before = list(everything(ledger))
    address = ("--learner", "e3", "--email", "e3@example.org")
    assert "2 of these would be blocked no more" in spoken("learner", "readmit", *address, "--dry-run", *WHY).out
    assert list(everything(ledger)) == before
    assert spoken("learner", "readmit", *address, *WHY).out.startswith("2 of these are blocked no more")
    assert spoken("learner", "readmit", *address, *WHY).out.startswith("none of this is known as erased")
    assert spoken("import", "people", "people.csv").code == 0
    assert holding(ledger, "e3@example.org") >= {"learner.email"}
