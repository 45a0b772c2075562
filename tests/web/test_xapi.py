"""What course players send, what they get back, and what becomes of it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, insert, select, update

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.importers.sources import end_source
from pushpull.importers.tables import import_run, ingest_source, quarantine, xapi_statement
from pushpull.importers.xapi.receiving import replay_unknown
from pushpull.learners.tables import activity, learner, learner_identity, lifecycle, progress
from tasks.ingest import fold_news
from tasks.installation import Installation, installed
from tests.importers.test_xapi_statements import INVALID, statement_from
from tests.web.conftest import NOW, Place
from tests.web.sending import ADA, COURSE, MADE, VERBS, Player, a_source, activities, basic, known_by_mail, said
from web.folding import Folding

STATE = {"activityId": COURSE, "agent": json.dumps(ADA), "stateId": "bookmark"}


@pytest.fixture
def player(place: Place) -> Player:
    authorization = a_source(place)
    known_by_mail(place)
    place.change(item, iri=COURSE)
    return Player(place, authorization)


def kept(place: Place) -> int:
    with reading(place.engine) as connection:
        return int(connection.scalar(select(func.count()).select_from(xapi_statement)) or 0)


# --- who may send


WRONG = ["", "Basic", "Basic !!!", "Basic cGxheWVy", basic("player", "b" * 64), basic("nobody"), basic("people"),
     "Bearer " + "a" * 64, "Basic /w==", basic("pla\0yer")]  # fmt: skip


def test_whatever_is_wrong_with_the_secret_the_answer_is_one_and_the_same(place: Place, player: Player) -> None:
    a_source(place, "people", "scim")
    for authorization in WRONG:
        headers = {"Authorization": authorization} if authorization else {}
        answer = place.client.get("/xapi/statements", headers={"X-Experience-API-Version": "1.0.3", **headers})
        assert answer.status_code == 401, authorization
        assert answer.headers["www-authenticate"] == 'Basic realm="pushpull"'
        assert answer.text == "show the name and the secret of a source"


def test_a_source_that_was_ended_is_refused_and_one_that_begins_anew_has_a_new_secret(
    place: Place, player: Player
) -> None:
    with writing(place.engine) as connection:
        end_source(connection, "player", at=MADE)
    assert player.post(said()).status_code == 401
    a_source(place)
    assert player.post(said()).status_code == 200
    with reading(place.engine) as connection:
        assert "a" * 64 not in str(connection.execute(select(ingest_source)).all())


def test_another_version_is_refused_and_ours_is_told(player: Player) -> None:
    for version in ("", "0.95", "2.0.0", "1.0.", "1", "1.0.3, 1.0.3"):
        headers = {**player.headers, "X-Experience-API-Version": version}
        answer = player.client.get("/xapi/statements", headers=headers)
        assert answer.status_code == 400
        assert answer.headers["x-experience-api-version"] == "1.0.3"


def test_about_is_open_to_all(place: Place) -> None:
    answer = place.client.get("/xapi/about")
    assert answer.json()["version"][-1] == "1.0.3"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_player_on_any_origin_may_ask_before_it_sends_and_no_cookie_is_ever_meant(place: Place) -> None:
    asks = {"Origin": "https://lms.example", "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "authorization,x-experience-api-version,if-match"}  # fmt: skip
    answer = place.client.options("/xapi/activities/state", headers=asks)
    assert answer.status_code == 204
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "x-experience-api-version", "if-match", "content-type"))
    assert "access-control-allow-credentials" not in answer.headers


# --- statements


def test_a_statement_is_kept_and_becomes_activity(place: Place, player: Player) -> None:
    answer = player.post(said(verb="completed"))
    assert (answer.status_code, answer.json()) == (200, [said()["id"]])
    assert activities(place) == [("completed", 1)]
    found = player.ask("GET", "statements", params={"statementId": said()["id"]})
    assert found.json()["verb"]["id"] == VERBS + "completed"
    assert found.json()["authority"]["account"]["name"] == "player"
    assert {"stored", "version", "timestamp"} <= found.json().keys()
    assert "x-experience-api-consistent-through" in found.headers


def test_put_answers_without_content_and_again_says_nothing_new(place: Place, player: Player) -> None:
    for _ in range(3):
        answer = player.ask("PUT", "statements", params={"statementId": said()["id"].upper()}, json=said())
        assert (answer.status_code, answer.content) == (204, b"")
    assert (kept(place), len(activities(place))) == (1, 1)


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_another_statement_under_a_known_id_is_a_conflict(place: Place, player: Player, method: str) -> None:
    player.post(said())
    params = {"statementId": said()["id"]} if method == "PUT" else {}
    assert player.ask(method, "statements", params=params, json=said(verb="passed")).status_code == 409
    assert activities(place) == [("experienced", 1)]


def test_what_says_the_same_in_other_words_is_the_same(place: Place, player: Player) -> None:
    context = {"contextActivities": {"parent": {"id": COURSE}}}
    player.post(said(context=context))
    again = said(context={"contextActivities": {"parent": [{"id": COURSE}]}}, timestamp="2026-01-06T11:00:00+01:00")
    again["id"] = again["id"].upper()
    again["verb"]["display"] = {"en": "experienced"}
    again["object"]["definition"] = {"name": {"en": "A course"}}
    again["actor"] = {"name": "Ada", **ADA}
    assert player.post(again).status_code == 200
    assert kept(place) == 1


def test_a_request_is_taken_in_whole_or_not_at_all(place: Place, player: Player) -> None:
    broken = said(2)
    broken["actor"] = {"mbox": "ada@example.org"}
    answer = player.post([said(1), broken])
    assert answer.status_code == 400
    assert answer.text == "statement 2: actor.mbox: not a mailto IRI"
    player.post(said(3))
    assert player.post([said(4), said(3, verb="passed")]).status_code == 409
    assert player.post([said(5), said(5)]).status_code == 400
    assert kept(place) == 1


def test_a_request_repeated_because_its_answer_got_lost_adds_nothing(place: Place, player: Player) -> None:
    statement = {name: value for name, value in said().items() if name != "id"}
    first, second = player.post(statement).json(), player.post(statement).json()
    assert first == second
    assert len(activities(place)) == 1


def test_eight_players_with_the_same_statement_make_one(place: Place, player: Player) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: player.post([said(1), said(2)]).status_code, range(8)))
    assert answers == [200] * 8
    assert (kept(place), len(activities(place))) == (2, 2)


def test_eight_players_with_another_statement_under_the_same_id_make_one_and_seven_conflicts(
    place: Place, player: Player
) -> None:
    def send(number: int) -> int:
        return int(player.post(said(1, result={"score": {"raw": number}})).status_code)

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(send, range(8))) == [200] + [409] * 7
    assert (kept(place), len(activities(place))) == (1, 1)


def test_a_voided_statement_is_found_under_its_other_name_only(place: Place, player: Player) -> None:
    player.post(said(1, verb="completed"))
    target = {"objectType": "StatementRef", "id": said(1)["id"]}
    assert player.post({**said(2, verb="voided"), "object": target}).status_code == 200
    asked = {"statementId": said(1)["id"]}
    assert player.ask("GET", "statements", params=asked).status_code == 404
    assert player.ask("GET", "statements", params={"voidedStatementId": said(1)["id"]}).status_code == 200
    with reading(place.engine) as connection:
        assert connection.scalar(select(activity.c.voided_at)) is not None
    again = {**said(3, verb="voided"), "object": {"objectType": "StatementRef", "id": said(2)["id"]}}
    assert player.post(again).status_code == 400


def test_nobody_sees_or_takes_back_what_another_source_said(place: Place, player: Player) -> None:
    player.post(said(1))
    other = Player(place, a_source(place, "other"))
    assert other.ask("GET", "statements").json()["statements"] == []
    target = {"objectType": "StatementRef", "id": said(1)["id"]}
    assert other.post({**said(2, verb="voided"), "object": target}).status_code == 400


def test_filters_find_what_was_sent_page_by_page(player: Player) -> None:
    registration = "aaaaaaaa-1111-4111-8111-000000000001"
    player.post([said(number) for number in range(1, 4)])
    player.post([said(4, verb="passed", context={"registration": registration}), said(5, object={"id": COURSE + "/x"})])
    player.post({**said(6), "actor": {"account": {"homePage": "https://hr.example", "name": "4711"}}})

    def ids(**params: str) -> list[int]:
        found = player.ask("GET", "statements", params=params)
        assert found.status_code == 200, found.text
        return sorted(int(each["id"][-3:]) for each in found.json()["statements"])

    assert ids(verb=VERBS + "passed") == [4]
    assert ids(activity=COURSE + "/x") == [5]
    assert ids(registration=registration.upper()) == [4]
    assert ids(agent=json.dumps({"mbox": "mailto:Ada@example.org"})) == [1, 2, 3, 4, 5]
    assert ids(agent=json.dumps({"account": {"homePage": "https://hr.example", "name": "4711"}})) == [6]
    assert ids(until="2020-01-01T00:00:00Z") == []
    assert ids(since="2020-01-01T00:00:00Z", format="ids", attachments="true") == [1, 2, 3, 4, 5, 6]
    for order in ("true", "false"):
        page = player.ask("GET", "statements", params={"limit": "4", "ascending": order}).json()
        rest = player.client.get(page["more"], headers=player.headers).json()
        seen = [each["id"] for each in (*page["statements"], *rest["statements"])]
        assert (len(page["statements"]), len(set(seen)), rest["more"]) == (4, 6, "")


NO_QUERIES = [
     "statementId=x", "limit=-1", "limit=²", "limit=1e3", "since=yesterday", "agent={}", "agent=[", "verb=passed",
     "ascending=maybe", "format=xml", "related_agents=true", "unknown=1", "limit=1&limit=2", "agent=%ff", "agent=%00",
     "statementId=11111111-1111-4111-8111-000000000001&limit=1", "after=x", "registration=1",
     "statementId=11111111-1111-4111-8111-000000000001&voidedStatementId=11111111-1111-4111-8111-000000000001",
]  # fmt: skip


def test_a_query_that_is_none_is_refused(player: Player) -> None:
    for query in NO_QUERIES:
        assert player.ask("GET", f"statements?{query}").status_code == 400, query


# --- what is no statement


HOSTILE = [
        b"", b"{", b"NaN", b"null", b'"x"', b"1", b"[1]", b"[[]]", b"{}", b'{"actor":NaN}', b"[" * 5000, b"\xff\xfe",
        b'{"a":1,"a":2}', b'{"actor":"\\ud800"}', b'{"actor":"\\u0000"}', b'{"a":' * 70 + b"1" + b"}" * 70, b"1e999",
        b'[{"x":' + b"9" * 5000 + b"}]",
    ]  # fmt: skip


def test_hostile_bodies_are_refused_and_never_stumbled_over(place: Place, player: Player) -> None:
    json_type = {"Content-Type": "application/json"}
    for body in HOSTILE:
        for method, query in (("POST", ""), ("PUT", f"?statementId={said()['id']}")):
            answer = player.ask(method, "statements" + query, content=body, headers=json_type)
            assert answer.status_code == 400, body[:40]
    assert kept(place) == 0


BROKEN: list[tuple[str, Any]] = [
        ("id", "x"), ("id", 7), ("actor", None), ("actor", []), ("actor", {}), ("actor", {**ADA, "openid": "https://x"}),
        ("actor", {"objectType": "Group"}), ("actor", {**ADA, "objectType": "agent"}), ("verb", {}), ("verb", "did"),
        ("verb", {"id": "did"}), ("verb", {"id": VERBS, "display": {"not a tag": "x"}}), ("object", {}),
        ("object", None),
        ("object", {"id": COURSE, "objectType": "Thing"}), ("object", {"id": COURSE, "definition": {"type": 1}}),
        ("object", {"objectType": "StatementRef", "id": "1"}), ("object", {"objectType": "SubStatement"}),
        ("result", {"score": {"scaled": 2}}), ("result", {"score": {"raw": "7"}}), ("result", {"duration": "10 min"}),
        ("result", {"success": "true"}), ("result", {"score": {"raw": 5, "min": 6}}),
        ("result", {"extensions": {"x": 1}}),
        ("context", {"registration": "1"}), ("context", {"contextActivities": {"child": []}}),
        ("context", {"team": ADA}),
        ("context", {"language": "not a tag"}), ("timestamp", "yesterday"), ("timestamp", "2026-01-06T10:00:00-00:00"),
        ("timestamp", "2026-13-01T00:00:00Z"), ("stored", 1), ("version", "2.0"), ("version", "1.1.0"), ("extra", 1),
        ("attachments", [{}]), ("authority", {"objectType": "Group", "member": [ADA]}), ("Actor", ADA),
        ("verb", {"id": VERBS + "voided"}), ("timestamp", "0001-01-01T00:00:00+14:00"),
    ]  # fmt: skip


def test_one_broken_rule_refuses_a_statement_and_its_value_is_not_repeated(place: Place, player: Player) -> None:
    for place_in, value in BROKEN:
        answer = player.post({**said(), place_in: value})
        assert answer.status_code == 400, (place_in, value)
        assert "ada@example.org" not in answer.text
        assert answer.text.startswith("statement 1: ")
    assert kept(place) == 0


STRANGE: list[dict[str, Any]] = [
        {"timestamp": "9999-12-31T23:59:59Z"}, {"timestamp": "0001-01-01T00:00:00Z"},
        {"result": {"duration": "P" + "9" * 400 + "Y"}}, {"result": {"duration": "PT" + "9" * 400 + "H"}},
        {"result": {"score": {"raw": 1e308, "min": -1e308, "max": 1.7e308}}},
        {"result": {"extensions": {"https://x.example/e": [None, 2**64 - 1, -(2**63), 1e308, "\u202e"]}}},
        {"verb": {"id": "https://x.example/" + "v" * 40}}, {"verb": {"id": "https://x.example/"}},
        {"actor": {"account": {"homePage": "https://x.example", "name": "n" * 5000}}},
        {"object": {"id": "https://x.example/" + "o" * 5000}},
        {"object": {"objectType": "Agent", **ADA}}, {"object": {"objectType": "StatementRef", "id": said(9)["id"]}},
    ]  # fmt: skip


def test_what_is_valid_but_strange_is_never_an_error_of_ours(player: Player) -> None:
    for number, more in enumerate(STRANGE):
        assert player.post({**said(number), **more}).status_code in {200, 400}, more
    assert player.ask("GET", "statements").status_code == 200


def test_statements_come_as_json(player: Player) -> None:
    for named in ("text/plain", "", "application/xml", "multipart/mixed", "application/jsonx"):
        answer = player.ask("POST", "statements", content=json.dumps(said()), headers={"Content-Type": named})
        assert answer.status_code == 400


def test_other_methods_and_resources_are_told_what_there_is(player: Player) -> None:
    answer = player.ask("DELETE", "statements")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST, PUT")
    assert player.ask("GET", "statements/x").status_code == 404
    assert player.ask("POST", "about").status_code == 404


def test_a_body_over_a_million_bytes_is_cut_off(player: Player) -> None:
    assert player.post([said(n, result={"response": "x" * 100_000}) for n in range(12)]).status_code == 413


@pytest.mark.needs_shared
def test_the_templates_of_the_conformance_suite_are_answered_as_it_expects(
    place: Place, player: Player, shared: Path
) -> None:
    folder = shared / "data" / "xapi" / "lrs-conformance" / "test" / "v1_0_2" / "templates"
    seen = 0
    for path in sorted(folder.rglob("*.json")):
        key = f"{path.parent.name}/{path.name}"
        statement = statement_from(path.parent.name, path.name, json.loads(path.read_bytes()))
        seen += 1
        statement["id"] = f"00000000-0000-4000-8000-{seen:012d}"
        assert player.post(statement).status_code == (400 if key in INVALID else 200), key
    for path in sorted(folder.rglob("*.part")):
        boundary = path.read_bytes().splitlines()[0].strip()[2:].decode()
        headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
        answer = player.ask("POST", "statements", content=path.read_bytes(), headers=headers)
        assert answer.status_code == (400 if "invalid" in path.name else 200), path.name
    assert seen > 80


# --- documents


def test_a_bookmark_is_kept_read_listed_and_removed(player: Player) -> None:
    put = player.ask("PUT", "activities/state", params=STATE, content=b"2|3", headers={"Content-Type": "text/plain"})
    assert put.status_code == 204
    read = player.ask("GET", "activities/state", params=STATE)
    assert (read.content, read.headers["content-type"]) == (b"2|3", "text/plain")
    assert read.headers["etag"].startswith('"')
    assert "sandbox" in read.headers["content-security-policy"]
    everywhere = {name: STATE[name] for name in ("activityId", "agent")}
    assert player.ask("GET", "activities/state", params=everywhere).json() == ["bookmark"]
    assert player.ask("GET", "activities/state", params={**everywhere, "since": "2099-01-01T00:00:00Z"}).json() == []
    assert player.ask("DELETE", "activities/state", params=STATE).status_code == 204
    assert player.ask("GET", "activities/state", params=STATE).status_code == 404
    player.ask("PUT", "activities/state", params=STATE, content=b"x")
    assert player.ask("DELETE", "activities/state", params=everywhere).status_code == 204
    assert player.ask("GET", "activities/state", params=everywhere).json() == []


def test_another_registration_is_another_place_and_another_source_another_shelf(place: Place, player: Player) -> None:
    player.ask("PUT", "activities/state", params=STATE, content=b"x")
    registered = {**STATE, "registration": "aaaaaaaa-1111-4111-8111-000000000001"}
    assert player.ask("GET", "activities/state", params=registered).status_code == 404
    assert Player(place, a_source(place, "other")).ask("GET", "activities/state", params=STATE).status_code == 404


def test_json_documents_are_merged_key_by_key(player: Player) -> None:
    player.ask("POST", "activities/state", params=STATE, json={"a": 1, "b": {"c": 1}})
    assert player.ask("POST", "activities/state", params=STATE, json={"b": 2}).status_code == 204
    assert player.ask("GET", "activities/state", params=STATE).json() == {"a": 1, "b": 2}
    text = {"content": b"x", "headers": {"Content-Type": "text/plain"}}
    assert player.ask("POST", "activities/state", params=STATE, **text).status_code == 400
    assert player.ask("POST", "activities/state", params=STATE, json=[1]).status_code == 400
    other = {**STATE, "stateId": "new"}
    broken = {"content": b"{", "headers": {"Content-Type": "application/json"}}
    assert player.ask("POST", "activities/state", params=other, **broken).status_code == 400


@pytest.mark.parametrize(
    ("resource", "params"),
    [
        ("activities/profile", {"activityId": COURSE, "profileId": "p"}),
        ("agents/profile", {"agent": json.dumps(ADA), "profileId": "p"}),
    ],
)
def test_a_profile_is_replaced_only_by_who_knows_it(player: Player, resource: str, params: dict[str, str]) -> None:
    def put(content: bytes, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return int(player.ask("PUT", resource, params=params, content=content, headers=named).status_code)

    assert put(b"1", If_None_Match="*") == 204
    assert put(b"2", If_None_Match="*") == 412
    assert put(b"2") == 409
    assert put(b"2", If_Match='"0"') == 412
    etag = player.ask("GET", resource, params=params).headers["etag"]
    assert put(b"2", If_Match=etag) == 204
    assert player.ask("GET", resource, params=params).content == b"2"
    without = {name: value for name, value in params.items() if name != "profileId"}
    assert player.ask("GET", resource, params=without).json() == ["p"]
    assert player.ask("DELETE", resource, params=without).status_code == 400
    assert player.ask("DELETE", resource, params=params, headers={"If-Match": '"0"'}).status_code == 412
    assert player.ask("DELETE", resource, params=params, headers={"If-Match": "*"}).status_code == 204


NO_PLACES = [{"agent": "{}"}, {"agent": ""}, {"activityId": "x"}, {"registration": "1"}, {"stateId": "s" * 256},
     {"stateId": ""}, {"more": "1"}, {"stateId": "a\0b"}]  # fmt: skip


def test_a_document_needs_a_place(player: Player) -> None:
    for change in NO_PLACES:
        answer = player.ask("PUT", "activities/state", params={**STATE, **change}, content=b"x")
        assert answer.status_code == 400, change


def test_what_is_known_of_an_agent_is_what_was_asked_with(player: Player) -> None:
    person = player.ask("GET", "agents", params={"agent": json.dumps({"name": "A", **ADA})}).json()
    assert person == {"objectType": "Person", "name": ["A"], "mbox": [ADA["mbox"]]}
    assert player.ask("GET", "activities", params={"activityId": COURSE}).json()["id"] == COURSE


# --- as players really speak


def test_an_old_player_sends_everything_in_a_form(place: Place, player: Player) -> None:
    def send(method: str, resource: str, **fields: str) -> Any:
        form = {**player.headers, **fields}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return place.client.post(f"/xapi/{resource}?method={method}", content=urlencode(form), headers=headers)

    statement = json.dumps(said(verb="completed"))
    put = {"statementId": said()["id"], "Content-Type": "application/json", "content": statement}
    assert send("PUT", "statements", **put).status_code == 204
    assert activities(place) == [("completed", 1)]
    assert send("PUT", "activities/state", **STATE, **{"Content-Type": "text/plain"}, content="ü|3").status_code == 204
    assert send("GET", "activities/state", **STATE).content == "ü|3".encode()
    assert send("DELETE", "activities/state", **STATE).status_code == 204
    assert send("GET", "statements", statementId=said()["id"]).json()["id"] == said()["id"]
    assert send("PATCH", "statements").status_code == 400
    extra = place.client.post("/xapi/statements?method=PUT&x=1", data=player.headers)
    assert extra.status_code == 400
    assert place.client.post("/xapi/statements?method=GET", data={}).status_code == 401
    broken = {"content": b"content=%ff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    assert place.client.post("/xapi/statements?method=GET", **broken).status_code == 400


def test_a_cmi5_session_from_launch_to_end(place: Place, player: Player) -> None:
    session = "bbbbbbbb-1111-4111-8111-000000000001"
    launch = {**STATE, "stateId": "LMS.LaunchData", "registration": session}
    data = {"launchMode": "Normal", "moveOn": "CompletedAndPassed", "contextTemplate": {}}
    player.ask("PUT", "activities/state", params=launch, json=data)
    assert player.ask("GET", "activities/state", params=launch).json() == data
    agent = {"agent": json.dumps(ADA), "profileId": "cmi5LearnerPreferences"}
    assert player.ask("GET", "agents/profile", params=agent).status_code == 404
    context = {"registration": session, "contextActivities": {"category": [{"id": "https://w3id.org/xapi/cmi5/context/categories/cmi5"}]}}  # fmt: skip  # noqa: E501
    for number, verb in enumerate(("launched", "initialized", "completed", "passed", "terminated"), start=1):
        result = {"result": {"score": {"scaled": 0.9}, "success": True}} if verb == "passed" else {}
        assert player.post([said(number, verb, context=context, **result)]).status_code == 200
    assert [verb for verb, _ in activities(place)] == ["launched", "initialized", "completed", "passed", "terminated"]


# --- what becomes of it


def test_a_day_is_one_run_with_its_counts_and_a_short_quarantine(place: Place, player: Player) -> None:
    player.post([said(1), said(2, actor={"mbox": "mailto:nobody@example.org"})])
    player.post([said(1), said(3)])
    player.post(said(4, object={"objectType": "Agent", **ADA}))
    with reading(place.engine) as connection:
        runs = connection.execute(select(import_run)).all()
        lines = connection.execute(select(quarantine.c.row_number, quarantine.c.reason).order_by(quarantine.c.id)).all()
    assert [(r.kind, r.source, r.rows_in, r.accepted, r.rejected, r.duplicate) for r in runs] == [
        ("xapi", "player", 5, 2, 2, 1)
    ]
    assert [tuple(line) for line in lines] == [(2, "unknown_person"), (5, "object_is_a_person")]


def test_statements_of_somebody_who_becomes_known_later_count_then(place: Place, player: Player) -> None:
    eva, team = {"mbox": "mailto:eva@example.org"}, {"mbox": "mailto:x@example.org"}
    player.post([said(1, actor=eva), said(2), said(3, actor={"objectType": "Group", "member": [team, eva]})])
    with writing(place.engine) as connection:
        assert replay_unknown(connection, now=NOW) == 0
        new = {"external_id": "p-2", "draw": 1, "created_at": NOW, "updated_at": NOW}
        connection.execute(insert(learner).values(id=2, **new))
        connection.execute(insert(learner_identity).values(kind="mbox", value=eva["mbox"], learner_id=2))
        assert replay_unknown(connection, now=NOW) == 2
        connection.execute(update(learner).values(updated_at=NOW))
        assert replay_unknown(connection, now=NOW) == 0
        assert sorted(connection.scalars(select(activity.c.learner_id))) == [1, 2, 2]
        run = connection.execute(select(import_run)).one()
    assert (run.rows_in, run.accepted, run.rejected) == (5, 3, 2)


def test_a_statement_moves_its_learner_in_the_background(place: Place, player: Player) -> None:
    folded = Event()
    home = Installation(settings=place.settings, engine=place.engine, links=place.signer, adapters={})

    def fold(at: Any) -> None:
        fold_news(at)
        folded.set()

    folding = Folding(fold, rest=0.01)
    place.client.app.state.folding = folding  # type: ignore[attr-defined]
    with installed(home):
        player.post(said(verb="completed", timestamp=NOW.isoformat()))
        assert folded.wait(20)
        folding.close()
    with reading(place.engine) as connection:
        assert connection.scalar(select(progress.c.status).where(progress.c.item_id == 1)) == "completed"
        assert connection.scalar(select(lifecycle.c.state)) == "active"
    with installed(home):
        assert fold_news(NOW) == {"spring": {}}


def test_folds_coalesce_and_the_last_news_is_never_left_out() -> None:
    begun, go, folds = Event(), Event(), []

    def fold(at: Any) -> None:
        folds.append(at)
        begun.set()
        assert go.wait(10)

    folding = Folding(fold, rest=0.0)
    folding.news()
    assert begun.wait(10)
    for _ in range(100):
        folding.news()
    begun.clear()
    go.set()
    assert begun.wait(10)
    folding.close()
    assert len(folds) == 2
