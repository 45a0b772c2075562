"""What is no statement, and never stumbled over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.importers.test_xapi_statements import INVALID, statement_from
from tests.web.conftest import Place
from tests.web.sending import (
    ADA,
    COURSE,
    VERBS,
    Player,
    a_player,
    kept,
    said,
)


@pytest.fixture
def player(place: Place) -> Player:
    return a_player(place)


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
        ("object", None), ("verb", {"id": "https://["}), ("object", {"id": "https://x\u2100.example/1"}),
        ("object", {"id": COURSE, "objectType": "Thing"}), ("object", {"id": COURSE, "definition": {"type": 1}}),
        ("object", {"objectType": "StatementRef", "id": "1"}), ("object", {"objectType": "SubStatement"}),
        ("result", {"score": {"scaled": 2}}), ("result", {"score": {"raw": "7"}}), ("result", {"duration": "10 min"}),
        ("result", {"success": "true"}), ("result", {"score": {"raw": 5, "min": 6}}),
        ("result", {"extensions": {"x": 1}}),
        ("context", {"registration": "1"}), ("context", {"contextActivities": {"child": []}}),
        ("context", {"team": ADA}),
        ("context", {"language": "not a tag"}), ("timestamp", "yesterday"), ("timestamp", "2026-01-06T10:00:00-00:00"),
        ("timestamp", "2026-13-01T00:00:00Z"), ("stored", 1), ("version", "3.0"), ("version", "1.1.0"), ("extra", 1),
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
