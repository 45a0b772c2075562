"""What course players keep between sessions, and how they really speak."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.web.conftest import Place
from tests.web.sending import (
    ADA,
    COURSE,
    Player,
    a_player,
    a_source,
    activities,
    said,
)

STATE = {"activityId": COURSE, "agent": json.dumps(ADA), "stateId": "bookmark"}


@pytest.fixture
def player(place: Place) -> Player:
    return a_player(place)


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
