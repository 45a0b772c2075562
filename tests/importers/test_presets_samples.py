"""Every preset against the small file of ours that ships with it, from the file to where a learner stands."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.importers.fields import Target
from pushpull.importers.presets import load_preset, preset_names, sample_of
from pushpull.learners.lifecycle import Rules, derive_events, refold
from pushpull.learners.progress import fold_activity
from pushpull.learners.tables import activity, learner, learner_identity, lifecycle, progress
from tests.importers.files import LATER, NOW, everything_in, rows_of
from tests.importers.lms_files import CATALOGUE, PEOPLE, SAMPLES, STEPS, Step, a_company
from tests.learners.population import a_campaign

FOLDED_AT = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def company(engine: Engine) -> Engine:
    return a_company(engine)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def prepared(engine: Engine, name: str) -> Step:
    """Everything before the sample itself is imported; gives the sample."""
    *before, last = STEPS[name]
    for step in before:
        step.run(engine)
    return last


def imported(engine: Engine, name: str) -> Engine:
    prepared(engine, name).run(engine)
    with writing(engine) as connection:
        fold_activity(connection, after_activity_id=0, as_of=FOLDED_AT)
    return engine


def standing(engine: Engine) -> list[tuple[object, ...]]:
    found = (
        select(learner.c.external_id, item.c.key, progress.c.status, progress.c.completed_at)
        .join_from(progress, learner, learner.c.id == progress.c.learner_id)
        .join(item, item.c.id == progress.c.item_id)
        .order_by(learner.c.external_id, item.c.key)
    )
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(found)]


def done(engine: Engine) -> list[tuple[object, ...]]:
    found = (
        select(learner.c.external_id, activity.c.verb, activity.c.section_key, activity.c.occurred_at)
        .join_from(activity, learner, learner.c.id == activity.c.learner_id)
        .order_by(learner.c.external_id, activity.c.occurred_at, activity.c.verb)
    )
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(found)]


@pytest.mark.parametrize("name", STEPS)
def test_a_sample_is_taken_in_whole_and_a_second_time_changes_nothing(company: Engine, name: str) -> None:
    step = prepared(company, name)
    before = everything_in(company)
    dry = step.run(company, dry_run=True)
    assert everything_in(company) == before
    report = step.run(company)
    assert (report.rejected, report.new, report.filtered) == (0, step.new, step.filtered), report.reasons
    assert (dry.new, dry.changed, dry.rejected, dry.filtered) == (report.new, report.changed, 0, report.filtered)
    assert bool(dry.examples) == bool(report.accepted)
    after = everything_in(company)
    again = step.run(company, now=LATER)
    assert (again.accepted, again.rejected) == (0, 0)
    assert again.rows_in == report.rows_in
    assert everything_in(company) == after


def test_every_sample_that_ships_is_of_the_shape_that_names_it_and_tested() -> None:
    tested = {step.path for steps in STEPS.values() for step in steps} | {PEOPLE.path, CATALOGUE.path}
    named = {
        sample for name in preset_names() for shape in load_preset(name).shapes if (sample := sample_of(name, shape))
    }
    assert named == set(SAMPLES.rglob("*.csv")) == tested


@pytest.mark.parametrize(
    ("name", "key", "expected"),
    [
        ("moodle course log", "feedback-basics", "completed"),
        ("moodle course completion", "feedback-basics", "completed"),
        ("moodle activity completion", "feedback-basics", "active"),
        ("linkedin learning", "urn:li:lyndaCourse:900101", "completed"),
        ("cornerstone", "7f0c2a10-0000-4000-8000-000000000101", "completed"),
        ("successfactors histories", "COURSE/FIRE-01", "completed"),
        ("canvas", "feedback-basics", "active"),
        ("workday learning", "DIGITAL_COURSE-6-31", "completed"),
    ],
)
def test_what_a_sample_says_moves_the_lifecycle_in_a_campaign(
    company: Engine, name: str, key: str, expected: str
) -> None:
    imported(company, name)
    with writing(company) as connection:
        ada = connection.scalars(select(learner.c.id).where(learner.c.external_id == "E1001")).one()
        items = connection.scalars(select(item.c.id).where(item.c.key == key)).all()
        campaign = a_campaign(connection, items)
        derive_events(connection, campaign)
        refold(connection, campaign, as_of=at("2026-02-16"), rules=Rules())
        found = connection.scalars(
            select(lifecycle.c.state).where(lifecycle.c.campaign_id == campaign, lifecycle.c.learner_id == ada)
        ).one()
    assert found == expected


@pytest.mark.parametrize("path", sorted(SAMPLES.rglob("*.csv")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_samples_hold_nobody_real(path: object) -> None:
    text = path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    addresses = [word for word in text.replace(",", " ").replace('"', " ").split() if "@" in word]
    assert all(word.casefold().endswith("@example.com") for word in addresses)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_says_what_it_reads_and_where_that_is_documented(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert preset.documented_at
    assert all(param.description.endswith(".") for param in preset.params.values())
    if name != "oulad":
        assert all(shape.about and shape.sample for shape in preset.shapes)
    records = [shape for shape in preset.shapes if shape.writes in (Target.PROGRESS, Target.ACTIVITY)]
    assert records or name == "generic"


@pytest.mark.parametrize("name", [name for name in preset_names() if name not in ("generic", "oulad")])
def test_no_preset_of_a_system_guesses_the_order_of_day_and_month(name: str) -> None:
    order = load_preset(name).params["date_order"]
    assert order.kind == "order"
    assert order.default in (None, "ymd")


def test_a_moodle_log_moves_where_people_stand(company: Engine) -> None:
    imported(company, "moodle course log")
    assert standing(company) == [
        ("E1001", "feedback-basics", "completed", at("2026-02-11 08:20:05")),
        ("E1002", "feedback-basics", "started", None),
        ("E1005", "feedback-basics", "assigned", None),
    ]
    assert done(company) == [
        ("E1001", "launched", "412", at("2026-02-11 08:05:31")),
        ("E1001", "attempted", "412", at("2026-02-11 08:20:04")),
        ("E1001", "completed", None, at("2026-02-11 08:20:05")),
        ("E1002", "accessed", None, at("2026-02-10 15:40:58")),
        ("E1002", "viewed", "411", at("2026-02-10 15:41:12")),
        ("E1002", "viewed", "411", at("2026-02-10 15:41:12")),
        ("E1005", "enrolled", None, at("2026-02-09 07:00:00")),
    ]


def test_a_log_of_the_whole_moodle_names_its_courses_itself(company: Engine) -> None:
    imported(company, "moodle site log")
    assert standing(company) == [
        ("E1001", "feedback-basics", "completed", at("2026-02-11 08:20:05")),
        ("E1002", "feedback-basics", "started", None),
    ]
    assert ("E1002", "logged-in", None, at("2026-02-10 15:40:02")) in done(company)


def test_the_list_of_moodle_users_touches_nothing_but_their_numbers(company: Engine) -> None:
    before = everything_in(company)
    imported(company, "moodle users")
    after = everything_in(company)
    assert [row[:-1] for row in after["learner"]] == [row[:-1] for row in before["learner"]]  # all but updated_at
    gained = set(after[learner_identity.name]) - set(before[learner_identity.name])
    assert sorted(row[1] for row in gained) == [f"https://moodle.example.com|{number}" for number in (5, 6, 7)]
    assert set(before[learner_identity.name]) <= set(after[learner_identity.name])


def test_moodle_course_completions_assign_and_complete(company: Engine) -> None:
    imported(company, "moodle course completion")
    assert standing(company) == [
        ("E1001", "feedback-basics", "completed", at("2026-02-11 08:20:00")),
        ("E1002", "feedback-basics", "assigned", None),
        ("E1005", "feedback-basics", "assigned", None),
    ]


def test_a_completed_moodle_activity_is_a_step_in_its_course_and_does_not_complete_it(company: Engine) -> None:
    imported(company, "moodle activity completion")
    assert standing(company) == [
        ("E1001", "feedback-basics", "started", None),
        ("E1002", "feedback-basics", "started", None),
    ]
    assert done(company) == [
        ("E1001", "completed", "Why feedback goes wrong", at("2026-02-10 08:14:40")),
        ("E1001", "passed", "Try it: three situations", at("2026-02-11 08:20:04")),
        ("E1002", "completed", "Why feedback goes wrong", at("2026-02-10 15:41:12")),
        ("E1002", "failed", "Try it: three situations", at("2026-02-12 09:00:00")),
        ("E1002", "completed", "Ask for feedback", at("2026-02-13 10:30:00")),
    ]


def test_linkedin_learning_knows_people_by_address_and_writes_pacific_time(company: Engine) -> None:
    imported(company, "linkedin learning")
    assert standing(company) == [
        ("E1001", "urn:li:lyndaCourse:900101", "completed", at("2026-02-14 00:40:00")),
        ("E1002", "urn:li:lyndaCourse:900101", "started", None),
        ("E1004", "urn:li:lyndaVideo:900207", "started", None),
    ]
    assert sorted(rows_of(company, progress, "ratio")) == [(0.0,), (0.22,), (1.0,)]
    assert rows_of(company, item, "title", "format")[2:] == [
        ("Reading a budget", "video"),
        ("Saying no kindly", "course"),
    ]


def test_no_id_of_a_record_holds_an_address(company: Engine) -> None:
    for name in ("linkedin learning", "moodle course completion", "moodle activity completion"):
        imported(company, name)
    assert rows_of(company, activity, "id")
    assert not [source_id for (source_id,) in rows_of(company, activity, "source_id") if "@" in source_id]


def test_a_cornerstone_transcript_says_where_people_stand(company: Engine) -> None:
    imported(company, "cornerstone")
    fire, aid = (f"7f0c2a10-0000-4000-8000-00000000010{n}" for n in (1, 2))
    assert standing(company) == [
        ("E1001", fire, "completed", at("2026-02-03 14:31:00")),
        ("E1003", fire, "started", None),
        ("E1004", aid, "assigned", None),
        ("E1005", aid, "withdrawn", None),
    ]
    with reading(company) as connection:
        minutes = connection.execute(select(item.c.title, item.c.minutes).where(item.c.key.in_([fire, aid])))
        assert dict(map(tuple, minutes)) == {"Fire safety refresher": 30.0, "First aid": 210.0}


def test_each_event_of_a_successfactors_history_is_kept_and_the_first_completion_counts(company: Engine) -> None:
    imported(company, "successfactors histories")
    assert standing(company) == [
        ("E1001", "COURSE/FIRE-01", "completed", at("2025-01-28 10:00:00")),
        ("E1002", "COURSE/FIRE-01", "started", None),
        ("E1004", "DOC/POLICY-7", "completed", at("2026-02-10 05:00:00")),
    ]
    assert [verb for _, verb, _, _ in done(company)] == ["completed", "completed", "failed", "completed"]


def test_first_and_last_access_in_canvas_are_both_kept(company: Engine) -> None:
    imported(company, "canvas")
    assert done(company) == [
        ("E1001", "viewed", "content_tag: Why feedback goes wrong", at("2026-02-10 09:02:11")),
        ("E1001", "interacted", "quizzes/quiz: Try it: three situations", at("2026-02-11 09:05:31")),
        ("E1001", "viewed", "content_tag: Why feedback goes wrong", at("2026-02-11 09:20:05")),
        ("E1002", "viewed", "wiki_page: Front page", at("2026-02-10 16:40:58")),
    ]
    assert [row[:3] for row in standing(company)] == [
        ("E1001", "feedback-basics", "started"),
        ("E1002", "feedback-basics", "started"),
    ]


def test_workers_of_workday_who_are_on_leave_stay_and_who_left_turns_inactive(company: Engine) -> None:
    imported(company, "workday workers")
    assert dict(rows_of(company, learner, "external_id", "active")) == {
        **{f"E100{n}": True for n in range(1, 7)},
        "E1007": False,
    }


def test_learning_records_of_workday_say_where_people_stand(company: Engine) -> None:
    imported(company, "workday learning")
    assert [(who, status) for who, _, status, _ in standing(company)] == [
        ("E1001", "completed"),
        ("E1002", "started"),
        ("E1003", "assigned"),
    ]


def test_dry_runs_tell_what_would_happen(company: Engine) -> None:
    dry = prepared(company, "linkedin learning").run(company, dry_run=True, now=NOW)
    assert dry.run_id is None
    assert [(change.key, change.is_new) for change in dry.examples] == [
        ("ada.fenwick@example.com", True),
        ("bruno.castellan@example.com", True),
        ("devika.nambiar@example.com", True),
    ]
