from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select

import pushpull.migrations  # noqa: F401  # all tables are known
from pushpull.db import metadata, reading, writing
from pushpull.importers.tabular import import_people
from pushpull.learners.consent import UnknownLearner
from pushpull.learners.tables import learner, progress
from pushpull.ledger.erased import digest, peppers_of, readmit
from pushpull.ledger.tables import audit, callback, delivery, erased_address, erasure, fetch, switch
from pushpull.personal import Erased, data_of, erase
from pushpull.personal.places import ABOUT_NOBODY, PLACES, Fate
from pushpull.settings import Settings
from tests.personal.somebody import LATER, NOW, email, external_id, fill, holding, marker

SETTINGS = Settings(_env_file=None, link_key="a secret of the tests alone")
PEPPERS = peppers_of(SETTINGS)


@pytest.fixture
def two(engine: Engine) -> Engine:
    """Two people who are everywhere."""
    with writing(engine) as connection:
        fill(connection, 1)
        fill(connection, 2)
    return engine


def erased(engine: Engine, who: int = 1) -> Erased:
    with writing(engine) as connection:
        return erase(connection, who, by="learner", who="learner", why=None, pepper=PEPPERS[0], at=LATER)


def counts(engine: Engine) -> dict[str, int]:
    with reading(engine) as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }


def test_every_table_is_about_persons_or_says_why_not() -> None:
    placed = {place.table.name for place in PLACES}
    assert not placed & set(ABOUT_NOBODY)
    assert placed | set(ABOUT_NOBODY) == {*metadata.tables, "alembic_version"}
    of_learners = {
        table.name
        for table in metadata.tables.values()
        if "learner_id" in table.columns or any(key.column.table is learner for key in table.foreign_keys)
    }
    assert of_learners <= placed
    assert all(place.why for place in PLACES if place.fate is Fate.NAMELESS)
    assert all(ABOUT_NOBODY.values())


def test_nothing_that_names_an_erased_person_is_left_anywhere(two: Engine) -> None:
    assert len(holding(two, marker(1))) > 60
    before = holding(two, marker(2))
    done = erased(two)
    assert done.is_new
    assert holding(two, marker(1)) == set()
    assert holding(two, "4915112345001") == set()
    assert holding(two, marker(2)) == before - {"learner.manager_external_id"}  # whom the erased one reported to


def test_the_other_person_keeps_every_row(two: Engine) -> None:
    with reading(two) as connection:
        before = data_of(connection, 2, at=NOW)
    erased(two)
    with reading(two) as connection:
        after = data_of(connection, 2, at=NOW)
    now_there = {each.table: each.rows for each in after.kept}
    changed = {
        (old.table, name)
        for old in before.kept
        for was, now in zip(old.rows, now_there.get(old.table, ()), strict=old.table in now_there)
        for name in was
        if was[name] != now[name]
    }
    # They came by a share of the other, and it is gone; so is the name of their manager.
    assert {each.table for each in before.kept} - set(now_there) == {"referral"}
    assert changed == {("learner", "manager_external_id")}


def test_numbers_stay_as_those_of_a_tombstone(two: Engine) -> None:
    erased(two)
    with reading(two) as connection:
        stone = connection.execute(select(learner).where(learner.c.id == 1)).mappings().one()
        kept = connection.execute(select(progress.c.started_at).where(progress.c.learner_id == 1)).one()
        sent = connection.execute(select(delivery.c.state, delivery.c.reason).where(delivery.c.learner_id == 1)).one()
        opened = connection.execute(select(fetch.c.learner_id, fetch.c.wave_id).order_by(fetch.c.id)).first()
        line = connection.execute(select(audit).order_by(audit.c.id.desc())).first()
        who = connection.execute(select(erasure.c.learner_id, erasure.c.who)).one()
    named = {name for name, value in stone.items() if value is not None}
    assert named == {"id", "external_id", "active", "draw", "created_at", "updated_at"}
    assert (stone["external_id"], stone["active"]) == ("erased-1", False)
    assert kept.started_at == NOW
    assert tuple(sent) == ("skipped", "inactive")
    assert opened is not None
    assert tuple(opened) == (None, 1)
    assert line is not None
    assert (line.what, line.subject, line.who) == ("learner erased", "erased-1", "learner")
    assert tuple(who) == (1, "learner")


def test_what_providers_sent_is_emptied_and_folded_no_more(two: Engine) -> None:
    erased(two)
    with reading(two) as connection:
        rows = connection.execute(select(callback.c.event_key, callback.c.body, callback.c.state)).all()
    found = {row.event_key: (row.body == "", row.state) for row in rows}
    assert found == {"1-0": (True, "ignored"), "1-1": (True, "folded"), "2-0": (False, "new"), "2-1": (False, "folded")}


