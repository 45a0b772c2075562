"""A link that a learner passed on: anybody may see what it is about; who is on a visit can take it into their queue.

Opening it changes nothing but what is kept of every opening. The address of the content is for visitors only.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pushpull.db import writing
from pushpull.learners.shares import Came, NoSuchShareError, follow, share_of, shared
from pushpull.ledger.links import Claims, Purpose
from pushpull.ledger.vocabulary import FetchKind
from web.frame import frame_of
from web.openings import keep_opening
from web.pages import page
from web.peers import AREA, about, halves
from web.session import NoVisitError, Visitor, form_of, visitor_of
from web.site import claims_of, now, site_of
from web.words import spoken_in, words_for

router = APIRouter()


def show(request: Request) -> Response:
    """What somebody passed on."""
    claims = _claims(request)
    assert claims.share_id is not None
    try:
        visitor = visitor_of(request)
    except NoVisitError:
        visitor = None
    with writing(site_of(request).engine) as connection:
        found = shared(connection, claims.share_id, now=now())
        if found is None:
            raise HTTPException(404)
        keep_opening(request, connection, FetchKind.SHARE, claims, item_id=found.facts.item_id)
        if visitor is None:
            words = words_for(spoken_in(request.headers.get("accept-language", "")), AREA)
            return page("share_open.html.j2", words=words, found=found, about=about(words, found.facts), halves=halves)
        frame = frame_of(request, connection, visitor)
        own = share_of(connection, visitor.learner_id, found.facts.item_id)
        return frame.page(
            "share.html.j2",
            AREA,
            here="",
            found=found,
            about=about(frame.words(AREA), found.facts),
            halves=halves,
            is_own=own == claims.share_id,
        )


async def take(request: Request) -> Response:
    """Put it into the visitor's own queue."""
    claims = _claims(request)
    visitor, _ = await form_of(request)
    return await run_in_threadpool(_take, request, claims, visitor)


router.add_route("/s/{token}", show, methods=["GET"])
router.add_route("/s/{token}", take, methods=["POST"])


def _take(request: Request, claims: Claims, visitor: Visitor) -> Response:
    assert claims.share_id is not None
    with writing(site_of(request).engine) as connection:
        frame_of(request, connection, visitor)
        found = shared(connection, claims.share_id, now=now())
        try:
            came = follow(connection, claims.share_id, visitor.learner_id, at=now())
        except NoSuchShareError:
            raise HTTPException(404) from None
    assert found is not None
    # What they had used before is not in their queue: its own page is where they carry on.
    there = "/me" if came is Came.QUEUED else f"/me/items/{found.facts.item_id}"
    return RedirectResponse(there, status_code=303)


def _claims(request: Request) -> Claims:
    claims, has_expired = claims_of(request, Purpose.SHARE)
    if has_expired or claims.share_id is None:
        raise HTTPException(404)
    return claims
