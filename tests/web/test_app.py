from __future__ import annotations

import asyncio
import logging
import random
from datetime import timedelta
from urllib.parse import unquote

import pytest
from fastapi.testclient import TestClient

from pushpull.db import open_database
from pushpull.ledger.links import Purpose
from pushpull.settings import Settings
from tests.web.conftest import BASE, NOW, Place
from web.access_log import RedactTokens
from web.app import create_app

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_it_says_that_it_is_well(place: Place) -> None:
    assert place.client.get("/healthz").text == "ok"
    assert place.client.get("/readyz").text == "ok"


def test_it_takes_no_visitors_before_the_schema_is_there(place: Place) -> None:
    with place.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    answer = place.client.get("/readyz")
    assert answer.status_code == 503
    assert "pushpull upgrade" in answer.text
    assert place.client.get("/healthz").status_code == 200
    with place.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert place.client.get("/readyz").status_code == 200  # newer code has been here: this one goes on
    with place.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
    assert place.client.get("/readyz").status_code == 503


def test_a_database_that_is_away_stops_the_visitors_and_not_the_app() -> None:
    engine = open_database("postgresql://nobody@127.0.0.1:1/nothing")
    client = TestClient(create_app(Settings(_env_file=None), engine), raise_server_exceptions=False)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "no answer from the database")
    assert client.get("/healthz").status_code == 200


def test_every_answer_carries_the_security_headers(place: Place) -> None:
    token = place.unsubscribe()
    answers = [
        place.client.get("/healthz"),
        place.client.get("/nowhere"),
        place.client.get("/static/style.css"),
        place.client.get(token),
        place.client.post(token, data={"x": "1"}),
        place.client.post(token, content=b"x" * 1_000_001),
        place.client.put(token),
        place.client.get(place.preferences()),
        place.client.get("/me/start/1"),
        place.client.get(place.landing(expires=NOW - timedelta(days=1))),
        place.client.get(place.landing()),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 200, 200, 400, 413, 405, 200, 401, 200, 303]
    for answer in answers:
        assert answer.headers["content-security-policy"].startswith("default-src 'none';")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" in answer.headers
        assert "<script" not in answer.text
    assert [("set-cookie" in answer.headers) for answer in answers] == [False] * 10 + [True]


def test_all_that_is_not_there_looks_the_same(place: Place) -> None:
    pages = {
        place.client.get(path).text
        for path in (
            "/nowhere",
            "/l/nothing",
            "/u/" + place.landing().removeprefix("/l/"),
            "/t/nothing",
            "/l/nothing/fresh",
            place.landing(who=99),
            place.unsubscribe(who=99),
            place.preferences(who=99),
            "/docs",
        )
    }
    assert len(pages) == 1


def test_ten_thousand_hostile_tokens_open_nothing_and_break_nothing(place: Place) -> None:
    draw = random.Random(3)
    if place.engine.dialect.name != "sqlite":
        pytest.skip("tokens are refused before any database is asked")
    good = [place.landing(), place.unsubscribe(), place.preferences()]
    before = place.said()
    hostile: list[tuple[str, str]] = []
    while len(hostile) < 10_000:
        n = len(hostile)
        prefix, token = "/" + good[n % 3][1:3], good[n % 3][3:]
        changed = list(token)
        match draw.randrange(6):
            case 0:
                changed[draw.randrange(len(changed))] = draw.choice(ALPHABET)
            case 1:
                del changed[draw.randrange(len(changed))]
            case 2:
                changed.insert(
                    draw.randrange(len(changed)), draw.choice([*ALPHABET, "%00", "%ff", "=", "+", "%0a", "."])
                )
            case 3:
                changed = changed[: draw.randrange(1, len(changed))]
            case 4:
                prefix = draw.choice([f"/{letter}/" for letter in "lup" if f"/{letter}/" != prefix])
            case _:
                changed = [draw.choice(["%f0%9f", "%u2028", "'", '"', "<b>", "../", "A", "é"]) for _ in range(20)]
        path = prefix + "".join(changed)
        if path not in good:
            hostile.append((draw.choice(["GET", "HEAD", "POST"] if prefix != "/l/" else ["GET", "HEAD"]), path))
    statuses = asyncio.run(_statuses(place, hostile))
    assert [(asked, status) for asked, status in zip(hostile, statuses, strict=True) if status != 404] == []
    assert place.said() == before


