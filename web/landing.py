"""The way in: a link in a message opens a visit, and a learner's page leads on to what there is to learn.

Opening a link changes nothing: that it was opened is kept, and the browser keeps whose page it is. What an expired link
shows lives in `web.fresh`.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pushpull.db import writing
from pushpull.ledger.erased import is_erased
from pushpull.ledger.landing import Start, leads_somewhere, start_of
from pushpull.ledger.links import Claims, LinkError, Purpose
from pushpull.ledger.vocabulary import FetchKind
from pushpull.ledger.vouching import asks_to_vouch
from web.fresh import expired_page
from web.openings import keep_opening
from web.pages import not_found
from web.session import NoVisitError, Visitor, begin, visitor_of
from web.site import claims_of, now, site_of
from web.targets import is_safe_target

__all__ = ["is_safe_target", "router"]

router = APIRouter()

#: Where a link in a message leads: the learner's own page …
MY_PAGE = "/me"
#: … or the question that the message asks.
QUESTION = "/me/peers"


def follow(request: Request) -> Response:
    """A link from a message: a visit begins at a clean address, or the link is too old for that."""
    claims, has_expired = claims_of(request, Purpose.LANDING)
    with writing(site_of(request).engine) as connection:
        if not leads_somewhere(connection, claims):
            raise HTTPException(404)
        keep_opening(request, connection, FetchKind.LANDING, claims)
        if has_expired:
            return expired_page(request, connection, claims)
        page = QUESTION if asks_to_vouch(connection, claims.wave_id) else MY_PAGE
    answer = RedirectResponse(page, status_code=303)
    begin(request, answer, claims)
    return answer


def start(request: Request) -> Response:
    """The button of an item: on to where the learner stopped, else to where it begins."""
    site, visitor = site_of(request), visitor_of(request)
    item_id = request.path_params["item_id"]
    with writing(site.engine) as connection:
        if is_erased(connection, visitor.learner_id):
            raise NoVisitError
        found = start_of(connection, visitor.learner_id, item_id, now=now())
        target = _target(found, site.settings.base_url) if found else ""
        if not target:
            raise HTTPException(404)
        keep_opening(request, connection, FetchKind.START, visitor, item_id=item_id)
    return RedirectResponse(target, status_code=303)


def trap(request: Request) -> Response:
    """A link that pages have and nobody sees: who follows it reads pages for a machine."""
    site = site_of(request)
    try:
        of = _set_by(request)
    except NoVisitError:
        return not_found()
    with writing(site.engine) as connection:
        keep_opening(request, connection, FetchKind.TRAP, of)
    return not_found()


router.add_route("/l/{token}", follow, methods=["GET"])
router.add_route("/me/start/{item_id:int}", start, methods=["GET"])
router.add_route("/t/{token}", trap, methods=["GET"])


def _set_by(request: Request) -> Claims | Visitor:
    """Whose page the trap was on: an expired link's, which the path repeats, or that of the visit.

    Raises:
        NoVisitError: nobody's.
    """
    try:
        return site_of(request).signer.signed(request.path_params["token"])
    except LinkError:
        return visitor_of(request)


def _target(found: Start, base_url: str) -> str:
    return next((url for url in (found.place_url, found.url) if is_safe_target(url, base_url)), "")
