"""What statements become: whose activity, on which item and section, voided or not."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select

from pushpull.catalogue.tables import item, section
from pushpull.db import writing
from pushpull.importers.tables import import_run
from pushpull.importers.tabular import import_people
from pushpull.importers.xapi import import_xapi
from pushpull.learners.tables import activity
from tests.importers.files import LATER, NOW, a_file, a_table, everything_in, rows_of

COURSE = "https://learn.example/course"
PAGE = "https://learn.example/course/page-2"
ADL = "http://adlnet.gov/expapi/verbs/"
_ids = itertools.count(1)


def said(
    verb: str = "experienced",
    *,
    mbox: str = "mailto:ann@example.org",
    about: str = COURSE,
    within: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "id": f"11111111-1111-4111-8111-{next(_ids):012d}",
        "actor": {"mbox": mbox},
        "verb": {"id": verb if ":" in verb else ADL + verb},
        "object": {"id": about},
        "timestamp": "2026-01-02T10:00:00Z",
        **more,
    }
    if within:
        statement["context"] = {"contextActivities": {"parent": [{"id": within}]}}
    return statement


def voiding(statement: dict[str, Any]) -> dict[str, Any]:
    target = {"objectType": "StatementRef", "id": statement["id"].upper()}
    return {**said("voided", mbox="mailto:admin@example.org"), "object": target}


@pytest.fixture
def known(engine: Engine, tmp_path: Path) -> Engine:
    people = a_table(
        tmp_path / "people.csv",
        ["external_id", "email", "account", "openid"],
        [
            ["e1", "ann@example.org", "https://hr.example|4711", "https://openid.example/ann"],
            ["e2", "bea@example.org", "", ""],
        ],
    )
    import_people(engine, people, now=NOW)
    with writing(engine) as connection:
        row = {"key": "course", "title": "Course", "iri": COURSE, "created_at": NOW, "updated_at": NOW}
        made = connection.execute(insert(item).values(**row)).inserted_primary_key
        assert made is not None
        connection.execute(
            insert(section).values(item_id=made[0], key="page-1", title="One", url="https://learn.example/one")
        )
    return engine


def importing(engine: Engine, path: Path, *statements: dict[str, Any], **named: Any) -> Any:
    return import_xapi(engine, a_file(path / "x.json", json.dumps(statements)), **({"now": NOW} | named))


def places(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        found = select(activity.c.verb, item.c.key, activity.c.section_key).outerjoin(
            item, item.c.id == activity.c.item_id
        )
        return sorted((tuple(row) for row in connection.execute(found)), key=repr)


@pytest.mark.parametrize(
    "actor",
    [
        {"mbox": "mailto:Ann@Example.org"},
        {"mbox_sha1sum": hashlib.sha1(b"mailto:ann@example.org").hexdigest().upper()},
        {"account": {"homePage": "https://hr.example", "name": "4711"}},
        {"openid": "https://openid.example/ann"},
    ],
)
def test_a_person_is_known_by_any_identifier(known: Engine, tmp_path: Path, actor: dict[str, Any]) -> None:
    report = importing(known, tmp_path, {**said(), "actor": actor})
    assert report.accepted == 1


def test_unknown_people_are_quarantined(known: Engine, tmp_path: Path) -> None:
    report = importing(known, tmp_path, said(mbox="mailto:nobody@example.org"), said())
    assert (report.accepted, report.reasons) == (1, {"unknown_person": 1})


def test_completed_means_the_course_only_when_the_object_is_the_course(known: Engine, tmp_path: Path) -> None:
    importing(
        known,
        tmp_path,
        said("completed"),
        said("completed", about=PAGE, within=COURSE),
        said("completed", about="https://learn.example/one"),
        said("completed", about="https://elsewhere.example/x"),
    )
    assert places(known) == sorted(
        [
            ("completed", "course", None),
            ("completed", "course", PAGE),
            ("completed", "course", "page-1"),
            ("completed", None, None),
        ],
        key=repr,
    )


def test_a_cmi5_session_belongs_to_its_course_by_grouping(known: Engine, tmp_path: Path) -> None:
    context = {"contextActivities": {"grouping": [{"id": "https://x.example/other"}, {"id": COURSE}]}}
    verbs = ["launched", "initialized", "completed", "passed", "failed", "terminated"]
    verbs += [f"https://w3id.org/xapi/adl/verbs/{verb}" for verb in ("abandoned", "waived", "satisfied")]
    report = importing(known, tmp_path, *({**said(verb, about=PAGE), "context": context} for verb in verbs))
    assert report.accepted == len(verbs)
    assert {(key, place) for _, key, place in places(known)} == {("course", PAGE)}


def test_all_members_of_a_group_that_are_known_did_it(known: Engine, tmp_path: Path) -> None:
    group = {
        "objectType": "Group",
        "member": [{"mbox": f"mailto:{name}@example.org"} for name in ("stranger", "ann", "bea", "ann")],
    }
    statement = {**said("attended"), "actor": group}
    report = importing(known, tmp_path, statement)
    assert (report.rows_in, report.accepted) == (1, 1)
    assert len(rows_of(known, activity, "learner_id")) == 2
    assert importing(known, tmp_path, statement).duplicate == 1
    importing(known, tmp_path, voiding(statement))
    assert all(voided is not None for (voided,) in rows_of(known, activity, "voided_at"))


def test_a_statement_about_a_statement_is_activity_on_its_item(known: Engine, tmp_path: Path) -> None:
    first = said("completed")
    importing(known, tmp_path, first)
    reference = {"objectType": "StatementRef", "id": first["id"]}
    report = importing(known, tmp_path, {**said("commented"), "object": reference})
    assert report.accepted == 1
    assert ("commented", "course", f"urn:uuid:{first['id']}") in places(known)


@pytest.mark.parametrize("one_file", [True, False])
def test_voiding_holds_whichever_comes_first(known: Engine, tmp_path: Path, one_file: bool) -> None:
    early, late, kept = said(), said(), said()
    order = [voiding(early), early, late, voiding(late), kept]
    if one_file:
        report = importing(known, tmp_path, *order)
        assert report.accepted == 5
    else:
        for statement in order:
            assert importing(known, tmp_path, statement).accepted == 1
    voided = {source_id: at is not None for source_id, at in rows_of(known, activity, "source_id", "voided_at")}
    assert voided == {early["id"]: True, late["id"]: True, kept["id"]: False}
    before = everything_in(known)
    again = importing(known, tmp_path, *order, now=LATER)
    assert (again.accepted, again.duplicate) == (0, 5)
    assert everything_in(known) == before


def test_order_and_repetition_do_not_matter(known: Engine, tmp_path: Path) -> None:
    first = [said("launched"), said("progressed", about=PAGE, within=COURSE), said("completed")]
    everything = [*first, voiding(first[1]), voiding(first[1])]
    shuffled = [*everything, *everything]
    random.Random(7).shuffle(shuffled)
    report = importing(known, tmp_path, *shuffled)
    assert report.rows_in == len(shuffled)
    assert report.adds_up
    found = rows_of(known, activity, "verb", "voided_at")
    assert [(verb, at is not None) for verb, at in found] == [
        ("completed", False),
        ("launched", False),
        ("progressed", True),
    ]


def test_a_dry_run_keeps_nothing(known: Engine, tmp_path: Path) -> None:
    before = everything_in(known)
    runs = len(rows_of(known, import_run, "id"))
    report = importing(known, tmp_path, said(), said(), dry_run=True)
    assert (report.new, len(report.examples)) == (2, 2)
    assert everything_in(known) == before
    assert len(rows_of(known, import_run, "id")) == runs
