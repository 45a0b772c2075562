"""What managers and sponsors see: figures of groups, never of a person."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from web.staff import staff_of

router = APIRouter()


def team(request: Request) -> Response:
    """A manager's page."""
    staff_of(request)
    raise HTTPException(404)


def sponsor(request: Request) -> Response:
    """A sponsor's page."""
    staff_of(request)
    raise HTTPException(404)


router.add_route("/team", team, methods=["GET"])
router.add_route("/sponsor", sponsor, methods=["GET"])
