"""The company's OpenID provider, as its client sees it (OpenID Connect Core 1.0, the code flow with PKCE, RFC 7636).

The library speaks the protocol and verifies what comes back. What is decided here: which signatures count, how long the
provider may take, and that whatever it gets wrong is one of two things: it is away, or it vouches for nobody. The pages
of the sign-in are in `web.sign_in`, which loads this module when somebody signs in, not when the app starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import httpx2
from authlib.integrations.starlette_client import OAuth, OAuthError
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from pushpull.settings import Settings

#: How long the provider may take in all for one of our pages, in seconds.
_PATIENCE: Final = 8.0
#: Signatures that only the provider can make: none that needs a secret we share, and not "none".
_SIGNATURES: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
#: What a clock may be off, in seconds.
_LEEWAY: Final = 60

#: What the library raises where an answer is not what a provider answers.
_GARBAGE: Final = (ValueError, TypeError, KeyError, AttributeError, RuntimeError)


class ProviderIsAway(Exception):
    """The provider does not answer, or not as OpenID providers do. The text names the kind of error, and no more."""


class Refused(Exception):
    """What the provider sent back is nobody's sign-in. The text names the kind of error, and no more."""


async def ask(request: Request, settings: Settings, *, back_to: str, hour: int) -> Response:
    """A redirect to the provider; what must be known when the browser comes back is kept in its session.

    Args:
        back_to: the absolute address of ours.
        hour: the current one, counted from anywhere: the provider is asked anew about itself every hour.

    Raises:
        ProviderIsAway: it says nothing of itself, or nothing that can be right.
    """
    with _faults():
        async with asyncio.timeout(_PATIENCE):
            client = await _client_of(settings, hour)
            answer = await client.authorize_redirect(request, back_to)
    assert isinstance(answer, Response)
    return answer


async def answered(request: Request, settings: Settings, *, hour: int) -> dict[str, Any]:
    """What the provider vouches for, verified: signature, issuer, audience, nonce, and that it is not over.

    Raises:
        Refused: it is not what was asked for.
        ProviderIsAway: it could not be asked.
    """
    with _faults():
        async with asyncio.timeout(_PATIENCE):
            return await _claims(request, await _client_of(settings, hour), settings)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (OAuthError, JoseError) as error:
        raise Refused(type(error).__name__) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
        raise ProviderIsAway(type(error).__name__) from None
    except _GARBAGE as error:
        raise Refused(type(error).__name__) from None


async def _claims(request: Request, client: Any, settings: Settings) -> dict[str, Any]:
    options = {
        "iss": {"essential": True, "values": [client.server_metadata["issuer"]]},
        "aud": {"essential": True, "values": [settings.oidc_client_id]},
        "exp": {"essential": True},
    }
    token = await client.authorize_access_token(request, claims_options=options, leeway=_LEEWAY)
    claims = dict(token.get("userinfo") or {})
    if not claims.get("sub"):
        raise Refused("no id token")
    if not {"email", settings.oidc_groups_claim} <= claims.keys() and client.server_metadata.get("userinfo_endpoint"):
        more = await client.userinfo(token=token)
        if more.get("sub") != claims["sub"]:
            raise Refused("user info of somebody else")
        claims = {**more, **claims}
    return claims


async def _client_of(settings: Settings, hour: int) -> Any:
    """The client, with what the provider says of itself.

    Raises:
        ProviderIsAway: it says nothing, or nothing that can be right (OpenID Connect Discovery 1.0, section 4.3).
    """
    client = _client(settings, hour)
    own = settings.oidc_issuer.rstrip("/")
    try:
        found = await client.load_server_metadata()
        if str(found["issuer"]).rstrip("/") != own:
            raise ValueError("another issuer")
        offered = found.get("id_token_signing_alg_values_supported") or ["RS256"]
        found["id_token_signing_alg_values_supported"] = sorted(_SIGNATURES.intersection(offered)) or ["RS256"]
        for endpoint in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not str(found[endpoint]).startswith(("https://", f"{own}/")):
                raise ValueError("an endpoint that is not encrypted")
    except (httpx2.HTTPError, httpx2.InvalidURL, *_GARBAGE) as error:
        _client.cache_clear()  # what was wrong must not be kept
        raise ProviderIsAway(type(error).__name__) from None
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
