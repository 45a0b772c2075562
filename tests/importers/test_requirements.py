from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from pushpull.catalogue.requirements import Requirement, read_requirements, sort_out
from pushpull.catalogue.tables import item, item_requirement
from pushpull.db import reading
from pushpull.importers.tabular import import_catalogue
from tests.importers.files import LATER, NOW, a_table, everything_in, quarantined, rows_of


def test_an_item_brings_the_keys_of_what_it_requires_and_a_new_file_replaces_them(
    engine: Engine, tmp_path: Path
) -> None:
    header = ["key", "title", "requires"]
    path = a_table(tmp_path / "a.csv", header, [["a", "A", ""], ["b", "B", "a; zz"], ["c", "C", "k" * 256]])
    assert import_catalogue(engine, path, now=NOW).accepted == 2
    assert quarantined(engine) == [(4, "requires", "too_long")]
    assert rows_of(engine, item_requirement, "requires_key") == [("a",), ("zz",)]
    with reading(engine) as conn:
        ids = dict(conn.execute(select(item.c.key, item.c.id)).all())
        assert read_requirements(conn).binding == (Requirement(ids["b"], ids["a"]),)  # nobody knows zz
    before = everything_in(engine)
    assert import_catalogue(engine, path, now=LATER).accepted == 0
    assert everything_in(engine) == before
    again = a_table(tmp_path / "b.csv", header, [["b", "B", "zz"]])
    assert import_catalogue(engine, again, now=LATER).changed == 1
    assert rows_of(engine, item_requirement, "requires_key") == [("zz",)]


def test_a_file_without_the_column_leaves_requirements_alone(engine: Engine, tmp_path: Path) -> None:
    import_catalogue(engine, a_table(tmp_path / "a.csv", ["key", "title", "requires"], [["b", "B", "a"]]), now=NOW)
    import_catalogue(engine, a_table(tmp_path / "b.csv", ["key", "title"], [["b", "New"]]), now=LATER)
    assert rows_of(engine, item_requirement, "requires_key") == [("a",)]


def test_a_circle_is_told_in_the_log_and_binds_nobody(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [["a", "A", "b"], ["b", "B", "a"], ["c", "C", "a"], ["d", "D", "d"]]
    with caplog.at_level(logging.WARNING):
        import_catalogue(engine, a_table(tmp_path / "a.csv", ["key", "title", "requires"], rows), now=NOW)
    assert [record.getMessage() for record in caplog.records if "circle" in record.getMessage()] == [
        "requirements that lead in a circle bind nobody: 3"
    ]
    with reading(engine) as conn:
        ids = dict(conn.execute(select(item.c.key, item.c.id)).all())
        assert read_requirements(conn).binding == (Requirement(ids["c"], ids["a"]),)


def test_a_chain_is_no_circle_and_two_ways_to_the_same_are_none() -> None:
    chain = [Requirement(3, 2), Requirement(2, 1), Requirement(3, 1)]
    assert sort_out(chain).binding == (Requirement(2, 1), Requirement(3, 1), Requirement(3, 2))
    assert sort_out([*chain, Requirement(1, 3)]).binding == ()
    assert sort_out([]).binding == ()
