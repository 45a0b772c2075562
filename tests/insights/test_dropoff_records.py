"""Drop-off from what is in the database: who left, who may still come back, and the real presentation AAA-2013J."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, select, update

from pushpull.catalogue.tables import item, section
from pushpull.catalogue.threads import UnknownItemError
from pushpull.db import writing
from pushpull.importers.tabular import Window, import_catalogue, import_people, import_records
from pushpull.insights.dropoff import drop_off, item_drop_off
from pushpull.insights.dropoff.visits import read_visits
from pushpull.learners.lifecycle.states import Rules
from pushpull.learners.progress import fold_activity
from pushpull.learners.tables import activity, learner, progress
from pushpull.ledger.campaigns import UnknownCampaignError
from tests.ledger.builders import a_campaign, an_item, learners

START = datetime(2026, 1, 12, 9, tzinfo=UTC)
AFTERWARDS = START + timedelta(days=60)


def visited(
    who: int, item_id: int, *keys: str | None, verb: str = "progressed", day: float = 0
) -> list[dict[str, Any]]:
    """A visit of each section, one minute apart."""
    rows = []
    for place, key in enumerate(keys):
        at = START + timedelta(days=day, minutes=place)
        rows.append(
            {
                "learner_id": who,
                "source": "lms",
                "source_id": f"{who}:{item_id}:{verb}:{day}:{place}",
                "verb": verb,
                "item_id": item_id,
                "section_key": key,
                "occurred_at": at,
                "stored_at": at,
            }
        )
    return rows


def put(connection: Connection, *rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(activity), [each for listed in rows for each in listed])
    fold_activity(connection, after_activity_id=0, as_of=AFTERWARDS)


def test_who_left_who_completed_and_who_may_come_back(engine: Engine) -> None:
    with writing(engine) as connection:
        course = an_item(connection, "course")
        left, done, late, gone, rare, assigned = learners(connection, 6)
        connection.execute(update(learner).where(learner.c.id == gone).values(active=False))
        put(
            connection,
            visited(left, course, "a", "b"),
            visited(done, course, "a", "b"),
            visited(done, course, None, verb="completed", day=1),
            visited(late, course, "a", day=50),
            visited(gone, course, "a"),
            visited(rare, course, "a", day=0),
            visited(rare, course, "a", day=15),
            visited(rare, course, "b", day=30),
            visited(assigned, course, "a", verb="assigned"),
        )
        visits = read_visits(connection, [course], as_of=AFTERWARDS, silence=Rules())
        by_learner = dict(zip([left, done, late, gone, rare], range(5), strict=True))
        # In the order of sections and learners, in which paths are numbered.
        assert visits.learners == 5
        assert {key for key, path in by_learner.items() if visits.has_left[path]} == {left}
        assert {key for key, path in by_learner.items() if visits.completed[path]} == {done}
        # Somebody who comes every fifteen days has not left after thirty.
        later = read_visits(connection, [course], as_of=AFTERWARDS + timedelta(days=20), silence=Rules())
        assert {key for key, path in by_learner.items() if later.has_left[path]} == {left, late, rare}


def test_a_course_is_completed_by_all_of_its_dated_parts(engine: Engine) -> None:
    with writing(engine) as connection:
        course, essay, exam = (an_item(connection, key) for key in ("course", "essay", "exam"))
        connection.execute(update(item).where(item.c.id == essay).values(part_of="course", due_at=START))
        connection.execute(update(item).where(item.c.id == exam).values(part_of="course"))
        left, done = learners(connection, 2)
        put(connection, visited(left, course, "a"), visited(done, course, "a"))
        done_at = {"item_id": essay, "status": "completed", "completed_at": START}
        connection.execute(insert(progress).values(learner_id=done, **done_at))
        visits = read_visits(connection, [course], as_of=AFTERWARDS, silence=Rules())
        assert visits.has_left.tolist() == [True, False]
        assert visits.completed.tolist() == [False, True]


def test_a_bad_section_of_a_campaign_is_found_in_the_database(engine: Engine) -> None:
    with writing(engine) as connection:
        a_campaign(connection, "focus", items=("course",))
        course = connection.execute(item.select().where(item.c.key == "course")).one().id
        keys = [f"s{place}" for place in range(8)]
        connection.execute(
            insert(section),
            [{"item_id": course, "key": key, "position": place, "kind": "page"} for place, key in enumerate(keys)],
        )
        people = learners(connection, 120)
        rows, stops = [], {number: number // 3 % 8 for number in range(24)} | dict.fromkeys(range(24, 54), 4)
        for number, who in enumerate(people):
            taken = keys[: stops.get(number, 7) + 1]
            rows.append(visited(who, course, *[step for key in taken for step in ("home", key)]))
            if number not in stops:
                rows.append(visited(who, course, None, verb="completed", day=1))
        put(connection, *rows)
        found = drop_off(connection, "focus", as_of=AFTERWARDS)
        assert [spot.section.key for spot in found.spots] == ["s4"]
        spot = found.spots[0].section
        assert (spot.leavers, spot.reached, spot.title) == (33, 108, "s4")
        assert found.navigation == (("course", "home"),)
        assert item_drop_off(connection, "course", as_of=AFTERWARDS).spots[0].section == spot
        nothing = drop_off(connection, "focus", as_of=START - timedelta(days=1))
        assert (nothing.reason, nothing.learners) == ("nobody was seen in a section yet", 0)
        assert drop_off(connection, "focus", as_of=START + timedelta(days=3)).reason is not None
        with pytest.raises(UnknownCampaignError):
            drop_off(connection, "nothing", as_of=AFTERWARDS)
        with pytest.raises(UnknownItemError):
            item_drop_off(connection, "nothing", as_of=AFTERWARDS)


@pytest.mark.needs_shared
@pytest.mark.parametrize("days", [60, *(pytest.param(days, marks=pytest.mark.soak) for days in (120, 200, 268))])
def test_on_a_real_course_the_home_page_is_never_blamed(sqlite_engine: Engine, shared: Path, days: int) -> None:
    folder = shared / "data" / "oulad"
    named: dict[str, Any] = {
        "preset": "oulad",
        "params": {"day_zero": "2013-10-01", "module": "AAA", "presentation": "2013J"},
        "now": START,
    }
    import_people(sqlite_engine, folder / "studentInfo.csv", **named)
    for name in ("courses", "assessments", "vle"):
        import_catalogue(sqlite_engine, folder / f"{name}.csv", **named)
    end = datetime(2013, 10, 1, 12, tzinfo=UTC) + timedelta(days=days)
    for name in ("studentRegistration.csv", "studentAssessment.csv", "studentVle_AAA_2013J.csv.gz"):
        import_records(sqlite_engine, folder / name, window=Window(until=end + timedelta(hours=1)), **named)
    with writing(sqlite_engine) as connection:
        found = item_drop_off(connection, "AAA-2013J", as_of=end)
        assert found.reason is None
        assert 300 < found.learners <= 383
        # The sections that lose people are content; the home page and its like are known and stay out of it.
        assert {spot.section.kind for spot in found.spots} <= {"oucontent", "resource", "dataplus", "oucollaborate"}
        homes = set(connection.execute(select(section.c.key).where(section.c.kind == "homepage")).scalars())
        assert homes
        assert homes <= {key for _, key in found.navigation}
        # Told by how it is used alone, were its kind not known.
        connection.execute(update(section).values(kind="page"))
        unknown = item_drop_off(connection, "AAA-2013J", as_of=end)
        assert homes <= {key for _, key in unknown.navigation}
        assert not homes & {spot.section.key for spot in unknown.spots}
