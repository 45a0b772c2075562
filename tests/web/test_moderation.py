from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response as Answer
from sqlalchemy import Engine, insert, select
from starlette.requests import Request
from starlette.responses import Response

from pushpull.db import reading, writing
from pushpull.learners.recognitions import wall
from pushpull.learners.reviews import rate, said_of
from pushpull.learners.tables import recognition, review
from pushpull.ledger.tables import audit
from pushpull.settings import Settings
from tests.learners.peers import agrees, company, completed
from tests.web.conftest import BASE, NOW
from web.app import create_app
from web.staff import let_in
from web.words import words_for

ENGLISH = words_for("en", "peers")


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[TestClient]:
    """The app of a company with a sign-in, one review that waits, one that is out, and thanks on the wall."""
    settings = Settings(
        _env_file=None, base_url=BASE, link_key="a secret of the tests alone", outbox_dir=tmp_path / "outbox",
        oidc_issuer="https://id.example", oidc_client_id="pushpull", oidc_ops_group="ops",
    )  # fmt: skip
    with writing(engine) as connection:
        company(connection)
        for who, words in ((1, "see www.example.org <b>"), (2, "clear and short")):
            completed(connection, who, 1, NOW)
            rate(connection, who, 1, rating=4, words=words, at=NOW)
        agrees(connection, 3)
        connection.execute(
            insert(recognition).values(
                id=7, learner_id=3, campaign_id=1, kind="finished", earned_at=NOW, post_state="wanted"
            )
        )
    with TestClient(create_app(settings, engine), base_url=BASE, follow_redirects=False) as client:
        yield client


def sign_in(desk: TestClient, *groups: str) -> None:
    assert isinstance(desk.app, FastAPI)
    answer = Response()
    request = Request({"type": "http", "headers": [], "app": desk.app})
    let_in(request, answer, subject="u-1", email="grace@example.org", name="Grace", groups=groups)
    name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
    desk.cookies.clear()
    desk.cookies.set(name, value, domain="learn.example")


def send(desk: TestClient, to: str, **fields: str) -> Answer:
    found = re.search(r'name="form_token" value="([^"]+)"', desk.get("/moderation").text)
    return desk.post(to, data={"form_token": found[1] if found else "", **fields})


def test_only_ops_who_signed_in_see_what_waits(desk: TestClient) -> None:
    assert desk.get("/moderation").status_code in (303, 401)
    sign_in(desk, "others")
    answer = desk.get("/moderation")
    assert answer.status_code == 403
    assert "example.org" not in answer.text
    assert desk.post("/moderation/reviews", data={}).status_code == 403
    sign_in(desk, "ops")
    text = desk.get("/moderation").text
    assert "see www.example.org &lt;b&gt;" in text
    assert ENGLISH("doubt_link") in text
    assert "clear and short" in text
    for who in ("Given1", "Family1", "p-1", "Given2"):
        assert who not in text, "who wrote it is nobody's business"


def test_a_decision_is_made_with_a_reason_and_audited(desk: TestClient, engine: Engine) -> None:
    sign_in(desk, "ops")
    unsaid = send(desk, "/moderation/reviews", number="1-1", decision="publish", why=" ")
    assert unsaid.status_code == 422
    assert 'aria-describedby="wrong-1-1"' in unsaid.text
    assert ENGLISH("why_missing") in unsaid.text
    done = send(desk, "/moderation/reviews", number="1-1", decision="publish", why="our own site")
    assert (done.status_code, done.headers["location"]) == (303, "/moderation?done=decided")
    assert ENGLISH("decided") in desk.get("/moderation?done=decided").text
    send(desk, "/moderation/reviews", number="2-1", decision="hide", why="a test")
    with reading(engine) as connection:
        assert [said.words for said in said_of(connection, 1)] == ["see www.example.org <b>"]
        lines = connection.execute(select(audit.c.who, audit.c.what, audit.c.why).order_by(audit.c.id)).all()
        assert [tuple(line) for line in lines] == [
            ("grace@example.org", "review published", "our own site"),
            ("grace@example.org", "review hidden", "a test"),
        ]
    gone = send(desk, "/moderation/reviews", number="9-9", decision="hide", why="x")
    assert gone.headers["location"] == "/moderation?done=gone"
    assert send(desk, "/moderation/reviews", number="1-1", decision="delete", why="x").status_code == 400
    assert html.unescape(desk.get("/moderation").text).count(ENGLISH("why_hidden", why="a test")) == 1


def test_thanks_are_taken_down(desk: TestClient, engine: Engine) -> None:
    sign_in(desk, "ops")
    assert "Given3 F." in desk.get("/moderation").text
    assert send(desk, "/moderation/thanks", number="7", why="").status_code == 422
    assert send(desk, "/moderation/thanks", number="x", why="x").status_code == 400
    assert send(desk, "/moderation/thanks", number="7", why="asked to").headers["location"].endswith("done=decided")
    assert send(desk, "/moderation/thanks", number="7", why="asked to").headers["location"].endswith("done=gone")
    with reading(engine) as connection:
        assert wall(connection, NOW) == ()


def test_no_other_site_decides_and_no_other_group(desk: TestClient, engine: Engine) -> None:
    sign_in(desk, "ops")
    fields = {"number": "2-1", "decision": "hide", "why": "x"}
    assert desk.post("/moderation/reviews", data=fields).status_code == 403
    assert desk.post("/moderation/reviews", data={**fields, "form_token": "x"}).status_code == 403
    found = re.search(r'name="form_token" value="([^"]+)"', desk.get("/moderation").text)
    assert found
    sign_in(desk, "others")
    assert desk.post("/moderation/reviews", data={**fields, "form_token": found[1]}).status_code == 403
    with reading(engine) as connection:
        assert connection.execute(select(review.c.state).where(review.c.learner_id == 2)).scalar_one() == "published"
