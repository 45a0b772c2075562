from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection, Engine, delete, insert, select

from pushpull.catalogue.tables import item
from pushpull.db import writing
from pushpull.learners.segments import (
    EVERYONE,
    Segment,
    SegmentContext,
    SegmentError,
    compile_segment,
    describe,
    parse_segment,
)
from pushpull.learners.tables import activity, learner, learner_tag, lifecycle, profile_fact, progress
from pushpull.learners.vocabulary import LearnerState
from tests.learners.population import START, a_campaign, a_learner, an_activity, an_item
from tests.learners.segment_oracle import Did, Person, Stands, World, is_meant

NOW = START + timedelta(days=20)
HOUR = timedelta(hours=1)
ITEMS = ("course", "quiz", "elsewhere")
IN_CAMPAIGN = ("course", "quiz")


def leaf(name: str, values: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: values})


departments = st.sampled_from(["Sales", "2024-01-01", "7", "sales", "Sales EMEA", "Legal", "Ö"])
languages = st.sampled_from(["de", "de-AT", "fr"])
days = st.sampled_from(["2024-01-01", "2025-06-30", "2025-07-01"])
statuses = st.sampled_from(["assigned", "started", "completed", "failed", "withdrawn"])
verbs = st.sampled_from(["launched", "progressed", "completed", "registered", "waived"])
spans = st.sampled_from([0, 0.5, 3, 7, 14])
items_meant = st.sampled_from([*ITEMS, "unknown", "campaign", "*"])
some = {"min_size": 1, "max_size": 3}


@st.composite
def some_of(draw: st.DrawFn, **optional: st.SearchStrategy[Any]) -> dict[str, Any]:
    chosen = draw(st.sets(st.sampled_from(sorted(optional)), min_size=1))
    return {key: draw(optional[key]) for key in sorted(chosen)}


def is_sensible(rule: dict[str, Any]) -> bool:
    return not {"within_days", "since"} <= set(rule) and rule.get("at_least", 0) <= rule.get("at_most", 99)


