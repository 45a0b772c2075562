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
from web.forms import Fields
from web.openings import keep_opening
from web.pages import page
from web.session import link_form_of
from web.site import claims_of, now, site_of
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
        answer = _page(request, preferences(connection, claims.learner_id), is_saved=False)
        keep_opening(request, connection, FetchKind.PREFERENCES, claims)
    return answer


async def save(request: Request) -> Response:
    """Set the switches that the page showed."""
    claims, has_expired = claims_of(request, Purpose.PREFERENCES)
    if has_expired:
        raise HTTPException(404)
    return await run_in_threadpool(_save, request, claims, await link_form_of(request))


router.add_route("/p/{token}", show, methods=["GET"])
router.add_route("/p/{token}", save, methods=["POST"])


def _save(request: Request, claims: Claims, fields: Fields) -> Response:
    with writing(site_of(request).engine) as connection:
        changed = set_switches(connection, claims.learner_id, fields, at=now())
    return _page(request, changed, is_saved=True)


def _page(request: Request, found: Preferences | None, *, is_saved: bool) -> Response:
    if found is None:
        raise HTTPException(404)
    token = site_of(request).signer.form_token(request.path_params["token"])
    words = words_for(found.language)
    return page("preferences.html.j2", words=words, found=found, is_saved=is_saved, form_token=token)
