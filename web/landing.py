"""The landing page of a link in a message: what it is about and one button. Opening it changes nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pushpull.db import reading
from pushpull.ledger.landing import Destination, destination
from pushpull.ledger.links import Purpose
from web.pages import page
from web.site import claims_of, now, site_of
from web.words import words_for

router = APIRouter()


def landing_page(request: Request) -> Response:
    """Where a message leads its reader; an expired link leads to what is open today."""
    site = site_of(request)
    claims, has_expired = claims_of(request, Purpose.LANDING)
    with reading(site.engine) as connection:
        found = destination(connection, claims, now=now(), own=not has_expired)
    if found is None:
        raise HTTPException(404)
    start, place = _target(found, site.settings.base_url)
    return page(
        "landing.html.j2",
        words=words_for(found.language),
        found=found,
        start=start,
        place=place,
        has_expired=has_expired,
        # Only a valid link shows the way to the learner's own preferences.
        preferences_url="" if has_expired else site.signer.preferences_url(claims.learner_id),
    )


router.add_route("/l/{token}", landing_page, methods=["GET"])


def _target(found: Destination, base_url: str) -> tuple[str, str]:
    """The address behind the button, and the place it names; both may be empty."""
    if found.place_url and is_safe_target(found.place_url, base_url):
        return found.place_url, found.place_title
    return (found.url, "") if is_safe_target(found.url, base_url) else ("", "")


def is_safe_target(url: str, base_url: str) -> bool:
    """Whether a page may lead there: https, or this very site; no credentials, no control characters."""
    if not url or not url.isprintable() or any(character in url for character in "\\ "):
        return False
    try:
        target, own = urlsplit(url), urlsplit(base_url)
        if "@" in target.netloc or not target.hostname:
            return False
    except ValueError:
        return False
    return target.scheme == "https" or (target.scheme, target.netloc) == (own.scheme, own.netloc)
