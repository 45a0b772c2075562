"""What there is to call, for whoever connects a system and for tools that try every route: OpenAPI at /openapi.json."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from ruamel.yaml import YAML
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

router = APIRouter()

_FILE: Final = Path(__file__).parent / "openapi.yaml"


@cache
def description() -> dict[str, Any]:
    """The app's routes as OpenAPI 3.1 describes them; a test holds it to the routes there are."""
    read: dict[str, Any] = YAML(typ="safe", pure=True).load(_FILE.read_text(encoding="utf-8"))
    return read


def show(_: Request) -> Response:
    """The description."""
    return JSONResponse(description())


router.add_route("/openapi.json", show, methods=["GET"])
