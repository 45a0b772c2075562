"""Every row of every file is accounted for exactly once: in = accepted + rejected + duplicate."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from pushpull.importers.reading import read_csv
from pushpull.importers.runs import ImportReport
from pushpull.importers.tables import import_run, quarantine
from pushpull.importers.tabular import import_catalogue, import_people, import_records
from tests.importers.files import LATER, NOW, a_file, a_table, everything_in, rows_of

_IDS = st.sampled_from(["e1", "e2", "e3", "e4", "", " e1 ", "c1", "c2", "E1", "é"])
_DIRT = st.one_of(
    st.sampled_from(["", "=1+1", "@SUM(A1)", "\ufeff", "x" * 500, '"', "a\nb", "-1", "1e9", "nan", "\u202e", "NULL"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
_DATES = st.one_of(
    _DIRT, st.sampled_from(["2026-01-02", "13/01/2026", "03/04/2026", "2026-02-30", "2026-01-02T10:00Z"])
)
_PEOPLE = (
    ["external_id", "email", "active", "hire_date", "tags", "timezone"],
    [
        _IDS,
        st.one_of(_DIRT, st.sampled_from(["a@example.org", "b@example.org"])),
        st.one_of(_DIRT, st.sampled_from(["yes", "no"])),
        _DATES,
        _DIRT,
        st.one_of(_DIRT, st.just("UTC")),
    ],
    import_people,
)
_ITEMS = (["key", "title", "minutes", "tags"], [_IDS, _DIRT, _DIRT, _DIRT], import_catalogue)
_SECTIONS = (["item_key", "key", "title"], [_IDS, _IDS, _DIRT], import_catalogue)
_PROGRESS = (
    ["user_id", "course_id", "status", "completion_date", "score"],
    [_IDS, _IDS, st.one_of(_DIRT, st.sampled_from(["completed", "enrolled"])), _DATES, _DIRT],
    import_records,
)
_ACTIVITY = (
    ["user_id", "verb", "timestamp", "course_id", "event_id"],
    [_IDS, st.one_of(_DIRT, st.just("viewed")), _DATES, _IDS, st.sampled_from(["", "1", "2"])],
    import_records,
)


@st.composite
def dirty_files(draw: st.DrawFn, header: list[str], columns: list[st.SearchStrategy[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    for _ in range(draw(st.integers(0, 12))):
        row = [draw(column) for column in columns]
        writer.writerow(row[: draw(st.sampled_from([len(row)] * 6 + [len(row) - 1, len(row) + 1]))])
    content = text.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))
    if draw(st.booleans()) and len(content) > 200:
        content = content[: draw(st.integers(200, len(content)))]
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(min(len(content), 120), len(content)))
        content = content[:at] + draw(st.binary(max_size=4)) + content[at:]
    return content


@pytest.mark.parametrize(
    ("header", "columns", "importer"),
    [_PEOPLE, _ITEMS, _SECTIONS, _PROGRESS, _ACTIVITY],
    ids=["people", "items", "sections", "progress", "activity"],
)
def test_every_row_of_a_dirty_file_is_accounted_for_and_nothing_changes_the_second_time(
    engine: Engine, tmp_path: Path, header: list[str], columns: list[Any], importer: Callable[..., ImportReport]
) -> None:
    import_people(engine, a_table(tmp_path / "p.csv", ["external_id"], [["e1"], ["e2"]]), now=NOW)
    import_catalogue(engine, a_table(tmp_path / "i.csv", ["key", "title"], [["c1", "1"], ["c2", "2"]]), now=NOW)

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(dirty_files(header, columns))
    def check(content: bytes) -> None:
        path = a_file(tmp_path / "dirty.csv", content)
        confirmed = {"confirmed": True} if importer is import_people else {}
        refused_before = len(rows_of(engine, quarantine, "id"))
        report = importer(engine, path, now=NOW, **confirmed)
        assert report.rows_in == len(list(read_csv(path).rows))
        assert report.rows_in == report.accepted + report.rejected + report.duplicate
        assert sum(report.reasons.values()) == report.rejected
        assert len(rows_of(engine, quarantine, "id")) - refused_before == report.rejected
        stored = ("rows_in", "accepted", "rejected", "duplicate")
        assert rows_of(engine, import_run, "id", *stored)[-1] == (
            report.run_id,
            *(getattr(report, name) for name in stored),
        )
        before = everything_in(engine)
        again = importer(engine, path, now=LATER, **confirmed)
        assert (again.accepted, again.rejected) == (0, report.rejected)
        assert everything_in(engine) == before

    check()
