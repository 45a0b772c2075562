"""Learning in the way of the day: if-then plans on the learner's page. What the page shows lives in `plan_page`, and
times in the calendar in `calendar_times`.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pushpull.db import reading, writing
from pushpull.learners.plans import PlanError, add, change, end
from web import calendar_times
from web.forms import Fields, one
from web.plan_page import Draft, offered_to, plan_page
from web.session import Visitor, form_of, visitor_of
from web.site import now, site_of

router = APIRouter()

#: Databases keep no larger ids.
_LARGEST: Final = 2**63 - 1


def show(request: Request) -> Response:
    """Plans, free times and entries as they stand; ``?edit=`` fills the form with one of the plans."""
    editing = request.query_params.get("edit", "")
    return plan_page(
        request,
        visitor_of(request),
        done=request.query_params.get("done", ""),
        editing=int(editing) if editing.isascii() and editing.isdecimal() and len(editing) < 19 else None,
    )


async def make(request: Request) -> Response:
    """Make a plan, or show it as a sentence first."""
    visitor, fields = await form_of(request)
    return await run_in_threadpool(_keep, request, visitor, fields, None)


async def alter(request: Request) -> Response:
    """Change a plan, or show it as a sentence first."""
    visitor, fields = await form_of(request)
    return await run_in_threadpool(_keep, request, visitor, fields, id_in(request, "plan_id"))


async def finish(request: Request) -> Response:
    """End a plan."""
    visitor, _ = await form_of(request)
    return await run_in_threadpool(_end, request, visitor, id_in(request, "plan_id"))


def id_in(request: Request, name: str) -> int:
    """An id in the path.

    Raises:
        HTTPException: 404, no row can have it.
    """
    number = int(request.path_params[name])
    if number > _LARGEST:
        raise HTTPException(404)
    return number


router.add_route("/me/plans", show, methods=["GET"])
router.add_route("/me/plans", make, methods=["POST"])
router.add_route("/me/plans/{plan_id:int}", alter, methods=["POST"])
router.add_route("/me/plans/{plan_id:int}/end", finish, methods=["POST"])
router.include_router(calendar_times.router)


def _keep(request: Request, visitor: Visitor, fields: Fields, plan_id: int | None) -> Response:
    draft, site = Draft.of_fields(fields, plan_id), site_of(request)
    with reading(site.engine) as connection:
        offered = offered_to(connection, visitor)
    try:
        plan = draft.plan(offered)
        if one(fields, "step") == "preview":
            return plan_page(request, visitor, draft=draft)
        with writing(site.engine) as connection:
            if plan_id is None:
                add(connection, visitor.learner_id, plan, at=now())
            elif not change(connection, visitor.learner_id, plan_id, plan):
                raise HTTPException(404)
    except PlanError as error:
        return plan_page(request, visitor, status=422, draft=draft, error=error.field)
    return RedirectResponse("/me/plans?done=plan", status_code=303)


def _end(request: Request, visitor: Visitor, plan_id: int) -> Response:
    with writing(site_of(request).engine) as connection:
        end(connection, visitor.learner_id, plan_id, at=now())  # one that has ended stays so
    return RedirectResponse("/me/plans?done=ended", status_code=303)