fields = st.one_of(
    st.fixed_dictionaries({"field": st.just("department"), "is": departments}),
    st.fixed_dictionaries({"field": st.just("department"), "in": st.lists(departments, **some)}),
    st.fixed_dictionaries(
        {"field": st.just("department"), "prefix": st.sampled_from(["S", "Sales", "sales ", "Ö", "%"])}
    ),
    st.fixed_dictionaries({"field": st.sampled_from(["department", "manager", "hired_on"]), "is_set": st.booleans()}),
    st.fixed_dictionaries({"field": st.just("active"), "is": st.booleans()}),
    st.fixed_dictionaries({"field": st.sampled_from(["hired_on", "hiredOn"]), "before": days}),
    st.fixed_dictionaries({"field": st.just("hired_on"), "after": days}),
    st.fixed_dictionaries({"field": st.just("hired_on"), "in": st.lists(days, **some)}),
    st.fixed_dictionaries({"field": st.just("preferredLanguage"), "is": languages}),
    st.fixed_dictionaries({"field": st.just("preferred_hour"), "in": st.lists(st.integers(7, 10), **some)}),
    st.fixed_dictionaries(
        {"field": st.just("external_id"), "in": st.sampled_from([["p0", "p2"], ["p1", *(f"x{n}" for n in range(200))]])}
    ),
)
progress_rules = st.one_of(
    some_of(item=items_meant, status=st.lists(statuses, **some), due_within_days=spans, overdue=st.booleans()),
    st.fixed_dictionaries(
        {"status": st.lists(statuses, max_size=2).map(lambda listed: [*listed, "none"])}, optional={"item": items_meant}
    ),
).filter(lambda rule: set(rule) != {"item"})
LEAVES: list[st.SearchStrategy[dict[str, Any]]] = [
    st.just({"everyone": True}),
    fields,
    leaf("tag", st.sampled_from(["new", "lead"]) | st.lists(st.sampled_from(["new", "lead", "gone"]), **some)),
    st.fixed_dictionaries(
        {"profile": st.sampled_from(["goal", "need"])}, optional={"is": st.sampled_from(["lead", "code"])}
    ),
    st.fixed_dictionaries({"profile": st.just("goal"), "in": st.lists(st.sampled_from(["lead", "code"]), **some)}),
    leaf("lifecycle", st.lists(st.sampled_from([state.value for state in LearnerState]), **some)),
    leaf(
        "activity",
        some_of(
            verbs=st.lists(verbs, **some),
            item=items_meant | st.none(),
            within_days=spans,
            since=st.just("2026-01-20"),
            at_least=st.integers(1, 3),
        ).filter(is_sensible),
    ),
    leaf("progress", progress_rules),
    leaf(
        "inactive_days",
        some_of(at_least=spans, at_most=spans, never=st.booleans(), item=items_meant)
        .filter(is_sensible)
        .filter(lambda rule: {"at_least", "at_most"} & set(rule) or rule.get("never")),
    ),
]
# Not one_of: that would flatten the fields' many forms and hardly ever draw the rest.
leaves = st.sampled_from(LEAVES).flatmap(lambda kind: kind)
segments = st.recursive(
    leaves,
    lambda part: st.one_of(
        st.fixed_dictionaries({"all": st.lists(part, **some)}),
        st.fixed_dictionaries({"any": st.lists(part, **some)}),
        st.fixed_dictionaries({"not": part}),
    ),
    max_leaves=6,
)
#: Most often at the very edge of a span.
around_now = st.builds(
    lambda span, sign, hours: NOW + sign * timedelta(days=span) + hours * HOUR,
    spans,
    st.sampled_from([-1, -1, 1]),
    st.sampled_from([0, 0, -1, 1]),
)
people = st.builds(
    Person,
    fields=st.fixed_dictionaries(
        {
            "department": st.none() | departments,
            "preferred_language": st.none() | languages,
            "manager_external_id": st.sampled_from([None, "boss"]),
            "active": st.booleans(),
            "hired_on": st.none() | days.map(date.fromisoformat),
            "preferred_hour": st.none() | st.integers(7, 10),
        }
    ),
    tags=st.frozensets(st.sampled_from(["new", "lead"])),
    facts=st.frozensets(st.tuples(st.sampled_from(["goal", "need"]), st.sampled_from(["lead", "code"]))),
    state=st.none() | st.sampled_from([state.value for state in LearnerState]),
    activity=st.lists(
        st.builds(
            Did,
            verb=verbs,
            item=st.none() | st.sampled_from(ITEMS),
            at=around_now,
            voided=st.sampled_from([False, False, True]),
        ),
        max_size=4,
    ).map(tuple),
    progress=st.dictionaries(
        st.sampled_from(ITEMS),
        st.builds(
            Stands,
            status=statuses,
            due_at=st.none() | around_now,
        ),
        max_size=2,
    ),
)


