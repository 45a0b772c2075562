"""The preference page: a switch for each family of messages on each channel, and one that stops everything."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pushpull.db import writing
from pushpull.ledger.links import Claims, Purpose
from pushpull.ledger.preferences import Preferences, preferences
from pushpull.ledger.vocabulary import FetchKind
from web.forms import Fields, read_form
from web.openings import keep_opening
from web.pages import page
from web.session import is_from_here
from web.site import Site, claims_of, now, site_of
from web.switches import set_switches
from web.words import words_for

router = APIRouter()


def show(request: Request) -> Response:
    """The switches as they stand."""
    site = site_of(request)
    claims, has_expired = claims_of(request, Purpose.PREFERENCES)
    if has_expired:
        raise HTTPException(404)
    with writing(site.engine) as connection:
        answer = _page(preferences(connection, claims.learner_id), is_saved=False)
        keep_opening(request, connection, FetchKind.PREFERENCES, claims)
    return answer


async def save(request: Request) -> Response:
    """Set the switches that the page showed."""
    site = site_of(request)
    claims, has_expired = claims_of(request, Purpose.PREFERENCES)
    if has_expired:
        raise HTTPException(404)
    if not is_from_here(request):
        raise HTTPException(403, "Nothing was changed")
    return await run_in_threadpool(_save, site, claims, await read_form(request))


router.add_route("/p/{token}", show, methods=["GET"])
router.add_route("/p/{token}", save, methods=["POST"])


def _save(site: Site, claims: Claims, fields: Fields) -> Response:
    with writing(site.engine) as connection:
        changed = set_switches(connection, claims.learner_id, fields, at=now())
    return _page(changed, is_saved=True)


def _page(found: Preferences | None, *, is_saved: bool) -> Response:
    if found is None:
        raise HTTPException(404)
    return page("preferences.html.j2", words=words_for(found.language), found=found, is_saved=is_saved)

