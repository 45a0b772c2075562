"""What course players send, what they get back, and what becomes of it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from pushpull.db import reading, writing
from pushpull.importers.sources import end_source
from pushpull.importers.tables import ingest_source
from pushpull.importers.xapi.multipart import statements_in
from pushpull.learners.tables import activity
from tests.web.conftest import Place
from tests.web.sending import (
    ADA,
    COURSE,
    MADE,
    VERBS,
    Player,
    a_player,
    a_source,
    activities,
    basic,
    kept,
    said,
)


@pytest.fixture
def player(place: Place) -> Player:
    return a_player(place)


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
    for version in ("", "0.95", "2.1.0", "1.0.", "1", "1.0.3, 1.0.3"):
        headers = {**player.headers, "X-Experience-API-Version": version}
        answer = player.client.get("/xapi/statements", headers=headers)
        assert answer.status_code == 400
        assert answer.headers["x-experience-api-version"] == "1.0.3"


def test_about_is_open_to_all(place: Place) -> None:
    answer = place.client.get("/xapi/about")
    assert answer.json()["version"][-2:] == ["1.0.3", "2.0.0"]
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
    assert ids(since="2020-01-01T00:00:00Z", format="ids", attachments="false") == [1, 2, 3, 4, 5, 6]
    assert player.ask("GET", "statements", params={"related_agents": "true"}).status_code == 501
    for order in ("true", "false"):
        page = player.ask("GET", "statements", params={"limit": "4", "ascending": order}).json()
        rest = player.client.get(page["more"], headers=player.headers).json()
        seen = [each["id"] for each in (*page["statements"], *rest["statements"])]
        assert (len(page["statements"]), len(set(seen)), rest["more"]) == (4, 6, "")


NO_QUERIES = [
     "statementId=x", "limit=-1", "limit=²", "limit=1e3", "since=yesterday", "agent={}", "agent=[", "verb=passed",
     "ascending=maybe", "format=xml", "related_agents=x", "attachments=x", "unknown=1", "limit=1&limit=2",
     "agent=%ff", "agent=%00",
     "statementId=11111111-1111-4111-8111-000000000001&limit=1", "after=x", "registration=1",
     "statementId=11111111-1111-4111-8111-000000000001&voidedStatementId=11111111-1111-4111-8111-000000000001",
]  # fmt: skip


def test_a_query_that_is_none_is_refused(player: Player) -> None:
    for query in NO_QUERIES:
        assert player.ask("GET", f"statements?{query}").status_code == 400, query


def test_who_asks_for_attachments_gets_statements_as_the_first_part_of_several(player: Player) -> None:
    player.post(said())
    for params in ({"attachments": "true"}, {"attachments": "true", "statementId": said()["id"]}):
        answer = player.ask("GET", "statements", params=params)
        assert answer.headers["content-type"].startswith("multipart/mixed; boundary=")
        found = statements_in(answer.content, name="the answer")
        assert (found["statements"][0] if "statements" in found else found)["id"] == said()["id"]


# --- the second version


def test_who_speaks_the_second_version_is_answered_in_it(place: Place, player: Player) -> None:
    player.headers["X-Experience-API-Version"] = "2.0.0"
    context = {
        "contextAgents": [{"objectType": "contextAgent", "agent": ADA, "relevantTypes": [COURSE + "/tutor"]}],
        "contextGroups": [{"objectType": "contextGroup", "group": {"objectType": "Group", "member": [ADA]}}],
    }
    answer = player.post([said(1, context=context), said(2, version="2.0.0")])
    assert (answer.status_code, answer.headers["x-experience-api-version"]) == (200, "2.0.0")
    found = player.ask("GET", "statements", params={"statementId": said(1)["id"]})
    assert found.json()["version"] == "2.0.0"
    assert found.json()["context"] == context
    broken = {"contextAgents": [{"objectType": "Agent", "agent": ADA}]}
    assert player.post(said(3, context=broken)).status_code == 400
    assert len(activities(place)) == 2


def test_in_the_second_version_a_bookmark_too_is_replaced_only_by_who_knows_it(player: Player) -> None:
    state = {"activityId": COURSE, "agent": json.dumps(ADA), "stateId": "bookmark"}

    def put(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return int(player.ask("PUT", "activities/state", params=state, content=b"x", headers=named).status_code)

    assert [put(), put()] == [204, 204]
    player.headers["X-Experience-API-Version"] = "2.0"
    etag = player.ask("GET", "activities/state", params=state).headers["etag"]
    assert [put(), put(If_None_Match="*"), put(If_Match=etag)] == [409, 412, 204]