def settle(conn: Connection, population: list[Person]) -> tuple[SegmentContext, dict[int, Person]]:
    """Put the people into the database, alone."""
    for table in (lifecycle, progress, activity, profile_fact, learner_tag, learner):
        conn.execute(delete(table))
    if conn.execute(select(item.c.id)).first() is None:
        made = {key: an_item(conn, key) for key in ITEMS}
        a_campaign(conn, [made[key] for key in IN_CAMPAIGN])
        other = a_campaign(conn, key="other")
        assert other
    item_id = {key: found for found, key in conn.execute(select(item.c.id, item.c.key))}
    campaign_id, other_id = (
        conn.exec_driver_sql(f"SELECT id FROM campaign WHERE key = '{key}'").scalar_one() for key in ("safety", "other")
    )
    living: dict[int, Person] = {}
    for number, person in enumerate(population):
        learner_id = a_learner(conn, f"p{number}", **person.fields)
        living[learner_id] = person
        for tag in person.tags:
            conn.execute(insert(learner_tag).values(learner_id=learner_id, tag=tag))
        for kind, value in person.facts:
            conn.execute(
                insert(profile_fact).values(
                    learner_id=learner_id, kind=kind, value=value, source="declared", recorded_at=START
                )
            )
        if person.state:
            for of_campaign, state in ((campaign_id, person.state), (other_id, "dormant")):
                conn.execute(
                    insert(lifecycle).values(campaign_id=of_campaign, learner_id=learner_id, state=state, since=START)
                )
        for did in person.activity:
            an_activity(
                conn,
                learner_id,
                did.verb,
                did.at,
                item_id=item_id.get(did.item or ""),
                voided_at=NOW if did.voided else None,
            )
        for key, row in person.progress.items():
            conn.execute(
                insert(progress).values(
                    learner_id=learner_id, item_id=item_id[key], status=row.status, due_at=row.due_at
                )
            )
    context = SegmentContext(campaign_id, tuple(item_id[key] for key in IN_CAMPAIGN), NOW)
    return context, living


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(segments, min_size=6, max_size=12), st.lists(people, min_size=3, max_size=6))
def test_the_database_and_a_careful_reader_mean_the_same_people(
    engine: Engine, wanted: list[dict[str, Any]], population: list[Person]
) -> None:
    with writing(engine) as conn:
        context, living = settle(conn, population)
        world = World(IN_CAMPAIGN, NOW)
        external = {learner_id: f"p{number}" for number, learner_id in enumerate(living)}
        for data in wanted:
            segment = parse_segment(data)
            found = set(conn.execute(select(learner.c.id).where(compile_segment(segment, context))).scalars())
            expected = {
                learner_id
                for learner_id, person in living.items()
                if is_meant(
                    data,
                    Person(
                        {**person.fields, "external_id": external[learner_id]},
                        person.tags,
                        person.facts,
                        person.state,
                        person.activity,
                        person.progress,
                    ),
                    world,
                )
            }
            assert found == expected, describe(segment)


@settings(max_examples=300, deadline=None)
@given(segments)
def test_a_segment_survives_being_written_and_read_again(data: dict[str, Any]) -> None:
    segment = parse_segment(data)
    written = json.loads(json.dumps(segment.model_dump(mode="json")))
    assert Segment.model_validate(written) == segment
    assert Segment.model_validate_json(segment.model_dump_json()) == segment
    assert hash(Segment.model_validate(written)) == hash(segment)
    assert describe(segment)


