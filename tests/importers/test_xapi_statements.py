"""Every template of the LRS conformance suite: the invalid ones refused, the valid ones mapped or quarantined."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from pushpull.db import writing
from pushpull.importers.reading import SourceError
from pushpull.importers.refusals import Refused
from pushpull.importers.tables import quarantine
from pushpull.importers.xapi import import_xapi
from pushpull.importers.xapi.facts import fact_of
from pushpull.importers.xapi.files import read_statements
from pushpull.importers.xapi.statements import check_statement
from pushpull.learners.tables import activity, learner, learner_identity
from tests.importers.files import LATER, NOW, a_file, everything_in, rows_of

#: What the specification refuses. Templates that are placeholders, to be filled in by the suite, are not valid alone.
INVALID = {
    "activities/no_id.json",
    "agents/account_no_homepage.json",
    "agents/account_no_name.json",
    "contexts/instructor.json",
    "contexts/team.json",
    "groups/anonymous_no_member.json",
    "groups/identified_account_no_homepage.json",
    "groups/identified_account_no_name.json",
    "statements/actor.json",
    "statements/authority.json",
    "statements/no_actor.json",
    "statements/no_object.json",
    "statements/no_verb.json",
    "statements/object_activity.json",
    "statements/object_actor.json",
    "statements/object_statementref_no_id.json",
    "statements/object_substatement.json",
    "statements/verb.json",
    "substatements/activity.json",
    "substatements/actor.json",
    "substatements/agent.json",
    "substatements/group.json",
    "substatements/no_actor.json",
    "substatements/no_object.json",
    "substatements/no_verb.json",
    "substatements/statementref_no_id.json",
    "substatements/verb.json",
    "verbs/no_id.json",
}
#: Valid, but says nothing about what a learner did.
QUARANTINED = {
    "groups/default.json": "no_members",
    "groups/identified_account_no_member.json": "no_members",
    "groups/identified_mbox_no_member.json": "no_members",
    "groups/identified_mbox_sha1sum_no_member.json": "no_members",
    "groups/identified_openid_no_member.json": "no_members",
    "statements/object_agent_default.json": "object_is_a_person",
    "statements/object_group_default.json": "object_is_a_person",
    "statements/object_substatement_default.json": "only_intended",
    "substatements/agent_default.json": "only_intended",
    "substatements/context.json": "only_intended",
    "substatements/default.json": "only_intended",
    "substatements/group_default.json": "only_intended",
    "substatements/result.json": "only_intended",
    "substatements/statementref.json": "only_intended",
}
ACTOR = {"objectType": "Agent", "mbox": "mailto:xapi@adlnet.gov"}
VERB = {"id": "http://adlnet.gov/expapi/verbs/attended"}
ACTIVITY = {"objectType": "Activity", "id": "http://www.example.com/meetings/occurances/34534"}
REFERENCE = {"objectType": "StatementRef", "id": "8f87ccde-bb56-4c2e-ab83-44982ef22df0"}


def statement_from(folder: str, name: str, template: Any) -> dict[str, Any]:
    """A statement around one template."""
    if folder == "statements":
        return dict(template)
    statement: dict[str, Any] = {"actor": ACTOR, "verb": VERB, "object": ACTIVITY}
    place = {
        "activities": "object",
        "substatements": "object",
        "agents": "actor",
        "groups": "actor",
        "verbs": "verb",
        "contexts": "context",
        "results": "result",
    }[folder]
    statement[place] = template
    if (folder, name) == ("verbs", "voided.json"):
        statement["object"] = REFERENCE
    return statement


@pytest.fixture
def templates(shared: Path) -> Path:
    return shared / "data" / "xapi" / "lrs-conformance" / "test" / "v1_0_2" / "templates"


@pytest.fixture
def known(engine: Engine) -> Engine:
    """One learner with all the identities that the templates use."""
    with writing(engine) as connection:
        made = connection.execute(
            insert(learner).values(external_id="e1", draw=1, created_at=NOW, updated_at=NOW)
        ).inserted_primary_key
        assert made is not None
        identities = [
            ("mbox", "mailto:xapi@adlnet.gov"),
            ("mbox", "mailto:xapi2@adlnet.gov"),
            ("mbox", "mailto:bob@example.com"),
            ("mbox", "mailto:bob_authority@example.com"),
            ("mbox", "mailto:sample.agent@example.com"),
            ("mbox_sha1sum", "cd9b00a5611f94eaa7b1661edab976068e364975"),
            ("account", "http://www.example.com|xAPI account name"),
            ("openid", "http://openid.example.org/12345"),
        ]
        connection.execute(
            insert(learner_identity),
            [{"kind": kind, "value": value, "learner_id": made[0]} for kind, value in identities],
        )
    return engine


@pytest.mark.needs_shared
def test_every_template_is_refused_mapped_or_quarantined_as_the_specification_says(
    known: Engine, templates: Path, tmp_path: Path
) -> None:
    seen: set[str] = set()
    for path in sorted(templates.rglob("*")):
        if path.is_dir():
            continue
        key = f"{path.parent.name}/{path.name}"
        seen.add(key)
        if path.suffix == ".part":
            if "invalid" in path.name:
                with pytest.raises(SourceError):
                    import_xapi(known, path, now=NOW)
            else:
                report = import_xapi(known, path, now=NOW)
                assert (report.rows_in, report.accepted) == (1, 1), key
            continue
        statement = statement_from(path.parent.name, path.name, json.loads(path.read_bytes()))
        statement["id"] = f"00000000-0000-4000-8000-{len(seen):012d}"
        report = import_xapi(known, a_file(tmp_path / "one.json", json.dumps(statement)), now=NOW)
        assert report.rows_in == 1, key
        if key in INVALID:
            assert report.reasons == {"invalid_statement": 1}, key
        elif key in QUARANTINED:
            assert report.reasons == {QUARANTINED[key]: 1}, key
        elif key == "verbs/voided.json":
            assert (report.accepted, report.duplicate) == (0, 1), key  # statements/voided.json said the same
        else:
            assert report.accepted == 1, (key, report.reasons)
    assert len(seen) == 105
    assert seen >= INVALID
    assert set(QUARANTINED) <= seen


@pytest.mark.needs_shared
def test_all_verbs_of_the_authored_profiles_are_mapped(known: Engine, shared: Path, tmp_path: Path) -> None:
    verbs = []
    for path in sorted((shared / "data" / "xapi" / "adl-profiles").glob("*.jsonld")):
        verbs += [c["id"] for c in json.loads(path.read_bytes())["concepts"] if c.get("type") == "Verb"]
    assert len(verbs) > 90
    said = [
        {"actor": ACTOR, "verb": {"id": verb}, "object": REFERENCE if verb.endswith("/voided") else ACTIVITY}
        for verb in verbs
    ]
    report = import_xapi(known, a_file(tmp_path / "verbs.json", json.dumps(said)), now=NOW)
    assert (report.rows_in, report.rejected) == (len(verbs), 0)
    mapped = {verb for (verb,) in rows_of(known, activity, "verb")}
    assert mapped >= {"completed", "launched", "waived", "satisfied", "abandoned", "logged-in", "played", "suspended"}


VALID: dict[str, Any] = {
    "id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee",
    "actor": ACTOR,
    "verb": {"id": "http://adlnet.gov/expapi/verbs/completed", "display": {"en-US": "completed"}},
    "object": ACTIVITY,
    "result": {"score": {"scaled": 0.5, "raw": 5, "min": 0, "max": 10}, "duration": "PT5M"},
    "context": {"platform": "p", "revision": "r", "contextActivities": {"parent": [ACTIVITY]}},
    "timestamp": "2026-01-02T10:00:00.123Z",
    "version": "1.0.3",
}


def test_a_whole_statement_is_valid() -> None:
    check_statement(VALID)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", "not-a-uuid"),
        ("colour", "red"),
        ("timestamp", "2026-01-02"),
        ("timestamp", "2026-01-02T10:00:00-00:00"),
        ("timestamp", "2026-02-30T10:00:00Z"),
        ("version", "3.0"),
        ("actor", None),
        ("actor", "mailto:xapi@adlnet.gov"),
        ("actor.mbox", "xapi@adlnet.gov"),
        ("actor.openid", "http://openid.example.org/1"),
        ("actor.member", [ACTOR]),
        ("verb.id", "completed"),
        ("verb.display", {"not a language": "x"}),
        ("object.objectType", "Thing"),
        ("object.id", "34534"),
        ("object.definition", {"interactionType": "dance"}),
        ("object.definition", {"choices": []}),
        ("object.definition", {"interactionType": "likert", "choices": []}),
        ("object.definition", {"extensions": {"not an iri": 1}}),
        ("result.score.scaled", 1.5),
        ("result.score.scaled", "0.5"),
        ("result.score.raw", 11),
        ("result.score.min", 10),
        ("result.success", "true"),
        ("result.duration", "5 minutes"),
        ("context.registration", "abc"),
        ("context.language", "not a language"),
        ("context.contextActivities", {"child": ACTIVITY}),
        ("context.statement", {"id": REFERENCE["id"]}),
        ("attachments", [{"usageType": "http://x.example/a"}]),
        ("authority", {"objectType": "Group", "member": [ACTOR]}),
    ],
)
def test_one_broken_rule_makes_a_statement_invalid(path: str, value: Any) -> None:
    statement = copy.deepcopy(VALID)
    *folders, name = path.split(".")
    place: Any = statement
    for folder in folders:
        place = place[folder]
    place[name] = value
    with pytest.raises(Refused) as caught:
        check_statement(statement)
    assert caught.value.field is not None
    assert "xapi@" not in str(caught.value)


def test_revision_and_platform_need_an_activity() -> None:
    with pytest.raises(Refused, match="without an activity"):
        check_statement({**VALID, "object": REFERENCE})


def test_only_a_statement_can_be_voided() -> None:
    with pytest.raises(Refused, match="only a statement"):
        check_statement({**VALID, "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"}})


def test_a_statement_without_an_id_gets_the_same_one_each_time() -> None:
    statement = {name: value for name, value in VALID.items() if name != "id"}
    shuffled = dict(reversed(list(statement.items())))
    assert fact_of(statement, now=NOW).statement_id == fact_of(shuffled, now=LATER).statement_id


def test_scores_and_durations_become_shares_and_minutes() -> None:
    fact = fact_of(VALID, now=NOW)
    assert (fact.score, fact.minutes) == (0.5, 5.0)
    raw = {**VALID, "result": {"score": {"raw": 30, "max": 40, "min": 20}}}
    assert fact_of(raw, now=NOW).score == 0.5
    assert fact_of({**VALID, "result": {"score": {"raw": 30}}}, now=NOW).score is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.json", json.dumps),
        ("list.json", lambda s: "\ufeff" + json.dumps(s, indent=2)),
        ("lines.ndjson", lambda s: "\n".join(map(json.dumps, s)) + "\n\n"),
        ("lines.json", lambda s: "\n".join(map(json.dumps, s))),
        ("answer.json", lambda s: json.dumps({"statements": s, "more": ""})),
    ],
)
def test_all_forms_of_a_file_hold_the_same_statements(tmp_path: Path, name: str, content: Any) -> None:
    statements = [{**VALID, "id": None, "n": n, "text": "ü" * 2000} for n in range(700)]
    path = a_file(tmp_path / name, content(statements))
    assert [number for number, _ in read_statements(path)] == list(range(1, 701))
    assert [statement["n"] for _, statement in read_statements(path)] == list(range(700))


@pytest.mark.parametrize("content", ["", "  \n", "[{}", '[{"a": 1}, {"b"', '{"a": 1', "hello", "[NaN]", "[1,,x]"])
def test_a_file_that_is_no_json_or_was_cut_is_refused_as_a_whole(tmp_path: Path, content: str) -> None:
    with pytest.raises(SourceError):
        list(read_statements(a_file(tmp_path / "broken.json", content)))


def test_a_broken_line_and_things_that_are_no_statements_are_quarantined(known: Engine, tmp_path: Path) -> None:
    lines = [json.dumps(VALID), '{"half": ', "42", '"text"', "[]", "null"]
    report = import_xapi(known, a_file(tmp_path / "x.ndjson", "\n".join(lines)), now=NOW)
    assert (report.rows_in, report.accepted, report.rejected) == (6, 1, 5)
    assert report.reasons == {"invalid_json": 1, "invalid_statement": 4}
    assert [n for (n,) in rows_of(known, quarantine, "row_number")] == [2, 3, 4, 5, 6]


def test_hostile_text_in_statements_is_refused_not_stumbled_over(known: Engine, tmp_path: Path) -> None:
    nul = {**VALID, "actor": {"account": {"homePage": "http://www.example.com", "name": "a\0b"}}}
    surrogate = json.dumps({**VALID, "id": REFERENCE["id"]}).replace("/34534", "/\\ud800")
    deep = {**VALID, "context": {"extensions": {"http://x.example/deep": json.loads("[" * 400 + "]" * 400)}}}
    content = f"[{json.dumps(nul)}, {surrogate}, {json.dumps(deep)}]"
    report = import_xapi(known, a_file(tmp_path / "hostile.json", content), now=NOW)
    assert report.adds_up
    assert report.rejected >= 2
    before = everything_in(known)
    import_xapi(known, tmp_path / "hostile.json", now=LATER)
    assert everything_in(known) == before
