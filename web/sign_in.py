"""Signing in managers, sponsors and ops with the company's own provider (OpenID Connect Core 1.0, the code flow with
PKCE, RFC 7636). What a browser keeps afterwards lives in `web.staff`.

The library speaks the protocol and verifies what comes back. What is decided here: where to go (a fixed list of our own
pages, and an address made from the settings), which signatures count, and that neither a provider that is away nor one
that refuses is an error of ours. Nothing about a person is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

import httpx
from authlib.integrations.starlette_client import OAuth, OAuthError
from fastapi import APIRouter
from joserfc.errors import JoseError
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import request_response
from starlette.types import Receive, Scope, Send

from pushpull.ledger.links import hkdf
from pushpull.settings import Settings
from web.pages import page
from web.site import Site, now, site_of
from web.staff import PAGES, is_encrypted, let_in, let_out, staff_form_of
from web.words import spoken_in, words_for

_LOG = logging.getLogger(__name__)

router = APIRouter()

#: How long somebody may take at the provider.
_DANCE: Final = timedelta(minutes=10)
#: How long the provider may take to answer, in seconds.
_PATIENCE: Final = 8.0
#: Signatures that only the provider can make: none that needs a secret we share, and not "none".
_SIGNATURES: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
#: What a clock may be off, in seconds.
_LEEWAY: Final = 60


class _ProviderIsAway(Exception):
    """The provider does not answer, or not as OpenID providers do."""


class _Refused(Exception):
    """What the provider sent back is nobody's sign-in."""


async def start(request: Request) -> Response:
    """Send the browser to the provider."""
    site = _site_with_provider(request)
    wanted = request.query_params.get("to", "")
    try:
        client = await _client_of(site)
        answer = await client.authorize_redirect(request, f"{site.settings.base_url.rstrip('/')}/sign-in/callback")
    except _ProviderIsAway as error:
        return _away(request, error)
    request.session["to"] = wanted if wanted in PAGES else "team"
    answer.status_code = 303
    assert isinstance(answer, Response)
    return answer


async def callback(request: Request) -> Response:
    """Take back who the provider says it is."""
    site = _site_with_provider(request)
    wanted = request.session.get("to", "")
    try:
        claims = await _claims(request, await _client_of(site), site.settings)
    except _ProviderIsAway as error:
        return _away(request, error)
    except _Refused as error:
        request.session.clear()
        _LOG.warning("sign-in refused", extra={"error": str(error)})
        return _said(request, 403, "sign_in_refused_title", "sign_in_refused")
    request.session.clear()
    answer = RedirectResponse(PAGES.get(wanted, PAGES["team"]), status_code=303)
    is_verified = claims.get("email_verified", True) not in (False, "false")
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
            session_cookie="__Secure-pushpull-dance" if is_encrypted(site) else "pushpull-dance",
            max_age=int(_DANCE.total_seconds()),
            path="/sign-in",
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
        raise HTTPException(404)
    return site


async def _claims(request: Request, client: Any, settings: Settings) -> dict[str, Any]:
    """What the provider vouches for, verified: signature, issuer, audience, nonce, and that it is not over.

    Raises:
        _Refused: it is not what was asked for.
        _ProviderIsAway: it could not be asked.
    """
    options = {
        "iss": {"essential": True, "values": [client.server_metadata["issuer"]]},
        "aud": {"essential": True, "values": [settings.oidc_client_id]},
        "exp": {"essential": True},
    }
    if request.method != "GET":  # a mail scanner's HEAD is nobody's answer
        raise _Refused("not a GET")
    try:
        token = await client.authorize_access_token(request, claims_options=options, leeway=_LEEWAY)
        claims = dict(token.get("userinfo") or {})
        if not claims.get("sub"):
            raise _Refused("no id token")
        if not {"email", settings.oidc_groups_claim} <= claims.keys() and client.server_metadata.get(
            "userinfo_endpoint"
        ):
            more = await client.userinfo(token=token)
            if more.get("sub") != claims["sub"]:
                raise _Refused("user info of somebody else")
            claims = {**more, **claims}
    except OAuthError as error:
        raise _Refused(type(error).__name__) from None
    except JoseError as error:
        raise _Refused(type(error).__name__) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _ProviderIsAway(type(error).__name__) from None
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:  # not what a provider answers
        raise _Refused(type(error).__name__) from None
    return claims


async def _client_of(site: Site) -> Any:
    """The client, with what the provider says of itself.

    Raises:
        _ProviderIsAway: it says nothing, or nothing that can be right (OpenID Connect Discovery 1.0, section 4.3).
    """
    settings = site.settings
    hour = int(now().timestamp()) // 3600  # the provider is asked anew every hour
    client = _client(settings, hour)
    try:
        found = await client.load_server_metadata()
        if str(found["issuer"]).rstrip("/") != settings.oidc_issuer.rstrip("/"):
            raise ValueError("another issuer")
        offered = found.get("id_token_signing_alg_values_supported") or ["RS256"]
        found["id_token_signing_alg_values_supported"] = sorted(_SIGNATURES.intersection(offered)) or ["RS256"]
        for endpoint in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not str(found[endpoint]).startswith(("https://", f"{settings.oidc_issuer.rstrip('/')}/")):
                raise ValueError("an endpoint that is not encrypted")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        _client.cache_clear()  # what was wrong must not be kept
        raise _ProviderIsAway(type(error).__name__) from None
    return client


@lru_cache(maxsize=4)
def _client(settings: Settings, _hour: int) -> Any:
    secret = settings.oidc_client_secret
    oauth = OAuth()
    return oauth.register(
        "staff",
        client_id=settings.oidc_client_id,
        client_secret=secret.get_secret_value() if secret else None,
        server_metadata_url=f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid email profile",
            "code_challenge_method": "S256",
            "timeout": _PATIENCE,
            "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
        },
    )


def _groups(claim: Any) -> list[str]:
    """The groups a claim lists: providers write a list, or one name alone."""
    listed = claim if isinstance(claim, list) else [claim]
    return [each for each in listed if isinstance(each, str)]


def _away(request: Request, error: Exception) -> Response:
    _LOG.warning("the sign-in's provider is away", extra={"error": str(error)})
    answer = _said(request, 503, "sign_in_away_title", "sign_in_away")
    answer.headers["Retry-After"] = "30"
    return answer


def _said(request: Request, status: int, title: str, line: str) -> Response:
    words = words_for(spoken_in(request.headers.get("accept-language", "")), "staff")
    return page("sign_in.html.j2", status=status, words=words, title=words(title), line=words(line))