def test_a_pilot_never_opens_to_everybody_because_its_guest_is_gone(two: Engine) -> None:
    erased(two)
    erased(two, 2)
    with reading(two) as connection:
        assert connection.execute(select(switch.c.value)).scalar_one() == ["erased-1", "erased-2"]


def test_erasing_twice_is_erasing_once(two: Engine) -> None:
    erased(two)
    before = counts(two)
    assert erased(two) == Erased(is_new=False)
    assert counts(two) == before


def test_nobody_is_erased_who_is_not_there(engine: Engine) -> None:
    with pytest.raises(UnknownLearner):
        erased(engine)


def test_addresses_stay_blocked_as_keyed_hashes_alone(two: Engine) -> None:
    done = erased(two)
    assert done.addresses == 5
    with reading(two) as connection:
        kept = set(connection.execute(select(erased_address.c.digest)).scalars())
    assert digest(PEPPERS[0], "email", f" {email(1).upper()} ") in kept
    assert digest(PEPPERS[0], "phone", "+49 (151) 12345-001") in kept
    other = peppers_of(Settings(_env_file=None, link_key="another secret of the tests"))[0]
    assert digest(other, "email", email(1)) not in kept
    assert digest(PEPPERS[0], "teams_id", email(1)) not in kept


def people(engine: Engine, path: Path, *rows: str, peppers: tuple[bytes, ...] = PEPPERS) -> dict[str, int]:
    if engine.dialect.name == "postgresql":
        with writing(engine) as connection:  # the two were given their ids by hand
            connection.exec_driver_sql("SELECT setval(pg_get_serial_sequence('learner', 'id'), 100)")
    path.write_text("external_id,given_name,email,phone\n" + "".join(f"{row}\n" for row in rows))
    report = import_people(engine, path, now=LATER, peppers=peppers, confirmed=True)
    assert report.adds_up
    return {**dict(report.reasons), "new": report.new}


def test_an_import_brings_nobody_back_who_was_erased(two: Engine, tmp_path: Path) -> None:
    erased(two)
    found = people(
        two,
        tmp_path / "people.csv",
        f"{external_id(1)},Ada,,",
        f"new-1,Ada,{email(1).upper()},",
        "new-2,Ada,,+49 151 12345 001",
        "erased-1,Ada,,",
        f"{external_id(2)},Bo,,",
        "new-3,Cid,cid@example.org,",
    )
    assert found == {"erased": 4, "new": 1}
    assert holding(two, marker(1)) == set()


def test_a_file_that_names_an_erased_manager_brings_no_trace_of_them_back(two: Engine, tmp_path: Path) -> None:
    erased(two)
    if two.dialect.name == "postgresql":
        with writing(two) as connection:
            connection.exec_driver_sql("SELECT setval(pg_get_serial_sequence('learner', 'id'), 100)")
    file = tmp_path / "people.csv"
    file.write_text(f"external_id,manager_external_id\nnew-3,{external_id(1)}\nnew-4,{external_id(2)}\nnew-5,\n")
    for accepted in (3, 0):
        report = import_people(two, file, now=LATER, peppers=PEPPERS, confirmed=True)
        assert (report.accepted, report.rejected) == (accepted, 0)
    assert holding(two, external_id(1)) == set()
    with reading(two) as connection:
        rows = connection.execute(select(learner.c.external_id, learner.c.manager_external_id))
        bosses = {row.external_id: row.manager_external_id for row in rows}
    assert (bosses["new-3"], bosses["new-4"]) == (None, external_id(2))


def test_ops_may_take_somebody_in_again(two: Engine, tmp_path: Path) -> None:
    erased(two)
    with writing(two) as connection:
        assert readmit(connection, {"external_id": external_id(1), "email": email(1)}, PEPPERS) == 2
    assert people(two, tmp_path / "people.csv", f"{external_id(1)},Ada,{email(1)},") == {"new": 1}


def test_a_rotated_link_key_forgets_nobody(two: Engine, tmp_path: Path) -> None:
    erased(two)
    rotated = Settings(
        _env_file=None, link_key="a newer secret of the tests", link_key_previous="a secret of the tests alone"
    )
    file = tmp_path / "people.csv"
    assert people(two, file, f"{external_id(1)},Ada,,", peppers=peppers_of(rotated)) == {"erased": 1, "new": 0}


def test_a_learner_without_anything_can_be_erased(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(
            insert(learner).values(id=1, external_id="p-1", draw=7, active=True, created_at=NOW, updated_at=NOW)
        )
    assert erased(engine).addresses == 1
