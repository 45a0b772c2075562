"""A link that has expired: what is open today, and a fresh link by mail for whoever asks on the page.

The page tells a stranger nothing: neither anything of the learner's own, nor whether a mail was sent.
"""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pushpull.db import reading, writing
from pushpull.ledger.landing import Destination, destination
from pushpull.ledger.letters import ask
from pushpull.ledger.links import Claims, Purpose
from pushpull.ledger.vocabulary import LetterKind
from web.branding import brand_of
from web.pages import page
from web.session import link_form_of
from web.site import claims_of, now, site_of
from web.targets import is_safe_target
from web.words import words_for

router = APIRouter()


def expired_page(request: Request, connection: Connection, claims: Claims) -> Response:
    """What a link shows that has expired.

    Raises:
        HTTPException: 404: learner or campaign are no longer there.
    """
    found = _found(connection, claims)
    site, token = site_of(request), request.path_params["token"]
    return page(
        "landing.html.j2",
        words=words_for(found.language, "fresh"),
        brand=brand_of(found.brand, site.settings.content_dir),
        found=found,
        start=found.url if is_safe_target(found.url, site.settings.base_url) else "",
        token=token,
        form_token=site.signer.form_token(token),
    )


async def ask_for_a_fresh_link(request: Request) -> Response:
    """The button of that page. Asking again within ten minutes sends nothing, and looks the same."""
    claims, _ = claims_of(request, Purpose.LANDING)
    await link_form_of(request)
    await run_in_threadpool(_ask, request, claims)
    return RedirectResponse(f"/l/{request.path_params['token']}/fresh", status_code=303, background=sending(request))


def on_its_way(request: Request) -> Response:
    """What the page says then, whatever happened."""
    claims, _ = claims_of(request, Purpose.LANDING)
    site = site_of(request)
    with reading(site.engine) as connection:
        found = _found(connection, claims)
    brand = brand_of(found.brand, site.settings.content_dir)
    return page("fresh.html.j2", words=words_for(found.language, "fresh"), brand=brand, found=found)


router.add_route("/l/{token}/fresh", on_its_way, methods=["GET"])
router.add_route("/l/{token}/fresh", ask_for_a_fresh_link, methods=["POST"])


def sending(request: Request) -> BackgroundTask | None:
    """What sends the letters that were asked for, after the answer has left; None where the web app sends none: the
    next sync does then."""
    send = request.app.state.send_letters
    return BackgroundTask(send, now()) if send else None


def _ask(request: Request, claims: Claims) -> None:
    with writing(site_of(request).engine) as connection:
        ask(connection, claims.learner_id, LetterKind.FRESH_LINK, campaign_id=claims.campaign_id, at=now())


def _found(connection: Connection, claims: Claims) -> Destination:
    found = destination(connection, claims, now=now())
    if found is None:
        raise HTTPException(404)
    return found
