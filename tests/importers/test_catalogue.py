from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from pushpull.catalogue.tables import item, item_tag, section
from pushpull.importers.tabular import import_catalogue
from tests.importers.files import LATER, NOW, a_table, everything_in, quarantined, rows_of


def test_items_come_in_and_a_second_import_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    path = a_table(
        tmp_path / "items.csv",
        ["key", "title", "duration", "tags", "url", "language", "available_from"],
        [
            ["a", "Python in an hour", "1:00", "python;short", "https://learn.example/a", "en", "2026-01-01"],
            ["b", "No duration is unknown, not zero", "", "", "", "", ""],
            ["c", "Not a link", "", "", "javascript:alert(1)", "", ""],
            ["a", "Python in an hour, again", "", "", "", "", ""],
        ],
    )
    report = import_catalogue(engine, path, now=NOW)
    assert (report.rows_in, report.accepted, report.rejected, report.duplicate) == (4, 2, 2, 0)
    assert quarantined(engine) == [(4, "url", "unreadable_url"), (5, "key", "repeated_key")]
    assert rows_of(engine, item, "key", "minutes", "active") == [("a", 60.0, True), ("b", None, True)]
    assert rows_of(engine, item_tag, "tag") == [("python",), ("short",)]
    before = everything_in(engine)
    assert import_catalogue(engine, path, now=LATER).accepted == 0
    assert everything_in(engine) == before


def test_sections_need_their_item(engine: Engine, tmp_path: Path) -> None:
    import_catalogue(engine, a_table(tmp_path / "i.csv", ["key", "title"], [["a", "A"]]), now=NOW)
    path = a_table(
        tmp_path / "sections.csv",
        ["item_key", "key", "title", "position"],
        [["a", "1", "One", "1"], ["a", "2", "Two", "2.5"], ["z", "1", "Nowhere", ""], ["a", "1", "One", "1"]],
    )
    report = import_catalogue(engine, path, now=NOW)
    assert (report.accepted, report.rejected, report.duplicate) == (1, 2, 1)
    assert report.reasons == {"unreadable_number": 1, "unknown_item": 1}
    assert rows_of(engine, section, "key", "title", "position") == [("1", "One", 1)]


def test_a_changed_title_is_a_change_and_a_dry_run_shows_it(engine: Engine, tmp_path: Path) -> None:
    import_catalogue(engine, a_table(tmp_path / "i.csv", ["key", "title"], [["a", "Old"]]), now=NOW)
    path = a_table(tmp_path / "j.csv", ["key", "title"], [["a", "New"]])
    dry = import_catalogue(engine, path, now=LATER, dry_run=True)
    assert [(change.key, change.fields["title"]) for change in dry.examples] == [("a", ("Old", "New"))]
    assert rows_of(engine, item, "title") == [("Old",)]
    assert import_catalogue(engine, path, now=LATER).changed == 1
    assert rows_of(engine, item, "title", "updated_at") == [("New", LATER)]