async def _statuses(place: Place, asked: list[tuple[str, str]]) -> list[int]:
    """What the app answers, asked directly: a client in between would tidy the paths and take its time."""
    statuses = []
    app = create_app(place.settings, place.engine, limits=None)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"List-Unsubscribe=One-Click&action=stop"}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    for method, path in asked:
        headers = [(b"content-type", b"application/x-www-form-urlencoded")]
        await app(
            {"type": "http", "method": method, "path": unquote(path, errors="replace"), "raw_path": path.encode(),
             "headers": headers, "query_string": b"", "scheme": "https", "server": ("learn.example", 443)},
            receive,
            send,
        )  # fmt: skip
    return statuses


def test_get_and_head_change_nothing(place: Place) -> None:
    for path in (place.landing(), place.unsubscribe(), place.preferences()):
        for method in ("GET", "HEAD"):
            assert place.client.request(method, path).status_code in (200, 303)
    assert place.said() == set()


def test_a_body_that_grows_past_the_cap_is_cut_off(place: Place) -> None:
    def endless() -> object:
        for _ in range(30):
            yield b"x" * 100_000

    answer = place.client.post(place.unsubscribe(), content=endless())  # type: ignore[arg-type]
    assert answer.status_code == 413
    assert place.said() == set()


def test_no_form_breaks_the_app(place: Place) -> None:
    kinds = ["multipart/form-data", "multipart/form-data; boundary=", "text/plain", "", "x" * 900]
    bodies = [b"", b"--", b"\0" * 50, b"--b\r\n" * 3000, b"\xff\xfe--", b"a&" * 3000, b"--x\nname=\n\n", b"%ff=%zz"]
    client = TestClient(create_app(place.settings, place.engine, limits=None), base_url=BASE)
    for path in (place.unsubscribe(), place.preferences()):
        for kind in kinds:
            for body in bodies:
                answer = client.post(path, content=body, headers={"content-type": kind})
                assert answer.status_code == (400 if path.startswith("/u/") else 403)
    assert place.said() == set()


@pytest.mark.parametrize("kind", [*sorted(each.value for each in Purpose if each is not Purpose.SESSION), "t"])
def test_logs_name_no_token(kind: str) -> None:
    path = f"/{kind}/AbzeAq0xLX"
    for told, kept in ((f"{path}?x=1", f"/{kind}/…?…"), (f"{path}/fresh", f"/{kind}/…/fresh")):
        arguments = ("127.0.0.1", "POST", told, 200)
        record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, '%s - "%s %s" %d', arguments, None)
        assert RedactTokens().filter(record)
        assert record.getMessage() == f'127.0.0.1 - "POST {kept}" 200'


@pytest.mark.parametrize(
    "query",
    [
        "/xapi/activities/state?agent=%7B%22mbox%22%3A%22mailto%3Aada%40example.org%22%7D",
        "/scim/v2/Users?filter=userName%20eq%20%22ada%40example.org%22",
        "/sign-in/callback?code=ada-code&state=x",
    ],
)
def test_logs_name_nobody(query: str) -> None:
    arguments = ("127.0.0.1:9", "GET", query, "1.1", 200)
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', arguments, None)
    assert RedactTokens().filter(record)
    assert record.getMessage() == f'127.0.0.1:9 - "GET {query.partition("?")[0]}?… HTTP/1.1" 200'


def test_a_path_longer_than_any_of_ours_is_refused_unread(place: Place) -> None:
    place.client.get(place.landing())
    for path in ("/me/items/", "/me/start/", "/me/plans/", "/s/"):
        answer = place.client.get(path + "9" * 5000)  # more digits than Python reads as a number
        assert answer.status_code == 414
        assert answer.headers["content-security-policy"]


def test_a_database_that_is_away_is_asked_for_again_later(place: Place) -> None:
    engine = open_database("sqlite:////nowhere/at/all.db")
    app = create_app(place.settings, engine)
    answer = TestClient(app).get(place.landing())
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "30"
