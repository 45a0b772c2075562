"""Signing in managers, sponsors and ops with the company's own provider. What a browser keeps afterwards lives in
`web.staff`, how the provider is spoken to in `web.provider`.

What is decided here: where to go (a fixed list of our own pages, and an address made from the settings), and that
neither a provider that is away nor one that refuses is an error of ours. Nothing about a person is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import request_response
from starlette.types import Receive, Scope, Send

from pushpull.ledger.seals import hkdf
from web.pages import page
from web.site import Site, now, site_of
from web.staff import PAGES, NoSignInError, is_encrypted, let_in, let_out, staff_form_of
from web.words import spoken_in, words_for

_LOG = logging.getLogger(__name__)

router = APIRouter()

#: How long somebody may take at the provider.
_DANCE: Final = timedelta(minutes=10)


async def start(request: Request) -> Response:
    """Send the browser to the provider."""
    from web import provider

    site = _site_with_provider(request)
    wanted = request.query_params.get("to", "")
    back_to = f"{site.settings.base_url.rstrip('/')}/sign-in/callback"
    try:
        answer = await provider.ask(request, site.settings, back_to=back_to, hour=_hour())
    except (provider.ProviderIsAway, provider.Refused) as error:
        return _away(request, error)
    request.session["to"] = wanted if wanted in PAGES else "team"
    answer.status_code = 303
    return answer


async def callback(request: Request) -> Response:
    """Take back who the provider says it is."""
    from web import provider

    site = _site_with_provider(request)
    wanted = request.session.get("to", "")
    if request.method != "GET":  # a mail scanner's HEAD is nobody's answer
        return _refused(request, "not a GET")
    try:
        claims = await provider.answered(request, site.settings, hour=_hour())
    except provider.ProviderIsAway as error:
        return _away(request, error)
    except provider.Refused as error:
        return _refused(request, str(error))
    request.session.clear()
    answer = RedirectResponse(PAGES.get(wanted, PAGES["team"]), status_code=303)
    is_verified = claims.get("email_verified") in (None, True, "true")  # not every provider says it
    let_in(
        request,
        answer,
        subject=str(claims["sub"]),
        email=str(claims.get("email") or "") if is_verified else "",
        name=str(claims.get("name") or claims.get("given_name") or ""),
        groups=_groups(claims.get(site.settings.oidc_groups_claim)),
    )
    return answer


async def leave(request: Request) -> Response:
    """Sign out of these pages; the provider's own session is the provider's."""
    await staff_form_of(request)
    answer = RedirectResponse("/sign-out", status_code=303)
    let_out(request, answer)
    return answer


def left(request: Request) -> Response:
    """Say that somebody signed out."""
    _site_with_provider(request)
    return _said(request, 200, "signed_out_title", "signed_out")


class _Dance:
    """A route that keeps something between the two steps of a sign-in, in a cookie of its own; no other page sets it.

    Args:
        step: the route.
    """

    def __init__(self, step: Callable[[Request], Awaitable[Response]]) -> None:
        self.__name__ = step.__name__
        self._app = request_response(step)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        site: Site = scope["app"].state.site
        secret = site.settings.link_key.get_secret_value().encode()
        guarded = SessionMiddleware(
            self._app,
            secret_key=hkdf(secret, salt=b"pushpull staff", info=b"v1 staff handshake", length=32).hex(),
            # Bound to this host: no neighbour under the same domain can put its own sign-in into the browser.
            session_cookie="__Host-pushpull-dance" if is_encrypted(site) else "pushpull-dance",
            max_age=int(_DANCE.total_seconds()),
            path="/",
            same_site="lax",
            https_only=is_encrypted(site),
        )
        await guarded(scope, receive, send)


router.add_route("/sign-in", _Dance(start), methods=["GET"])  # type: ignore[arg-type]  # an ASGI app is fine too
router.add_route("/sign-in/callback", _Dance(callback), methods=["GET"])  # type: ignore[arg-type]
router.add_route("/sign-out", left, methods=["GET"])
router.add_route("/sign-out", leave, methods=["POST"])


def _site_with_provider(request: Request) -> Site:
    site = site_of(request)
    if not site.settings.oidc_issuer:
        raise NoSignInError
    return site


def _hour() -> int:
    return int(now().timestamp()) // 3600


def _groups(claim: Any) -> list[str]:
    """The groups a claim lists: providers write a list, or one name alone."""
    listed = claim if isinstance(claim, list) else [claim]
    return [each for each in listed if isinstance(each, str)]


def _refused(request: Request, why: str) -> Response:
    request.session.clear()
    _LOG.warning("sign-in refused", extra={"error": why})
    return _said(request, 403, "sign_in_refused_title", "sign_in_refused")


def _away(request: Request, error: Exception) -> Response:
    _LOG.warning("the sign-in's provider is away", extra={"error": str(error)})
    answer = _said(request, 503, "sign_in_away_title", "sign_in_away")
    answer.headers["Retry-After"] = "30"
    return answer


def _said(request: Request, status: int, title: str, line: str) -> Response:
    words = words_for(spoken_in(request.headers.get("accept-language", "")), "staff")
    return page("sign_in.html.j2", status=status, words=words, title=words(title), line=words(line))
