"""Ops decide about reviews and public thanks; behind the company's sign-in. Nobody is named beside what they wrote."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pushpull.db import reading, writing
from pushpull.learners.recognitions import wall
from pushpull.learners.vocabulary import ReviewState
from pushpull.ledger.moderating import (
    NoReasonError,
    UnknownReviewError,
    UnknownThanksError,
    decide,
    low_rated,
    reviews_that,
    take_down,
)
from web.forms import Fields, one
from web.site import now, site_of
from web.staff import Staff, staff_form_of, staff_of
from web.staff_frame import staff_page

router = APIRouter()

PAGE: Final = "/moderation"

_DECISIONS: Final = {"publish": ReviewState.PUBLISHED, "hide": ReviewState.HIDDEN}
_SAID: Final = {"decided": "decided", "gone": "gone_meanwhile"}
#: Reviews of a state on the page; the command line lists more.
_MOST: Final = 30


def show(request: Request) -> Response:
    """What waits for a decision, and what was decided."""
    return _page(request, staff_of(request))


async def reviews(request: Request) -> Response:
    """Publish or hide a review."""
    staff, fields = await staff_form_of(request)
    return await run_in_threadpool(_decide, request, staff, fields)


async def thanks(request: Request) -> Response:
    """Take thanks off the wall."""
    staff, fields = await staff_form_of(request)
    return await run_in_threadpool(_take_down, request, staff, fields)


router.add_route(PAGE, show, methods=["GET"])
router.add_route(f"{PAGE}/reviews", reviews, methods=["POST"])
router.add_route(f"{PAGE}/thanks", thanks, methods=["POST"])


def _page(request: Request, staff: Staff, *, status: int = 200, wrong: str = "") -> Response:
    if not staff.is_ops:
        return staff_page(request, staff, "staff_no.html.j2", here="moderation", status=403)
    with reading(site_of(request).engine) as connection:
        return staff_page(
            request,
            staff,
            "moderation.html.j2",
            "peers",
            here="moderation",
            status=status,
            waiting=reviews_that(connection, ReviewState.HELD, limit=_MOST),
            published=reviews_that(connection, ReviewState.PUBLISHED, limit=_MOST),
            hidden=reviews_that(connection, ReviewState.HIDDEN, limit=_MOST),
            low=low_rated(connection),
            wall=wall(connection, now()),
            wrong=wrong,
            said=_SAID.get(request.query_params.get("done", ""), ""),
        )


def _decide(request: Request, staff: Staff, fields: Fields) -> Response:
    number, why, decision = one(fields, "number"), one(fields, "why"), _DECISIONS.get(one(fields, "decision"))
    if not staff.is_ops or decision is None:
        return _refused(request, staff)
    try:
        with writing(site_of(request).engine) as connection:
            decide(connection, number, decision, who=_who(staff), why=why, at=now())
    except NoReasonError:
        return _page(request, staff, status=422, wrong=number)
    except UnknownReviewError:
        return RedirectResponse(f"{PAGE}?done=gone", status_code=303)
    return RedirectResponse(f"{PAGE}?done=decided", status_code=303)


def _take_down(request: Request, staff: Staff, fields: Fields) -> Response:
    number, why = one(fields, "number"), one(fields, "why")
    if not staff.is_ops or not (number.isascii() and number.isdigit() and len(number) < 18):
        return _refused(request, staff)
    try:
        with writing(site_of(request).engine) as connection:
            take_down(connection, int(number), who=_who(staff), why=why, at=now())
    except NoReasonError:
        return _page(request, staff, status=422, wrong=f"thanks-{number}")
    except UnknownThanksError:
        return RedirectResponse(f"{PAGE}?done=gone", status_code=303)
    return RedirectResponse(f"{PAGE}?done=decided", status_code=303)


def _refused(request: Request, staff: Staff) -> Response:
    if not staff.is_ops:
        return _page(request, staff)
    raise HTTPException(400, "Nothing was changed")


def _who(staff: Staff) -> str:
    return staff.email or staff.subject
