"""A browser on the page of plans, with and without a calendar behind it."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import Engine, select

from pushpull.db import reading
from pushpull.learners.tables import learner
from pushpull.ledger.links import Claims, LinkSigner, Purpose
from pushpull.settings import Settings
from tests.standin.engine import StandIn
from tests.standin.microsoft import Graph
from tests.standin.variables import variables
from tests.web.conftest import BASE, Place
from web import calendar_times, plan_page, plans
from web.app import create_app

#: Seven o'clock on a Monday morning in Berlin.
SEVEN = datetime(2026, 1, 12, 6, tzinfo=UTC)
ADA = "0b1f1f1e-0000-4000-8000-00000000ada0"


@dataclass
class Visit:
    """A browser of a learner who followed a link."""

    client: TestClient
    engine: Engine
    settings: Settings
    token: str

    def page(self, path: str = "/me/plans") -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200
        return html.unescape(answer.text)

    def send(self, path: str, **fields: Any) -> Response:
        answer: Response = self.client.post(path, data={"form_token": self.token, **fields})
        return answer

    def rows(self, table: Any) -> list[Any]:
        with reading(self.engine) as connection:
            return list(connection.execute(select(table).order_by(table.c.id)))

    def agree(self) -> None:
        assert self.send("/me/plans/calendar", wants="yes").headers["location"] == "/me/plans?done=calendar"


def a_visit(client: TestClient, engine: Engine, settings: Settings, *, who: int = 1) -> Visit:
    signer = LinkSigner.of(settings)
    claims = Claims(Purpose.LANDING, who, "", campaign_id=1, item_id=1, wave_id=1, rotation=0)
    token = signer.session_token(claims, datetime.now(UTC) + timedelta(hours=1))
    client.cookies.clear()
    client.cookies.set("__Host-pushpull", token)
    return Visit(client, engine, settings, signer.form_token(token))


@pytest.fixture(autouse=True)
def at_seven(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (plan_page, plans, calendar_times):
        monkeypatch.setattr(module, "now", lambda: SEVEN)


@pytest.fixture
def visit(place: Place) -> Visit:
    """A learner of an organisation without calendars."""
    place.change(learner, preferred_language="en", timezone="Europe/Berlin", teams_id=ADA)
    return a_visit(place.client, place.engine, place.settings)


@pytest.fixture
def graph(standin: StandIn) -> Iterator[Graph]:
    played: Graph = standin.provider(Graph)
    yield played
    assert standin.violations == []


@pytest.fixture
def with_calendar(visit: Visit, standin: StandIn, graph: Graph) -> Iterator[Visit]:
    """A learner whose organisation has a tenant at Microsoft."""
    played: dict[str, Any] = {
        name.removeprefix("PUSHPULL_").lower(): value for name, value in variables(standin).items()
    }
    settings = Settings(
        _env_file=None,
        **{**played, "channels": "teams", "base_url": BASE, "link_key": "a secret of the tests alone"},
        call_deadline_seconds=2.0,
    )
    with TestClient(create_app(settings, visit.engine), base_url=BASE, follow_redirects=False) as client:
        yield a_visit(client, visit.engine, settings)
