"""The description of the app's routes is one of the routes there are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi.testclient import TestClient
from starlette.routing import BaseRoute, Match, Route

from tests.web.conftest import Place
from web.app import create_app
from web.description import description

_METHODS = {"get", "put", "post", "patch", "delete"}


def routes_in(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    for each in routes:
        included: Any = getattr(each, "original_router", None)
        if included is not None:
            yield from routes_in(included.routes)
        elif isinstance(each, Route):
            yield each


def described() -> set[tuple[str, str]]:
    return {
        (method.upper(), path)
        for path, operations in description()["paths"].items()
        for method in operations
        if method in _METHODS
    }


def matches(route: Route, method: str, path: str) -> bool:
    plain = re.sub(r"\{\w+\}", "1", path)
    return route.matches({"type": "http", "method": method, "path": plain, "headers": []})[0] is Match.FULL


def test_every_route_is_described_and_everything_described_is_a_route(place: Place) -> None:
    there = list(routes_in(create_app(place.settings, place.engine).routes))
    assert len(there) > 40
    for method, path in sorted(described()):
        assert any(matches(route, method, path) for route in there), f"{method} {path} is no route"
    for route in there:
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}:
            known = any(matches(route, method, path) for how, path in described() if how == method)
            assert known or route.path.endswith(":path}"), f"{method} {route.path} is not described"


def test_it_is_there_to_be_read(place: Place) -> None:
    answer = TestClient(create_app(place.settings, place.engine)).get("/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["openapi"] == "3.1.0"
