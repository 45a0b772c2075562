"""A database of the release before, with a campaign half sent in it, works with this one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, MetaData, insert, select

from pushpull.db import metadata, open_database, reading, writing
from pushpull.migrations import configuration, current, newest, steps_from, upgrade
from tests import postgres
from tests.ledger.builders import Sink, a_campaign, a_wave, drained, learners, planned

BEFORE = "0003"
#: Of a wave's specification.
SINCE = {"daily_goal", "at_cue", "cues_first", "champions", "vested"}


@pytest.fixture
def of_before(engine: Engine, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An empty database as the release before made it, of the same kind as ``engine``."""
    if engine.dialect.name == "sqlite":
        made = open_database(f"sqlite:///{tmp_path / 'before.db'}")
        yield at_before(made)
        made.dispose()
        return
    server, _ = request.getfixturevalue("postgres_url").split("#")
    with postgres.database(server) as url:
        made = open_database(url)
        yield at_before(made)
        made.dispose()


def at_before(engine: Engine) -> Engine:
    with writing(engine) as connection:
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)
    return engine


def as_before(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what that release did not know to say of a wave."""
    if isinstance(row.get("spec"), dict):
        row["spec"] = {name: value for name, value in row["spec"].items() if name not in SINCE}
    return row


def rows_of(engine: Engine, columns: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[object, ...]]]:
    with reading(engine) as connection:
        return {
            name: sorted(
                (tuple(row) for row in connection.execute(select(*(metadata.tables[name].c[each] for each in known)))),
                key=repr,
            )
            for name, known in columns.items()
        }


def test_all_rows_of_the_release_before_stay_and_sending_goes_on(engine: Engine, of_before: Engine) -> None:
    with writing(engine) as connection:
        people = learners(connection, 8)
        a_campaign(connection, items=("course", "quiz"))
    wave_id = planned(engine, a_wave())
    later = planned(engine, a_wave("launch.later"))
    drained(engine, wave_id, Sink())
    known = MetaData()
    known.reflect(of_before)
    columns = {
        each.name: known.tables[each.name].c.keys() for each in metadata.sorted_tables if each.name in known.tables
    }
    for name, old in columns.items():
        with reading(engine) as source, writing(of_before) as target:
            rows = source.execute(select(*(metadata.tables[name].c[each] for each in old))).mappings().all()
            if rows:
                target.execute(insert(metadata.tables[name]), [as_before(dict(row)) for row in rows])
    before = rows_of(of_before, columns)
    assert sum(len(rows) for rows in before.values()) > 30
    steps = [step[:4] for step in steps_from(current(of_before))]
    assert BEFORE not in steps
    assert steps[-1] == newest()

    upgrade(of_before)
    assert current(of_before) == newest()
    assert rows_of(of_before, columns) == before
    sink = Sink()
    drained(of_before, wave_id, sink)
    assert not sink.received
    drained(of_before, later, sink)
    assert sum(sink.received.values()) == len(people)
