from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, insert, select, update

from pushpull.catalogue.tables import section
from pushpull.db import reading, writing
from pushpull.learners.progress import COMPLETING_VERBS, NOT_ACTIVE_VERBS, WITHDRAWING_VERBS, fold_activity
from pushpull.learners.tables import activity, progress
from pushpull.learners.verbs import ASSIGNING_VERBS
from tests.learners.population import START, a_learner, an_activity, an_item

HOUR = timedelta(hours=1)
LATER = START + timedelta(days=30)


def row_of(engine: Engine, learner_id: int) -> dict[str, Any]:
    with reading(engine) as conn:
        return dict(conn.execute(select(progress).where(progress.c.learner_id == learner_id)).mappings().one())


def test_a_learner_starts_stops_at_a_place_and_completes(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        conn.execute(insert(section).values(item_id=course, key="s2", title="Ladders", url="https://lms/s2"))
        an_activity(conn, ada, "launched", START, item_id=course)
        an_activity(conn, ada, "progressed", START + HOUR, item_id=course, section_key="s2", score=0.4)
        last = fold_activity(conn, after_activity_id=0, as_of=LATER)
    row = row_of(engine, ada)
    assert (row["status"], row["started_at"], row["last_activity_at"]) == ("started", START, START + HOUR)
    assert (row["place_key"], row["place_title"], row["place_url"]) == ("s2", "Ladders", "https://lms/s2")
    assert (row["ratio"], row["score"], row["completed_at"]) == (None, 0.4, None)
    with writing(engine) as conn:
        an_activity(conn, ada, "passed", START + 2 * HOUR, item_id=course, score=0.9)
        assert fold_activity(conn, after_activity_id=last, as_of=LATER) == last + 1
    row = row_of(engine, ada)
    assert (row["status"], row["completed_at"], row["ratio"], row["score"]) == (
        "completed",
        START + 2 * HOUR,
        1.0,
        0.9,
    )
    assert row["place_key"] == "s2"


def test_an_invitation_starts_nothing_and_a_registration_assigns(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, grace, course = a_learner(conn), a_learner(conn, "grace"), an_item(conn)
        an_activity(conn, ada, "invited", START, item_id=course)
        an_activity(conn, grace, "registered", START, item_id=course)
        fold_activity(conn, after_activity_id=0, as_of=LATER)
        rows = conn.execute(select(progress)).mappings().all()
    assert [(row["learner_id"], row["status"], row["started_at"]) for row in rows] == [(grace, "assigned", None)]


def test_what_was_waived_is_completed_without_the_learner_having_been_there(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        an_activity(conn, ada, "waived", START, item_id=course)
        fold_activity(conn, after_activity_id=0, as_of=LATER)
    row = row_of(engine, ada)
    assert (row["status"], row["started_at"], row["last_activity_at"]) == ("completed", None, None)


def test_who_completes_after_withdrawing_has_completed_and_the_due_date_of_an_import_is_kept(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        due = START + timedelta(days=9)
        conn.execute(insert(progress).values(learner_id=ada, item_id=course, status="withdrawn", due_at=due))
        an_activity(conn, ada, "completed", START, item_id=course)
        fold_activity(conn, after_activity_id=0, as_of=LATER)
    row = row_of(engine, ada)
    assert (row["status"], row["due_at"], row["completed_at"]) == ("completed", due, START)


def test_completing_a_page_does_not_complete_the_course(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        an_activity(conn, ada, "completed", START, item_id=course, section_key="page-3")
        fold_activity(conn, after_activity_id=0, as_of=LATER)
    row = row_of(engine, ada)
    assert (row["status"], row["completed_at"], row["place_key"]) == ("started", None, "page-3")


def test_voided_activity_and_activity_outside_of_the_catalogue_is_ignored(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        an_activity(conn, ada, "completed", START, item_id=course, voided_at=START)
        last = an_activity(conn, ada, "completed", START)
        assert fold_activity(conn, after_activity_id=0, as_of=LATER) == last
        assert conn.execute(select(progress)).all() == []


def test_what_happens_later_waits_for_its_day_and_is_not_lost(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        future = an_activity(conn, ada, "completed", START + 48 * HOUR, item_id=course)
        present = an_activity(conn, ada, "launched", START, item_id=course)
        assert fold_activity(conn, after_activity_id=0, as_of=START + HOUR) == future - 1
        assert conn.execute(select(progress.c.status)).scalar_one() == "started"
        day = START + HOUR
        last = fold_activity(conn, after_activity_id=0, as_of=day, previous_as_of=START)
        assert last == present
        assert fold_activity(conn, after_activity_id=last, as_of=LATER, previous_as_of=day) == present
        assert conn.execute(select(progress.c.status)).scalar_one() == "completed"


@dataclass(frozen=True)
class Record:
    learner: int
    item: int
    verb: str
    hour: int
    place: str | None
    score: float | None
    voided: bool


records = st.lists(
    st.builds(
        Record,
        learner=st.integers(0, 1),
        item=st.integers(0, 1),
        verb=st.sampled_from(
            ["launched", "progressed", "completed", "passed", "waived", "failed", "registered", "invited", "withdrawn"]
        ),
        hour=st.integers(0, 4),
        place=st.sampled_from([None, "s1", "s2"]),
        score=st.sampled_from([None, 0.2, 0.9]),
        voided=st.sampled_from([False, False, False, True]),
    ),
    max_size=9,
)


def at(record: Record) -> datetime:
    return START + record.hour * HOUR


def what_is_true(told: list[tuple[str, Record]]) -> dict[tuple[int, int], dict[str, Any]]:
    """The same fold, learner by learner, as a person would do it."""
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    for pair in sorted({(r.learner, r.item) for _, r in told}):
        mine = [(key, r) for key, r in told if (r.learner, r.item) == pair and not r.voided and r.verb != "invited"]
        if not mine:
            continue
        active = [(key, r) for key, r in mine if r.verb not in NOT_ACTIVE_VERBS]

        def first(verbs: Any, of: list[tuple[str, Record]] = mine) -> datetime | None:
            return min((at(r) for _, r in of if r.verb in verbs), default=None)

        whole = [(key, r) for key, r in mine if r.place is None]
        completed, withdrawn = first(COMPLETING_VERBS, whole), first(WITHDRAWING_VERBS)
        places = [(r.hour, key, r.place) for key, r in active if r.place]
        status = "started" if active else "assigned"
        rows[pair] = {
            "status": "completed" if completed else "withdrawn" if withdrawn else status,
            "assigned_at": first(ASSIGNING_VERBS),
            "started_at": min((at(r) for _, r in active), default=None),
            "completed_at": completed,
            "withdrawn_at": withdrawn,
            "last_activity_at": max((at(r) for _, r in active), default=None),
            "ratio": 1.0 if completed else None,
            "score": max((r.score for _, r in mine if r.score is not None), default=None),
            "place_key": max(places)[2] if places else None,
        }
    return rows


def store(conn: Connection, learner_id: int, item_id: int, key: str, record: Record) -> None:
    an_activity(
        conn,
        learner_id,
        record.verb,
        at(record),
        item_id=item_id,
        section_key=record.place,
        score=record.score,
        source_id=key,
        voided_at=START if record.voided else None,
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records, st.data())
def test_any_order_of_batches_and_any_repetition_give_the_same_rows(
    engine: Engine, drawn: list[Record], data: st.DataObject
) -> None:
    told = [(f"r{number}", record) for number, record in enumerate(drawn)]
    arriving = data.draw(st.permutations(told))
    cuts = data.draw(st.lists(st.integers(0, len(told)), max_size=3))
    with writing(engine) as conn:
        for table in (progress, activity):
            conn.execute(delete(table))
        names = {
            row[1]: row[0] for row in conn.exec_driver_sql("SELECT id, external_id FROM learner ORDER BY id").all()
        }
        people = [names.get(name) or a_learner(conn, name) for name in ("p0", "p1")]
        keys = {row[1]: row[0] for row in conn.exec_driver_sql("SELECT id, key FROM item ORDER BY id").all()}
        items = [keys.get(key) or an_item(conn, key) for key in ("i0", "i1")]
        last = 0
        for number, (key, record) in enumerate(arriving):
            store(conn, people[record.learner], items[record.item], key, record)
            if number in cuts:
                last = fold_activity(conn, after_activity_id=last, as_of=LATER)
        fold_activity(conn, after_activity_id=last, as_of=LATER)
        fold_activity(conn, after_activity_id=0, as_of=LATER)
        found = {
            (people.index(row["learner_id"]), items.index(row["item_id"])): row
            for row in conn.execute(select(progress)).mappings()
        }
    expected = what_is_true(told)
    assert {pair: {name: found[pair][name] for name in row} for pair, row in expected.items()} == expected
    assert found.keys() == expected.keys()


def test_a_title_never_stays_beside_a_new_place(engine: Engine) -> None:
    with writing(engine) as conn:
        ada, course = a_learner(conn), an_item(conn)
        conn.execute(insert(section).values(item_id=course, key="s1", title="Start"))
        an_activity(conn, ada, "progressed", START, item_id=course, section_key="s1")
        last = fold_activity(conn, after_activity_id=0, as_of=LATER)
        an_activity(conn, ada, "progressed", START + HOUR, item_id=course, section_key="unlisted")
        fold_activity(conn, after_activity_id=last, as_of=LATER)
        conn.execute(update(progress).values(due_at=LATER))
    row = row_of(engine, ada)
    assert (row["place_key"], row["place_title"]) == ("unlisted", None)
