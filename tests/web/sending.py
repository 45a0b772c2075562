"""Systems that send: small builders for the tests of the ways in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, insert, select

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.importers.sources import SourceKind, add_source
from pushpull.importers.tables import xapi_statement
from pushpull.learners.tables import activity, learner_identity
from tests.web.conftest import Place

SECRET = "a" * 64
MADE = datetime(2026, 1, 5, tzinfo=UTC)
COURSE = "https://courses.example/1"
ADA = {"objectType": "Agent", "mbox": "mailto:ada@example.org"}
VERBS = "http://adlnet.gov/expapi/verbs/"


def basic(name: str, secret: str = SECRET) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def a_source(place: Place, name: str = "player", kind: str = "xapi", *, preset: str | None = None) -> str:
    """A source; what it shows with every request."""
    with writing(place.engine) as connection:
        add_source(connection, name, SourceKind(kind), preset=preset, secret=SECRET, by="ops", at=MADE)
    return basic(name)


def known_by_mail(place: Place, mail: str = "ada@example.org", learner_id: int = 1) -> None:
    mbox = f"mailto:{mail}"
    digest = hashlib.sha1(mbox.encode()).hexdigest()
    with writing(place.engine) as connection:
        connection.execute(
            insert(learner_identity),
            [
                {"kind": "mbox", "value": mbox, "learner_id": learner_id},
                {"kind": "mbox_sha1sum", "value": digest, "learner_id": learner_id},
            ],
        )


def said(number: int = 1, verb: str = "experienced", **more: Any) -> dict[str, Any]:
    return {
        "id": f"11111111-1111-4111-8111-{number:012d}",
        "actor": ADA,
        "verb": {"id": VERBS + verb},
        "object": {"id": COURSE},
        "timestamp": "2026-01-06T10:00:00.000Z",
        **more,
    }


def kept(place: Place) -> int:
    """How many statements are there to be asked for again."""
    with reading(place.engine) as connection:
        return int(connection.scalar(select(func.count()).select_from(xapi_statement)) or 0)


def activities(place: Place) -> list[tuple[str, int | None]]:
    with reading(place.engine) as connection:
        rows = connection.execute(select(activity.c.verb, activity.c.item_id).order_by(activity.c.id))
        return [(row.verb, row.item_id) for row in rows]


class Player:
    """A course player: every request with its secret and the version."""

    def __init__(self, place: Place, authorization: str) -> None:
        self.client = place.client
        self.headers = {"Authorization": authorization, "X-Experience-API-Version": "1.0.3"}

    def ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Any:
        return self.client.request(method, f"/xapi/{path}", headers={**self.headers, **(headers or {})}, **more)

    def post(self, statements: Any) -> Any:
        return self.ask("POST", "statements", json=statements)


def a_player(place: Place) -> Player:
    """A player of the first item, which Ada is known to use by her address."""
    authorization = a_source(place)
    known_by_mail(place)
    place.change(item, iri=COURSE)
    return Player(place, authorization)