def test_a_list_of_ten_thousand_ids_is_asked_in_one_statement(engine: Engine) -> None:
    with writing(engine) as conn:
        ada = a_learner(conn, "ada'; DROP")
        a_learner(conn, "grace")
        ids = ["ada'; DROP", *(f"nobody-{number}" for number in range(70_000))]
        cohort = parse_segment({"field": "externalId", "in": ids})
        context = SegmentContext(None, (), NOW)
        assert conn.execute(select(learner.c.id).where(compile_segment(cohort, context))).scalars().all() == [ada]
        rest = parse_segment({"not": {"field": "external_id", "in": ids}})
        assert len(conn.execute(select(learner.c.id).where(compile_segment(rest, context))).all()) == 1
    assert describe(cohort) == "id is one of 70001 listed"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"field": "departmnt", "is": "x"}, "field: unknown field 'departmnt'; did you mean 'department'?"),
        ({"field": "draw", "is": 1}, "field: unknown field 'draw'; known: external_id"),
        ({"all": [{"everyone": True}, {"tga": "x"}]}, "all[1].tga: unknown key 'tga'; did you mean 'tag'?"),
        ({"not": {"lifecycle": ["awar"]}}, "not.lifecycle[0]: unknown value 'awar'; did you mean 'aware'?"),
        ({"any": [{"activity": {"verb": ["x"]}}]}, "any[0].activity.verb: unknown key 'verb'; did you mean 'verbs'?"),
        ({"field": "department", "is": 3}, "3 is not a text: write it in quotes"),
        ({"field": "department", "before": "2024-01-01"}, "needs exactly one of is, in, prefix, is_set"),
        ({"field": "department", "is": "a", "prefix": "b"}, "needs exactly one of"),
        ({"field": "hired_on", "before": "01.02.2024"}, "is not a date such as 2026-01-31"),
        ({"field": "active", "is": "yes"}, "'yes' is neither true nor false"),
        ({"field": "department", "in": []}, "`in` needs a list of at least one value"),
        ({"field": "department", "is": ""}, "is empty; ask `is_set: false`"),
        ({"field": "department", "is": "a\0"}, "holds a character that no database stores"),
        ({"tag": "a", "everyone": True}, "put them under `all:` or `any:`"),
        ({"all": []}, "all: needs a list of at least one segment"),
        ({"all": {"tag": "x"}}, "all: needs a list of at least one segment"),
        ({}, "segment: is empty"),
        ("everyone", "expected a mapping such as `field: department`, got 'everyone'"),
        ({"progress": {"item": "campaign"}}, "asks nothing"),
        ({"progress": {"status": ["none"], "overdue": True}}, "what has no record has no due date"),
        ({"inactive_days": {"at_least": 9, "at_most": 3}}, "at_least 9 is more than at_most 3: nobody is meant"),
        ({"inactive_days": {"at_least": -1}}, "inactive_days.at_least: input should be greater than or equal to 0"),
        ({"activity": {"within_days": 1, "since": "2026-01-01"}}, "has both `within_days` and `since`"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(data: Any, message: str) -> None:
    with pytest.raises(SegmentError) as refused:
        parse_segment(data)
    assert message in str(refused.value)


def test_a_tree_of_endless_depth_is_refused() -> None:
    data: dict[str, Any] = {"everyone": True}
    for _ in range(500):
        data = {"not": data}
    with pytest.raises(SegmentError, match="nested deeper"):
        parse_segment(data)


def test_a_model_that_holds_a_segment_names_the_place_too() -> None:
    class Wave(BaseModel):
        audience: Segment
        target: Segment | None = None

    wave = Wave.model_validate({"audience": {"everyone": True}})
    assert wave.audience == EVERYONE
    assert wave.model_dump(mode="json") == {"audience": {"everyone": True}, "target": None}
    with pytest.raises(ValidationError) as refused:
        Wave.model_validate({"audience": {"all": [{"filed": "x"}]}})
    error = refused.value.errors()[0]
    assert error["loc"] == ("audience",)
    assert error["ctx"]["error"].path == ("all", 0, "filed")


def test_a_lifecycle_cannot_be_asked_outside_of_a_campaign() -> None:
    with pytest.raises(SegmentError, match="belongs to a campaign"):
        compile_segment(parse_segment({"lifecycle": ["aware"]}), SegmentContext(None, (), NOW))


def test_a_segment_reads_as_a_sentence() -> None:
    segment = parse_segment(
        {
            "all": [
                {"field": "department", "prefix": "Sales"},
                {"not": {"tag": "contractor"}},
                {"any": [{"lifecycle": ["unaware", "aware"]}, {"inactive_days": {"at_least": 14, "never": True}}]},
                {"progress": {"status": ["started"], "due_within_days": 1}},
            ]
        }
    )
    assert describe(segment) == (
        "department starts with Sales, and not (tag contractor), and (unaware or aware in this campaign or last active "
        "at least 14 days ago or never active), and the campaign's items: started and due within 1 day"
    )


def test_what_is_due_this_instant_is_due_and_not_yet_overdue(engine: Engine) -> None:
    with writing(engine) as conn:
        context, _ = settle(conn, [Person({}, progress={"course": Stands("started", NOW)})])
        for rule, meant in (({"due_within_days": 0}, 1), ({"overdue": True}, 0), ({"overdue": False}, 1)):
            condition = compile_segment(parse_segment({"progress": rule}), context)
            assert len(conn.execute(select(learner.c.id).where(condition)).all()) == meant
