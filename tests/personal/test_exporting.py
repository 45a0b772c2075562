from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine, insert

from pushpull.db import reading, writing
from pushpull.importers.tables import xapi_statement
from pushpull.learners.consent import UnknownLearner
from pushpull.personal import Shelf, data_of
from pushpull.personal.places import PLACES
from tests.personal.somebody import LATER, email, external_id, fill, marker


@pytest.fixture
def two(engine: Engine) -> Engine:
    with writing(engine) as connection:
        fill(connection, 1)
        fill(connection, 2)
    return engine


def test_an_export_has_every_row_of_the_person_and_none_of_anybody_else(two: Engine) -> None:
    with reading(two) as connection:
        found = data_of(connection, 1, at=LATER)
    whole = json.loads(found.as_json())
    placed = {place.table.name for place in PLACES} - {"erasure"}
    assert set(whole["tables"]) == placed | {"xapi_statement", "conversation", "callback"}
    assert whole["tables"]["profile_fact"][0]["value"] == "zqadaqz profile_fact.value"
    for place in PLACES:
        for row in whole["tables"].get(place.table.name, []):
            assert set(row) == {column.name for column in place.table.columns}
            assert row[place.whose] == 1
    others = found.as_json().decode().replace(external_id(2), "")  # their manager's
    assert marker(2) not in others
    assert sum(len(found.on(shelf)) for shelf in Shelf) == len(found.kept)
    assert found.rows >= len(found.kept)


def test_nothing_is_known_of_nobody(engine: Engine) -> None:
    with reading(engine) as connection, pytest.raises(UnknownLearner):
        data_of(connection, 1, at=LATER)


def test_an_export_names_nobody_else_who_is_in_a_statement(two: Engine) -> None:
    me, else_ = {"mbox": f"mailto:{email(1)}", "name": "Me"}, {"mbox": f"mailto:{email(2)}", "name": "Zed"}
    group = {"objectType": "Group", "member": [else_, me]}
    bodies = [
        {"actor": me, "object": {"id": "https://courses.example/1"}, "context": {"instructor": else_, "team": group}},
        {"actor": group, "object": {"id": "https://courses.example/1"}},
        {"actor": else_, "object": {**me, "objectType": "Agent"}, "context": {"contextAgents": [{"agent": else_}]}},
        {
            "actor": me,
            "object": {"objectType": "SubStatement", "actor": else_, "object": {**else_, "objectType": "Agent"}},
        },
    ]
    with writing(two) as connection:
        for number, body in enumerate(bodies):
            values = {"statement_id": f"00000000-0000-4000-8000-{number:012d}", "source": "said", "stored_at": LATER}
            connection.execute(insert(xapi_statement).values(body={"verb": {"id": "urn:v"}, **body}, **values))
        found = data_of(connection, 1, at=LATER)
    statements = next(each.rows for each in found.kept if each.table == "xapi_statement")
    told = [row["body"] for row in statements if row["source"] == "said"]
    assert len(told) == len(bodies)
    assert all(email(1) in str(each) and email(2) not in str(each) for each in told)
    assert not any("Zed" in str(each) for each in told)
