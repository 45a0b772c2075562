"""A visit: what a browser keeps after it opened a learner's link, and forms that only our own pages can send.

A link in a message is opened once and gives way to a clean address; a cookie then says whose page it is, for a short
while. There is no account and nothing on the server to end: the cookie is signed, and holds what the link said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pushpull.ledger.links import Claims, LinkError, Purpose
from web.forms import Fields, read_form
from web.site import Site, now, site_of

#: How long a visit lasts; the link opens another.
LENGTH: Final = timedelta(hours=2)
#: The field that every form has.
FORM_TOKEN: Final = "form_token"  # noqa: S105  (a name, not a secret)


class NoVisitError(HTTPException):
    """A page was asked for that belongs to a learner, and nobody knows to whom."""

    def __init__(self) -> None:
        super().__init__(401)


class NotFromHereError(HTTPException):
    """A form was sent that none of our pages showed to this visitor."""

    def __init__(self) -> None:
        super().__init__(403)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whose page this is, and by which message they came.

    Args:
        learner_id: the learner.
        campaign_id, item_id, wave_id, rotation: of the message; None where they came by none.
        until: when the visit ends by itself.
        form_token: what their forms carry.
    """

    learner_id: int
    campaign_id: int | None
    item_id: int | None
    wave_id: int | None
    rotation: int | None
    until: datetime
    form_token: str


def cookie_name(site: Site) -> str:
    """Where the site is encrypted, browsers hold a name with this prefix to it: this host, all paths, encrypted only
    (RFC 6265bis, section 4.1.3.2)."""
    return "__Host-pushpull" if _is_encrypted(site) else "pushpull"


def begin(request: Request, response: Response, claims: Claims) -> None:
    """Let the browser keep what a link said."""
    site = site_of(request)
    token = site.signer.session_token(claims, now() + LENGTH)
    response.set_cookie(
        cookie_name(site),
        token,
        max_age=int(LENGTH.total_seconds()),
        path="/",
        secure=_is_encrypted(site),
        httponly=True,
        samesite="lax",
    )


def end(request: Request, response: Response) -> None:
    """Let the browser forget."""
    site = site_of(request)
    response.delete_cookie(cookie_name(site), path="/", secure=_is_encrypted(site), httponly=True, samesite="lax")


def visitor_of(request: Request) -> Visitor:
    """Whose page was asked for.

    Raises:
        NoVisitError: there is no visit, or it is over.
    """
    site = site_of(request)
    token = request.cookies.get(cookie_name(site), "")
    try:
        claims = site.signer.read(token, Purpose.SESSION, now())
    except LinkError:
        raise NoVisitError from None
    assert claims.expires_at is not None
    return Visitor(
        claims.learner_id,
        claims.campaign_id,
        claims.item_id,
        claims.wave_id,
        claims.rotation,
        claims.expires_at,
        site.signer.form_token(token),
    )


async def form_of(request: Request) -> tuple[Visitor, Fields]:
    """Who sent a form, and its fields.

    Raises:
        NoVisitError: there is no visit, or it is over.
        NotFromHereError: none of our pages showed it to this visitor.
    """
    visitor = visitor_of(request)
    return visitor, await _sent_with(request, request.cookies.get(cookie_name(site_of(request)), ""))


async def link_form_of(request: Request) -> Fields:
    """The fields of a form on the page of a link, whose token the path repeats.

    Raises:
        NotFromHereError: the page did not show it.
    """
    return await _sent_with(request, request.path_params["token"])


async def _sent_with(request: Request, holder: str) -> Fields:
    fields = await read_form(request)
    given = fields.get(FORM_TOKEN, [""])
    if not is_from_here(request) or len(given) != 1 or not site_of(request).signer.is_form_token(holder, given[0]):
        raise NotFromHereError
    return fields


def is_from_here(request: Request) -> bool:
    """Whether a browser says that a request comes from our own pages, or does not say.

    Our pages send no referrer, so browsers give their origin as "null"; what they add by themselves is telling
    (Fetch Metadata, www.w3.org/TR/fetch-metadata).
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin", "null")
    return origin in {"null", site_of(request).origin}


def _is_encrypted(site: Site) -> bool:
    return site.settings.base_url.startswith("https:")
